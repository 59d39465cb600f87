"""Cores and what they can do, by files of Linux that stand in for those of a machine."""

import os
from pathlib import Path

import pytest

from glacier import processor
from glacier.processor import find_cores, read_cpu_flags


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000"}, 64),
        ("3:cpu,cpuacct:/x\n1:memory:/x\n",
         {"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "1"}, 64),
        ("", {}, 64),
    ],
)  # fmt: skip
def test_a_container_leaves_so_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: str, files: dict[str, str], cores: float
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text(own)
    monkeypatch.setattr(processor, "CGROUPS", tmp_path)
    monkeypatch.setattr(processor, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert find_cores() == cores


@pytest.mark.parametrize("name", ["flags", "Features"])
def test_flags_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{name}\t\t: avx512f amx_bf16\n")
    monkeypatch.setattr(processor, "FACTS", tmp_path / "cpuinfo")
    assert read_cpu_flags() == {"avx512f", "amx_bf16"}
    monkeypatch.setattr(processor, "FACTS", tmp_path / "none")
    assert read_cpu_flags() == frozenset()
