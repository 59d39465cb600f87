"""An ingest that is killed, or finds no room: what it leaves, and where a rerun ends.

The months run in forked children without Ray, since what is at stake is in the files. A child
kills itself at a step of its writing, so that the moments are the same on every machine.
"""

import io
import json
import multiprocessing
import os
import random
import resource
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from glacier import store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import complete_record, list_months
from glacier.config import Config
from glacier.errors import StoreError
from glacier.sources.factory import open_source
from tests.support.tiny import VALUES, tiny_config

KILLS = 20
PIECES = 12
MONTHS = {"first": "2014-07", "last": "2014-12"}
"""Four months with images, and two without."""
TIMES = {"seal", "seconds"}
WITHIN_S = 60


def make_config(folder: Path) -> Config:
    """A run of months that take a moment: coarser than even the tiny ones."""
    regions = [{**VALUES["regions"][0], "pixel_m": 300}]
    return tiny_config(folder, months=MONTHS, regions=regions)


def fill(config: Config) -> None:
    """Make what is missing, month after month in this process."""
    for target in list_months(config, open_source(config)):
        if complete_record(target) is None:
            ingest_month(config, target)


class Doom:
    """Counts the steps of all writing in a process, and kills the process at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at, self.steps = at, 0

    def step(self) -> None:
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps += 1

    def watch(self) -> None:
        """Have every piece of a file, every flush and every renaming count as a step."""
        flush, rename = os.fsync, os.replace

        class File(io.FileIO):
            def write(_, data: Any) -> int:
                size = max(1, len(data) // PIECES)
                for at in range(0, len(data), size):
                    self.step()
                    super().write(data[at : at + size])
                return len(data)

        def fsync(file: int) -> None:
            self.step()
            flush(file)

        def replace(before: Any, after: Any) -> None:
            self.step()
            rename(before, after)

        store.open = File  # type: ignore[attr-defined]
        os.fsync, os.replace = fsync, replace


def fill_in_child(config: Config, kill_at: int | None, said: Connection) -> None:
    """Do the work, be killed at that step of it, or else say how many there were."""
    doom = Doom(kill_at)
    doom.watch()
    fill(config)
    said.send(doom.steps)


@pytest.fixture(scope="module")
def server() -> ForkServerContext:
    """Makes children that have everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["glacier.archive.ingest", "glacier.sources.synthetic.source", __name__]
    )
    return context


def run(server: ForkServerContext, config: Config, kill_at: int | None = None) -> int | None:
    """Fill the archive in a child; the number of its steps, or None where it was killed."""
    ours, theirs = server.Pipe()
    child = server.Process(target=fill_in_child, args=(config, kill_at, theirs))
    child.start()
    child.join(WITHIN_S)
    assert child.exitcode == (0 if kill_at is None else -signal.SIGKILL)
    return ours.recv() if kill_at is None else None


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
) -> tuple[dict[str, Any], int]:
    """Content of an archive whose making nobody disturbed, and of how many steps that was."""
    folder = tmp_path_factory.mktemp("unbroken")
    steps = run(server, make_config(folder))
    assert steps is not None
    return contents(folder / "data"), steps


def test_killed_at_any_moment_nothing_is_half_there_and_a_rerun_ends_the_same(
    server: ForkServerContext, unbroken: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    expected, steps = unbroken
    assert sum(name.endswith(".tif") for name in expected) == 8  # images and class maps
    moments, left = random.Random(14).sample(range(steps), KILLS), []
    for kill_at in moments:
        config = make_config(tmp_path / str(kill_at))
        run(server, config, kill_at)
        there = contents(tmp_path / str(kill_at) / "data")
        for name, content in there.items():
            assert content == expected[name], f"killed at {kill_at}: {name} is not whole"
        left.append(len(there))
        fill(config)
        assert contents(tmp_path / str(kill_at) / "data") == expected
    assert len(set(left)) >= 8 and max(left) < len(expected)  # the moments were different ones


def limit_files(config: Config, size: int, said: Connection) -> None:
    """Make a month where no file may grow beyond a size, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    target, *_ = list_months(config, open_source(config))
    try:
        said.send(ingest_month(config, target))
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
    record = make_limited(server, config, 20_000)
    assert (record.status, record.error) == ("failed", "StoreError")
    assert "2014-07" in record.reason and "File too large" in record.reason
    assert "bytes are free there: make room, then run the same command again" in record.reason
    there = {name: c for name, c in contents(tmp_path / "data").items() if ".json" not in name}
    assert all(content == unbroken[0][name] for name, content in there.items())
    assert not any(name.endswith("07.tif") for name in there)
    assert list(tmp_path.rglob(".*.tmp")) == []
    fill(config)
    again = complete_record(list_months(config, open_source(config))[0])
    assert again is not None and (again.status, again.attempts) == ("ok", 2)


def test_no_room_for_a_record_stops_the_job(server: ForkServerContext, tmp_path: Path) -> None:
    said = make_limited(server, make_config(tmp_path), 100)
    assert "2014-07.json" in said and "make room" in said
    assert contents(tmp_path / "data") == {}
