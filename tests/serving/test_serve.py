"""``glacier serve`` as a program: its address, its answers, its end."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest
import yaml

from glacier.config import Config
from glacier.errors import ConfigError, StoreError
from glacier.serving.on_uvicorn import serve_here
from tests.support.served import serve_config, write_image, write_sweep
from tests.support.stand_in_mapper import StandInMapper, start_stand_in
from tests.support.tiny import tiny_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose sweep is finished."""
    folder = tmp_path_factory.mktemp("storage")
    config = serve_config(folder, write_sweep(folder, "made-00000000"))
    path = folder / "run.yaml"
    values = config.model_dump(mode="json", exclude_unset=True)
    path.write_text(yaml.safe_dump(values))
    return path


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


@pytest.mark.slow
def test_it_says_where_it_is_maps_and_ends_well(run: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "glacier", "serve", str(run), "--serve.port", "0"], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
    ) as service:  # fmt: skip
        said = next(line for line in service.stdout if " at http" in line)
        address = re.search(r"http://127\.0\.0\.1:\d+", said)[0]
        image = write_image(tmp_path / "i.tif").read_bytes()
        answer = httpx.post(f"{address}/maps", files={"image": image}, timeout=60)
        assert answer.status_code == 200, answer.text
        values = answer.json()
        assert values["low_km2"] <= values["area_km2"] <= values["high_km2"]
        outlines = httpx.get(values["links"][0]["href"]).json()
        assert len(outlines["features"]) == values["outlines"] > 0
        children = list_children(service.pid)
        assert children
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0, service.stderr.read()
        assert "serve: ended" in service.stdout.read()
    time.sleep(0.2)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert [path.name for path in tmp_path.iterdir()] == ["i.tif"]


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
