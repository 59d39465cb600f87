"""The same application by Ray Serve."""

import time
from pathlib import Path

import httpx
import pytest

from glacier.serving.on_ray import deploy, describe_replicas
from glacier.settings.serve import Serve
from tests.support.running_service import RAW
from tests.support.stand_in_mapper import OUTLINE, TIFF, start_stand_in
from tests.support.tiny import tiny_config


def test_replicas_have_what_their_workers_take() -> None:
    told = describe_replicas(Serve(workers=3, cpus_per_worker=2, gpus_per_worker=0.25))
    assert told["ray_actor_options"] == {"num_cpus": 6, "num_gpus": 0.75}
    assert told["num_replicas"] == 1 and "autoscaling_config" not in told
    told = describe_replicas(Serve(workers=3, gpus_per_worker=0.5, replicas=(1, 4), folder="x"))
    assert told["ray_actor_options"]["num_gpus"] == 2
    assert told["autoscaling_config"]["max_replicas"] == 4 and "num_replicas" not in told


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_local")
def test_replicas_answer_alike_and_know_each_others_maps(tmp_path: Path) -> None:
    """Of a map that one made the other tells, and what one promotes the other follows."""
    (tmp_path / "tokens").write_text("promote 0123456789abcdef\n")
    (tmp_path / "tokens").chmod(0o600)
    serve = {
        "port": 0, "on": "ray", "replicas": (2, 2), "cpus_per_worker": 1,
        "folder": str(tmp_path / "shared"), "tokens": str(tmp_path / "tokens"),
    }  # fmt: skip
    own = {"authorization": "Bearer 0123456789abcdef"}
    with (
        deploy(tiny_config(tmp_path, serve=serve), start_stand_in) as address,
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
