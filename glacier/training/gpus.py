"""The GPUs of this machine that PyTorch can use, and what they can do."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

DRIVER = Path("/proc/driver/nvidia/version")
"""Where the kernel's part of the driver says its version."""

AMPERE = 8
"""Major version of the first GPUs that shorten float32 to TF32."""


@dataclass(frozen=True)
class Gpu:
    """A GPU."""

    name: str
    memory_gb: float
    driver: str
    """Its version, or ``unknown``."""
    cuda: str
    """Version that this torch was built for."""
    has_bfloat16: bool
    has_tf32: bool


def find_gpus() -> list[Gpu]:
    """All of them; none where PyTorch finds none."""
    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        found.append(Gpu(
            facts.name, facts.total_memory / 1e9, read_driver(), torch.version.cuda or "none",
            torch.cuda.is_bf16_supported(including_emulation=False), facts.major >= AMPERE,
        ))  # fmt: skip
    return found


def read_driver() -> str:
    """Version of the driver of NVIDIA."""
    with suppress(OSError):
        if found := re.search(r"\s(\d+\.\d+[\d.]*)\s", DRIVER.read_text(encoding="ascii")):
            return found[1]
    return "unknown"
