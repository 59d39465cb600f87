"""What is said of GPUs, by a PyTorch that stands in for one with them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from glacier.training import gpus
from glacier.training.gpus import Gpu, find_gpus, read_driver


def test_each_gpu_is_named_with_what_it_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(name="NVIDIA X", total_memory=80e9, major=9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: found)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "version")
    assert find_gpus() == [Gpu("NVIDIA X", 80.0, "unknown", "13.0", True, True)]
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX Module  580.95.05  Mon\nGCC 12\n")
    assert read_driver() == "580.95.05"


def test_without_one_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_gpus() == []
