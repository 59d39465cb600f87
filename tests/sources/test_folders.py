"""Folders of a user's files: what is found in them stays in them."""

import os
from pathlib import Path

import pytest

from glacier.errors import SourceError
from glacier.settings.folder import Folder
from glacier.settings.regions import Region
from glacier.sources.folders import MAX_TEXT_BYTES, find_folder, identify_files, read_small

REGION = Region(name="gorner")


def test_a_folder_that_is_named_may_be_a_link_and_one_that_is_found_may_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to(tmp_path / "real")
    assert find_folder(Folder(path=str(tmp_path / "named")), REGION) == tmp_path / "named"
    (tmp_path / "real" / "below").mkdir()
    (tmp_path / "real" / "gorner").symlink_to(tmp_path / "real" / "below")
    assert find_folder(Folder(path=str(tmp_path / "named")), REGION).name == "gorner"
    (tmp_path / "real" / "gorner").unlink()
    (tmp_path / "real" / "gorner").symlink_to(tmp_path)
    with pytest.raises(SourceError, match=r"gorner leads out of ingest\.folder\.path"):
        find_folder(Folder(path=str(tmp_path / "named")), REGION)


def test_only_what_may_be_read_is_hashed(tmp_path: Path) -> None:
    base = tmp_path / "in"
    base.mkdir()
    (base / "a.tif").write_text("x")
    (tmp_path / "b.tif").write_text("x")
    (base / "b.tif").symlink_to(tmp_path / "b.tif")
    os.mkfifo(base / "c.tif")
    names = [base / name for name in ("a.tif", "b.tif", "c.tif", "d.tif")]
    assert [name for name, _ in identify_files(names, base)] == ["a.tif"]


def test_small_files_are_small(tmp_path: Path) -> None:
    path = tmp_path / "a_MTL.txt"
    path.write_bytes(b"x" * MAX_TEXT_BYTES)
    assert len(read_small(path, tmp_path)) == MAX_TEXT_BYTES
    path.write_bytes(b"x" * (MAX_TEXT_BYTES + 1))
    with pytest.raises(SourceError, match=r"a_MTL\.txt has 1000001 bytes, more than"):
        read_small(path, tmp_path)
