"""Points at which a run can be killed: all writing passes them, and one process stands still."""

import multiprocessing
import os
import re
import time
from pathlib import Path

import pytest

from glacier import kill_points, seals, store
from glacier.lock_file import create, discard
from glacier.owner import Owner

GLACIER = Path(kill_points.__file__).parent
OWN = {
    "store", "lock_file", "kill_points",
    "ray_files",  # the token
    "scratch",  # what lasts as long as its process
    "faults",  # an account that nobody reads again
    "geo.raster_rows",  # tiles of a raster in a folder of its caller's own, for the time of writing
    "samples.mapped_images",  # what a node lays out for its own processes
    "job_log",  # lines at the end of a file, which nothing vouches for
    "geo.vector_files", "geo.zipped",  # copies of inputs, for the time of reading
    "releases.index", "releases.share",  # a model on its way, in a folder of the process
    "serving.spool",  # uploads, for the time of mapping
    "serving.kept_maps",  # what is known of a map, in a folder that goes as a whole
}  # fmt: skip
"""Modules that may write files."""

WRITES = re.compile(
    r"""open\([^)]*["'][wxa]b?["']|\.write_text\(|os\.(replace|rename|link)\(|mkstemp\("""
)
"""What makes a file."""


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "signs"
    folder.mkdir()
    monkeypatch.setenv(kill_points.FOLDER, str(folder))
    return folder


def read_reached(signs: Path) -> list[str]:
    return (signs / kill_points.REACHED).read_text().splitlines()


def test_without_the_variable_nothing_is_noted(tmp_path: Path) -> None:
    assert kill_points.FOLDER not in os.environ
    store.write_bytes(str(tmp_path / "file"), b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_every_step_of_a_writing_is_noted(tmp_path: Path, signs: Path) -> None:
    file, moved, lock = (str(tmp_path / name) for name in ("a.json", "b/a.json", ".lock"))
    seals.write_json(file, {"a": 1})
    store.move(file, moved)
    store.remove(moved)
    store.remove(moved)
    assert create(lock, Owner.of_this_process("run"))
    discard(lock)
    store.write_bytes("memory://kills/object", b"content")
    store.remove_folder("memory://kills")
    assert read_reached(signs) == [
        f"written {file}", f"flushed {file}", f"renamed {file}", f"sealed {file}",
        f"moved {moved}", f"removed {moved}", f"written {lock}", f"linked {lock}",
        f"removed {lock}", "stored memory://kills/object", "removed memory://kills",
    ]  # fmt: skip


def write_one(file: str) -> None:
    store.write_bytes(file, b"content")


def await_taken(signs: Path) -> Path:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for path in signs.glob(f"{kill_points.TAKEN}*"):
            return path
        time.sleep(0.01)
    raise AssertionError("nobody has come there")


@pytest.mark.parametrize(
    ("step", "left"),
    [("written", [".file.*.tmp"]), ("flushed", [".file.*.tmp"]), ("renamed", ["file"])],
)
def test_one_process_of_all_stands_still_there_until_it_is_killed(
    tmp_path: Path, signs: Path, step: str, left: list[str]
) -> None:
    (signs / kill_points.ORDER).write_text(f"{step} */file")
    place = tmp_path / "place"
    server = multiprocessing.get_context("spawn")
    writers = [server.Process(target=write_one, args=(str(place / "file"),)) for _ in range(2)]
    writers[0].start()
    taken = await_taken(signs)
    assert taken.name == f"{kill_points.TAKEN}{writers[0].pid}"
    found = list(place.iterdir())
    assert len(found) == len(left) and all(map(Path.match, found, left))
    writers[1].start()
    writers[1].join()
    assert writers[1].exitcode == 0 and writers[0].is_alive()
    writers[0].kill()
    writers[0].join()
    assert (place / "file").read_bytes() == b"content"


def test_who_stands_still_goes_on_when_it_is_let(
    tmp_path: Path, signs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (signs / kill_points.ORDER).write_text(f"flushed {tmp_path}/file")
    looks = []

    def let_go(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            await_taken(signs).unlink()

    monkeypatch.setattr(time, "sleep", let_go)
    write_one(str(tmp_path / "other"))
    assert not looks
    write_one(str(tmp_path / "file"))
    assert len(looks) == 3 and (tmp_path / "file").exists()


def test_nobody_stands_still_for_ever(
    tmp_path: Path, signs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (signs / kill_points.ORDER).write_text("renamed *")
    monkeypatch.setattr(kill_points, "HOLD_S", 0.1)
    write_one(str(tmp_path / "file"))
    assert await_taken(signs).name == f"{kill_points.TAKEN}{os.getpid()}"


def test_all_files_are_written_where_the_points_are() -> None:
    found = {
        ".".join(path.relative_to(GLACIER).with_suffix("").parts)
        for path in GLACIER.rglob("*.py")
        if WRITES.search(path.read_text())
    }
    assert found <= OWN
    assert {"store", "lock_file"} <= found
