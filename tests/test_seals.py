"""Manifests that are written anew: a kill in between damages nothing, and nothing old stays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glacier import seals, store
from glacier.seals import Manifest

OLD = {"a.txt": b"old", "b/c.txt": b"of the old one alone"}
NEW = {"a.txt": b"new", "d.txt": b"of the new one alone"}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def read(folder: Path) -> dict[str, bytes]:
    """All files, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Raise after so many steps of a writing, for the length of the block."""
    steps = iter(range(step))

    def reach(*_: str) -> None:
        if next(steps, None) is None:
            raise Killed

    with monkeypatch.context() as patch:
        for module in (store, seals):
            patch.setattr(module, "reach", reach)
        yield


@pytest.mark.parametrize("step", range(13))
def test_a_manifest_made_anew_is_whole_or_not_there_wherever_it_was_killed(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, place = tmp_path / "fresh", tmp_path / "place"
    seals.write_whole(f"{fresh}/m.json", Manifest(), NEW)
    seals.write_whole(f"{place}/m.json", Manifest(), OLD)
    with kill_at(step, monkeypatch), pytest.raises(Killed):
        seals.write_whole(f"{place}/m.json", Manifest(), NEW)
    found = seals.read_whole(f"{place}/m.json", Manifest, owned=True)
    assert found is None or found.files.keys() == NEW.keys()
    assert not (place / ".damaged").exists()
    seals.write_whole(f"{place}/m.json", Manifest(), NEW)
    assert read(place) == read(fresh)


def test_what_was_vouched_for_by_a_file_that_is_damaged_stays(tmp_path: Path) -> None:
    """Nothing says any more which files they were."""
    seals.write_whole(f"{tmp_path}/m.json", Manifest(), OLD)
    (tmp_path / "m.json").write_bytes(b"x")
    seals.write_whole(f"{tmp_path}/m.json", Manifest(), NEW)
    assert seals.read_whole(f"{tmp_path}/m.json", Manifest, owned=True) is not None
    assert set(read(tmp_path)) == {"m.json", *OLD, *NEW}


def test_a_manifest_takes_no_files_that_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_bytes(b"x")
    seals.write_json(f"{tmp_path}/in/m.json", {"files": {"../precious.txt": "0" * 64}})
    seals.write_whole(f"{tmp_path}/in/m.json", Manifest(), NEW)
    assert (tmp_path / "precious.txt").exists()
