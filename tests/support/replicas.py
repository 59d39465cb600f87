"""The service by Ray Serve on a private Ray, in a program of its own: what its replicas share."""

import sys
import time
from pathlib import Path

import httpx
import ray

from glacier.serving.on_ray import deploy
from tests.support.running_service import RAW
from tests.support.stand_in_mapper import OUTLINE, TIFF, start_stand_in
from tests.support.tiny import tiny_config


def ask_replicas(folder: Path) -> None:
    """Of a map that one made the other tells, and what one promotes the other follows."""
    (folder / "tokens").write_text("promote 0123456789abcdef\n")
    (folder / "tokens").chmod(0o600)
    serve = {
        "port": 0, "on": "ray", "replicas": (2, 2), "cpus_per_worker": 1,
        "folder": str(folder / "shared"), "tokens": str(folder / "tokens"),
    }  # fmt: skip
    own = {"authorization": "Bearer 0123456789abcdef"}
    with (
        deploy(tiny_config(folder, serve=serve), start_stand_in) as address,
        httpx.Client(base_url=address, headers=own, timeout=30) as client,
    ):
        assert client.get("/health/ready").json() == {"status": "ready"}
        assert client.get("/model", headers={"authorization": ""}).status_code == 401
        later = client.post("/maps", content=TIFF, headers=RAW | {"prefer": "respond-async"})
        assert later.status_code == 201
        place = later.headers["location"]
        end = time.monotonic() + 20
        while client.get(place).json()["status"] != "successful":
            assert time.monotonic() < end
            time.sleep(0.1)
        for _ in range(8):
            assert client.get(f"{place}/results/outlines").content == OUTLINE
        assert client.put("/model", json={"id": "tiny+another"}).status_code == 200
        time.sleep(2.5)
        answers = [client.post("/maps", content=TIFF, headers=RAW) for _ in range(8)]
        assert {answer.json()["model"]["id"] for answer in answers} == {"tiny+another"}


if __name__ == "__main__":
    ray.init(address="local", num_cpus=4, include_dashboard=False, logging_level="ERROR")
    ask_replicas(Path(sys.argv[1]))
    ray.shutdown()
