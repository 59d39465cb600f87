"""Which trials share a process of a GPU. No torch, no Ray."""

from __future__ import annotations

import math
from collections.abc import Sequence

from glacier.settings.sweep import Sweep
from glacier.training.saved import TrialKey

Pack = list[TrialKey]
"""Trials of one encoder that train in one process."""


def choose_most(settings: Sweep) -> int | None:
    """Most trials that train at once in a process; None: as many as make its GPU do more."""
    if settings.pack == "off":
        return 1
    if settings.pack != "auto":
        return settings.pack
    share = settings.gpus_per_trial
    if share == "auto":
        return None
    return max(1, int(1 / share + 1e-9)) if share else 1


def part_packs(settings: Sweep, pending: Sequence[TrialKey], gpus: float) -> list[Pack]:
    """Part trials into packs, on cores of one each.

    ``sweep.pack: auto`` leaves no GPU idle for the sake of a pack.

    Args:
        settings: The sweep.
        pending: Trials, encoder by encoder.
        gpus: GPUs that there are.
    """
    size = (choose_most(settings) or len(pending)) if settings.gpu_share else 1
    if settings.pack == "auto":
        size = min(size, math.ceil(len(pending) / max(1, gpus)))
    packs: list[Pack] = []
    for key in pending:
        if packs and len(packs[-1]) < size and packs[-1][0][0] == key[0]:
            packs[-1].append(key)
        else:
            packs.append([key])
    return packs


def gpus_of_pack(settings: Sweep, size: int) -> float:
    """GPUs that a pack of so many trials is given: the shares of all, within one GPU."""
    share = settings.gpu_share
    return share if size == 1 or share >= 1 else min(1.0, size * share)
