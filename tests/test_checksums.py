"""Content decides; size and time only save the reading."""

import hashlib
import os
import threading
from pathlib import Path

import pytest

from glacier import checksums
from glacier.checksums import checksum_all


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def checksum(path: Path) -> str:
    (found,) = checksum_all([path])
    return found


def write(path: Path, data: bytes, time_ns: int) -> Path:
    path.write_bytes(data)
    os.utime(path, ns=(time_ns, time_ns))
    return path


def test_touching_a_file_changes_nothing_and_another_content_does(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", b"one", 10**18)
    first = checksum(path)
    assert first == hashlib.sha256(b"one").hexdigest()
    assert checksum(write(path, b"one", 2 * 10**18)) == first
    assert checksum(write(path, b"two", 3 * 10**18)) == hashlib.sha256(b"two").hexdigest()


def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tif", b"one", 10**18)
    first = checksum(path)
    monkeypatch.setattr(checksums.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert checksum(path) == first


def test_without_a_cache_folder_every_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    path = write(tmp_path / "a.tif", b"one", 10**18)
    assert checksum(path) == hashlib.sha256(b"one").hexdigest()


def test_many_files_are_read_side_by_side_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write(tmp_path / f"{k}.tif", b"x" * k, 10**18) for k in range(20)]
    meet = threading.Barrier(2, timeout=20)  # never left by one reader alone
    plain, first_two = checksums.read_checksum, iter([True, True])

    def read(state: checksums.State) -> str:
        if next(first_two, False):
            meet.wait()
        return plain(state)

    monkeypatch.setattr(checksums, "read_checksum", read)
    wanted = [hashlib.sha256(b"x" * k).hexdigest() for k in range(20)]
    assert checksum_all([*paths, paths[3]]) == [*wanted, wanted[3]]
    monkeypatch.setattr(checksums, "read_checksum", lambda _: pytest.fail("read again"))
    assert checksum_all(reversed(paths)) == wanted[::-1]
