"""Files at hand: checked once, fetched once, let go of when nobody holds them."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glacier import store
from glacier.errors import DamagedError, StoreError
from glacier.serving import local_files
from glacier.serving.local_files import FileShelf


def write(folder: Path, name: str, data: bytes = b"pixels") -> tuple[str, str]:
    address = str(folder / name)
    return address, store.write_bytes(address, data)


def test_a_file_is_held_against_its_checksum_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, file = FileShelf(), write(tmp_path, "a.tif")
    assert shelf.take(*file).path == tmp_path / "a.tif"
    with monkeypatch.context() as patch:
        patch.setattr(store, "local_copy", None)  # it is not looked at again
        shelf.take(*file)
    (tmp_path / "a.tif").write_bytes(b"other pixels")
    with pytest.raises(DamagedError):
        shelf.take(*file)
    with pytest.raises(DamagedError, match="no checksum"):
        shelf.take(file[0], "")
    with pytest.raises(StoreError):
        shelf.take(str(tmp_path / "gone.tif"), "a" * 64)


def test_copies_are_fetched_once_and_go_with_their_last_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched, copies = [], tmp_path / "copies"
    copies.mkdir()

    @contextmanager
    def fetch(address: str, sha256: str) -> Iterator[Path]:
        fetched.append(address)
        path = copies / address.rpartition("/")[2]
        path.write_bytes(b"pixels")
        yield path
        path.unlink()

    monkeypatch.setattr(local_files.store, "local_copy", fetch)
    shelf = FileShelf(most=2)
    taken = []
    threads = [
        threading.Thread(target=lambda: taken.append(shelf.take("s3://b/a.tif", "a" * 64)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1 and len(set(map(id, taken))) == 1
    held = taken.pop()
    taken.clear()
    for name in "bcd":
        shelf.take(f"s3://b/{name}.tif", "a" * 64)
    gc.collect()
    assert sorted(path.name for path in copies.iterdir()) == ["a.tif", "c.tif", "d.tif"]
    del held
    gc.collect()
    assert sorted(path.name for path in copies.iterdir()) == ["c.tif", "d.tif"]


def test_files_take_no_more_room_than_they_may(tmp_path: Path) -> None:
    shelf = FileShelf(most_bytes=10)
    for name in "abc":
        shelf.take(*write(tmp_path, name))
    assert [Path(address).name for address, _ in shelf.files] == ["c"]
    shelf.take(*write(tmp_path, "large", b"x" * 100))  # one is kept, however large
    assert [Path(address).name for address, _ in shelf.files] == ["large"]
