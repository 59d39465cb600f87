"""Two drivers on one storage: whoever comes second waits or leaves, and no work is done twice."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glacier.archive.records import list_months
from glacier.lock_file import create
from glacier.owner import Owner
from glacier.sources.factory import open_source
from tests.support.tiny import tiny_config, write_tiny

REPO = Path(__file__).parents[2]
STARTS = 2
MONTHS, TRIALS = 8, 2
TAKEN = r"lock: (\S+) is worked on by run tiny \(process (\d+) on \S+, since 20[-: \d]+\)"


def start(verb: str, config: Path, *flags: str) -> subprocess.Popen[str]:
    """A job as a process of its own, with a private Ray of one core."""
    env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    command = [sys.executable, "-m", f"jobs.{verb}", str(config), "--cluster.cpus", "1", *flags]
    return subprocess.Popen(
        command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def count(pattern: str, texts: list[str]) -> int:
    """Sum of the numbers that a pattern finds in the lines of all texts."""
    return sum(int(found) for text in texts for found in re.findall(pattern, text, re.M))


def unfinished(folder: Path) -> list[Path]:
    """Locks, and files that were begun and not finished."""
    return [p for p in folder.rglob(".*") if p.name.startswith(".lock") or p.suffix == ".tmp"]


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STARTS))
def test_of_two_pipelines_each_unit_of_work_is_done_by_one(tmp_path: Path, seed: int) -> None:
    config = write_tiny(tmp_path)
    drivers = [start("pipeline", config)]
    time.sleep(random.Random(seed).uniform(0, 5) if seed else 0)
    drivers.append(start("pipeline", config))
    told = [driver.communicate(timeout=500)[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0], "\n\n".join(told)
    for stage in ("ingest", "prepare"):
        assert count(rf"^{stage}: (\d+)/\1;", told) == MONTHS, told
    done = count(r"^sweep: (\d+) trials, \d+ done before", told)
    assert done - count(r"^sweep: \d+ trials, (\d+) done before", told) == TRIALS, told
    assert sum("sweep: best of" in text for text in told) == 1, told
    assert sum("report: complete in" in text for text in told) == 1, told
    waits = [(found[2], driver.pid) for driver, text in zip(drivers, told, strict=True)
             for found in re.finditer(TAKEN + "; waiting for it$", text, re.M)]  # fmt: skip
    assert waits
    pids = {driver.pid for driver in drivers}
    assert all({int(owner), waiting} == pids for owner, waiting in waits)
    frees = sum(len(re.findall(r"^lock: \S+ is free after", text, re.M)) for text in told)
    assert frees == len(waits)
    assert not [text for text in told if "Traceback" in text]
    assert unfinished(tmp_path) == []


def test_who_is_to_leave_ends_at_once_and_well(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    folder = list_months(config, open_source(config))[0].folder
    lock = Path(folder) / ".lock"
    assert create(str(lock), Owner.of_this_process("tiny"))
    before = lock.read_bytes()
    driver = start("ingest", write_tiny(tmp_path), "--when_locked", "leave")
    told, _ = driver.communicate(timeout=100)
    assert driver.returncode == 0, told
    (found,) = re.finditer(TAKEN, told)
    assert (found[1], int(found[2])) == (folder, os.getpid())
    assert "ray:" not in told
    assert os.listdir(folder) == [".lock"] and lock.read_bytes() == before


@pytest.mark.ray
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_killed_driver_is_followed_and_leaves_nothing(tmp_path: Path) -> None:
    config = write_tiny(tmp_path, months={"first": "2014-01", "last": "2015-12"})
    driver, deadline = start("ingest", config), time.monotonic() + 200
    archive = tmp_path / "data/archive"
    while not list(archive.glob("*/????-??.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    (lock,) = archive.glob("*/.lock")
    (lock.parent / ".2014-07.tif.0123.tmp").write_bytes(b"half")
    again = start("ingest", config)
    told, _ = again.communicate(timeout=300)
    assert again.returncode == 0, told
    said = rf"^lock: run tiny \(process {driver.pid} on .* ended without giving {lock.parent} back"
    assert len(re.findall(said, told, re.M)) == 1, told
    assert unfinished(tmp_path) == []
