"""Files that may be opened: regular ones, inside the folder where they were found."""

import os
from pathlib import Path

import pytest

from glacier.geo.found_files import explain_unsafe, is_inside


def test_a_regular_file_is_safe_wherever_a_person_names_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert explain_unsafe(tmp_path / "a") == explain_unsafe(tmp_path / "link") == ""


@pytest.mark.parametrize("name", ["missing", "pipe", "folder", "/dev/zero", "loop", "a\0b"])
def test_what_is_no_file_is_never_safe(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "not a regular file" in explain_unsafe(tmp_path / name)


def test_a_found_file_lies_in_one_of_its_folders(tmp_path: Path) -> None:
    for place in ("in", "other", "in/below", "in_beside"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a").write_text("x")
    inside, other = tmp_path / "in", tmp_path / "other"
    (inside / "out").symlink_to(other / "a")
    (inside / "home").symlink_to(inside / "below" / "a")
    assert (
        explain_unsafe(inside / "below" / "a", inside)
        == explain_unsafe(inside / "home", inside)
        == ""
    )
    for path in (inside / "out", inside / ".." / "other" / "a", tmp_path / "in_beside" / "a"):
        assert f"leads out of the folder {inside}" in explain_unsafe(path, inside)
    assert explain_unsafe(inside / "out", inside, other) == ""
    (tmp_path / "named").symlink_to(inside)
    assert is_inside(tmp_path / "named" / "a", inside) and is_inside(inside, tmp_path / "named")
