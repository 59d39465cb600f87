"""An ingest that is killed, or finds no room: what it leaves, and where a rerun ends.

The months run in forked children without Ray, since what is at stake is in the files.
"""

import io
import json
import multiprocessing
import random
import resource
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from tiny import VALUES, tiny_config

from glacier import store
from glacier.archive import MonthRecord, archive_folder, complete_record, month_names
from glacier.config import Config
from glacier.errors import StoreError
from glacier.ingest import ingest_month
from glacier.sources.source import open_source

KILLS = 20
PIECES = 12
MONTHS = {"first": "2014-07", "last": "2014-12"}
"""Four months with images, and two without."""
TIMES = {"seconds"}
WITHIN_S = 60


def make_config(folder: Path) -> Config:
    """A run of months that take a moment: coarser than even the tiny ones."""
    regions = [{**VALUES["regions"][0], "pixel_m": 300}]
    return tiny_config(folder, months=MONTHS, regions=regions)


def fill(config: Config) -> str:
    """Make what is missing, month after month in this process; the archive's folder."""
    (region,), source = config.regions, open_source(config)
    folder = archive_folder(config, region, source)
    for month in month_names(config, region, source):
        if complete_record(folder, month) is None:
            ingest_month(config, region, month, folder)
    return folder


class SlowFile(io.FileIO):
    """A file on a slow disk, so that a kill often meets it half written."""

    def write(self, data: Any) -> int:
        step = max(1, len(data) // PIECES)
        for at in range(0, len(data), step):
            super().write(data[at : at + step])
            time.sleep(0.001)
        return len(data)


def fill_in_child(config: Config, begun: Connection) -> None:
    """Say that the work begins, do it on a slow disk, and say that it is done."""
    store.open = SlowFile  # type: ignore[attr-defined]
    begun.send(True)
    fill(config)
    begun.send(True)


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    """Makes children that have everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["glacier.ingest", "glacier.sources.synthetic", "test_crash"])
    return context


def start(server: ForkServerContext, config: Config) -> tuple[ForkServerProcess, Connection]:
    ours, theirs = server.Pipe()
    child = server.Process(target=fill_in_child, args=(config, theirs))
    child.start()
    assert ours.poll(WITHIN_S) and ours.recv()
    return child, ours


def contents(folder: Path) -> dict[str, Any]:
    """Name to content of all that has a final name, records without their times."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path.name.startswith("."):
            continue
        name = str(path.relative_to(folder))
        found[name] = path.read_bytes()
        if path.suffix == ".json":  # whole, or this raises
            found[name] = {k: v for k, v in json.loads(found[name]).items() if k not in TIMES}
    return found


@pytest.fixture(scope="module")
def unbroken(
    server: ForkServerContext, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Any], float]:
    """Content of an archive whose making nobody disturbed, and how long it took, seconds."""
    durations = []
    for name in ("warm", "unbroken"):
        folder = tmp_path_factory.mktemp(name)
        child, pipe = start(server, make_config(folder))
        began = time.monotonic()
        assert pipe.poll(WITHIN_S) and pipe.recv()
        durations.append(time.monotonic() - began)
        child.join(WITHIN_S)
        assert child.exitcode == 0
    return contents(folder / "data"), min(durations)


def test_killed_at_any_moment_nothing_is_half_there_and_a_rerun_ends_the_same(
    server: ForkServerContext, unbroken: tuple[dict[str, Any], float], tmp_path: Path
) -> None:
    expected, took_s = unbroken
    assert sum(name.endswith(".tif") for name in expected) == 8  # images and class maps
    rng, left = random.Random(14), []
    for kill in range(KILLS):
        config = make_config(tmp_path / str(kill))
        child, _ = start(server, config)
        time.sleep(rng.uniform(0, took_s))
        child.kill()
        child.join(WITHIN_S)
        there = contents(tmp_path / str(kill) / "data")
        for name, content in there.items():
            assert content == expected[name], f"kill {kill}: {name} is not whole"
        left.append(len(there))
        fill(config)
        assert contents(tmp_path / str(kill) / "data") == expected
    assert len(set(left)) >= 4 and min(left) < len(expected)  # the moments were different ones


def limit_files(config: Config, size: int, said: Connection) -> None:
    """Make a month where no file may grow beyond a size, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    (region,), source = config.regions, open_source(config)
    (month, *_) = month_names(config, region, source)
    folder = archive_folder(config, region, source)
    try:
        said.send(ingest_month(config, region, month, folder))
    except StoreError as error:
        said.send(str(error))


def make_limited(server: ForkServerContext, config: Config, size: int) -> Any:
    """What the month's maker says: its record, or its error's message."""
    ours, theirs = server.Pipe()
    child = server.Process(target=limit_files, args=(config, size, theirs))
    child.start()
    assert ours.poll(WITHIN_S)
    said = ours.recv()
    child.join(WITHIN_S)
    return said


def test_no_room_for_an_image_is_a_failed_month_that_says_what_to_do(
    server: ForkServerContext, unbroken: tuple[dict[str, Any], float], tmp_path: Path
) -> None:
    config = make_config(tmp_path)
    record = MonthRecord.from_dict(make_limited(server, config, 20_000))
    assert (record.status, record.error) == ("failed", "StoreError")
    assert "2014-07" in record.reason and "File too large" in record.reason
    assert "bytes are free there: make room, then run the same command again" in record.reason
    there = {name: c for name, c in contents(tmp_path / "data").items() if ".json" not in name}
    assert all(content == unbroken[0][name] for name, content in there.items())
    assert not any(name.endswith("07.tif") for name in there)
    assert list(tmp_path.rglob(".*.tmp")) == []
    folder = fill(config)
    again = complete_record(folder, month_names(config, config.regions[0], open_source(config))[0])
    assert again is not None and (again.status, again.attempts) == ("ok", 2)


def test_no_room_for_a_record_stops_the_job(server: ForkServerContext, tmp_path: Path) -> None:
    said = make_limited(server, make_config(tmp_path), 100)
    assert "2014-07.json" in said and "make room" in said
    assert contents(tmp_path / "data") == {}
