"""Memory of a tree of processes, by files of Linux that stand in for those of a machine."""

import os
from pathlib import Path

import pytest

from glacier import memory_use
from glacier.memory_use import list_tree, measure_own_mb, measure_tree_mb


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Process 10 with children 11 and 12, of which 12 has 13; and 20 beside them."""
    for pid, parent, resident, shared in (
        (10, 1, 300, 100), (11, 10, 250, 200), (12, 10, 40, 30), (13, 12, 5, 5), (20, 1, 900, 0),
    ):  # fmt: skip
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (a (b) c) S {parent} 0 0")
        (folder / "statm").write_text(f"1000 {resident} {shared} 1 0 1 0")
    (tmp_path / "uptime").write_text("1 1")
    monkeypatch.setattr(memory_use, "PROCESSES", tmp_path)
    return tmp_path


def test_all_below_a_process_are_found(processes: Path) -> None:
    assert set(list_tree(10)) == {10, 11, 12, 13} and list(list_tree(20)) == [20]


def test_what_is_shared_counts_once(processes: Path) -> None:
    page_mb = os.sysconf("SC_PAGE_SIZE") / 1e6
    assert measure_tree_mb(10) == pytest.approx((200 + 50 + 10 + 0 + 200) * page_mb)


def test_a_process_that_has_ended_meanwhile_counts_nothing(processes: Path) -> None:
    (processes / "11/statm").unlink()
    page_mb = os.sysconf("SC_PAGE_SIZE") / 1e6
    assert measure_tree_mb(10) == pytest.approx((200 + 10 + 100) * page_mb)


def test_a_system_that_does_not_tell_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_use, "PROCESSES", tmp_path / "none")
    assert measure_tree_mb() is None and measure_own_mb() == 0
