"""``glacier serve`` as a program: its address, its answers, its end."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from glacier.config import Config
from glacier.errors import ConfigError, StoreError
from glacier.serving.on_uvicorn import serve_here
from tests.support.canary import serve_canary
from tests.support.hostile.rasters import WHOLE
from tests.support.hostile.row import Trap
from tests.support.served import serve_config, write_image, write_sweep
from tests.support.stand_in_mapper import StandInMapper, start_stand_in
from tests.support.tiny import tiny_config

ROOT = Path(__file__).parents[2]


FIRST, SECOND = "made-00000000", "made-00000001"
TOKEN = {"Authorization": "Bearer 0123456789abcdef"}

HOSTILE = (
    "VRT", "WMS", "STAC", "PNG", "nothing", "bomb of 7 GB", "bomb of 1.1 TB", "bomb of 1.9 GB",
    "block of 4 GB", "10,000 bands", "overviews at an address", "cut short", "complex",
)  # fmt: skip
"""How rows of the hostile table begin that are uploaded here."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose sweep is finished, beside another one of the same encoder."""
    folder = tmp_path_factory.mktemp("storage")
    write_sweep(folder, SECOND, seed=5)
    config = serve_config(folder, write_sweep(folder, FIRST))
    values = config.model_dump(mode="json", exclude_unset=True)
    (folder / "tokens").write_text("promote 0123456789abcdef\n")
    (folder / "tokens").chmod(0o600)
    values["serve"] |= {"port": 0, "tokens": str(folder / "tokens")}
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def service(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The verb as a program; at the end it is asked to end, and leaves nothing."""
    temporary = tmp_path_factory.mktemp("temporary")
    with subprocess.Popen(
        [sys.executable, "-m", "glacier", "serve", str(run)], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
    ) as program:  # fmt: skip
        said = next(line for line in program.stdout if " at http" in line)
        address = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        with httpx.Client(base_url=address, headers=TOKEN, timeout=180) as client:
            yield client
        children = list_children(program.pid)
        assert children
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0, program.stderr.read()
        assert "serve: ended" in program.stdout.read()
    time.sleep(0.2)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert list(temporary.iterdir()) == []


def list_children(pid: int) -> set[int]:
    """Processes below one, at whatever depth."""
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    parents = [tuple(map(int, line.split())) for line in table.splitlines()]
    found, new = set[int](), {pid}
    while new:
        new = {child for child, parent in parents if parent in new} - found
        found |= new
    return found


def ask(service: httpx.Client, image: bytes) -> httpx.Response:
    return service.post("/maps", files={"image": image})


@pytest.mark.slow
def test_an_image_is_mapped_as_a_stranger_would_ask_for_it(
    service: httpx.Client, tmp_path: Path
) -> None:
    answer = ask(service, write_image(tmp_path / "i.tif").read_bytes())
    assert answer.status_code == 200, answer.text
    values = answer.json()
    assert values["low_km2"] <= values["area_km2"] <= values["high_km2"]
    outlines, classes, _, _ = (service.get(link["href"]) for link in values["links"])
    assert len(outlines.json()["features"]) == values["outlines"] > 0
    assert classes.content[:4] == b"II*\0"


@pytest.mark.slow
def test_hostile_images_are_refused_and_the_next_one_is_mapped(
    service: httpx.Client, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    rows = [row for row in WHOLE if row.name.startswith(HOSTILE)]
    assert len(rows) > len(HOSTILE)
    with serve_canary() as (url, calls):
        for k, row in enumerate(rows):
            folder = tmp_path / str(k)
            folder.mkdir()
            image = Path(row.make(Trap(folder, url, secret))).read_bytes()
            answer = ask(service, image)
            assert answer.status_code == 422, (row.name, answer.text)
            detail = answer.json()["detail"]
            assert str(tmp_path) not in detail and "/glacier-" not in detail, row.name
    assert calls == []
    assert ask(service, write_image(tmp_path / "i.tif").read_bytes()).status_code == 200


@pytest.mark.slow
def test_the_model_changes_under_load_and_no_request_fails(
    service: httpx.Client, tmp_path: Path
) -> None:
    """Each answer is of one model: its checksum, its name and its area belong together."""
    image = write_image(tmp_path / "i.tif").read_bytes()
    names = [model["id"] for model in service.get("/models").json()["models"]]
    found: list[httpx.Response] = []
    is_over = threading.Event()

    def ask_on() -> None:
        while not is_over.is_set():
            found.append(ask(service, image))

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask_on) for _ in range(3)]
        try:
            wait_until(lambda: len(found) >= 3)
            promoted = service.put("/model", json={"id": names[1]})
            assert promoted.json()["id"] == names[1]
            count = len(found)
            wait_until(lambda: len(found) >= count + 4)
        finally:
            is_over.set()
        [one.result() for one in asking]
    assert {answer.status_code for answer in found} == {200}
    answers = {
        (answer.headers["x-model-sha256"], values["model"]["sha256"], values["model"]["id"],
         values["area_km2"])
        for answer in found
        for values in [answer.json()]
    }  # fmt: skip
    assert {row[2] for row in answers} == set(names) and len(answers) == 2
    assert all(row[0] == row[1] for row in answers)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"serve\.port = {port}: cannot listen there"):
            serve_here(tiny_config(tmp_path, serve={"port": port}), start_stand_in)


def test_a_model_that_cannot_be_had_is_said_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def fail(config: Config) -> StandInMapper:
        raise StoreError("no finished sweep is there; run glacier sweep first")

    with pytest.raises(StoreError, match="run glacier sweep first"):
        serve_here(tiny_config(tmp_path, serve={"port": 0}), fail)
    assert list(tmp_path.iterdir()) == []
