"""What a process that trains sets once: its threads, its memory, and the arithmetic of its GPU."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages; torch reads it once
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # else its sums have no fixed order

import cv2
import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of ``mallopt``. Source: malloc.h of the GNU C library."""


def configure_process(threads: int) -> None:
    """Set the threads of a process that trains, and let it keep the memory that it frees.

    Every step needs the same large blocks again. The C library would give them back to the
    system, which clears each page anew: about a tenth of a step on a CPU. It changes no result.
    What a trial before left in the process is given back first.
    """
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # glibc; musl has none
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
            gc.collect()  # a trial before has left rings of objects
            give_back()


def give_back() -> None:
    """Give memory that is free back to the system, after work that needs more than a step does."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


@contextmanager
def gpu_arithmetic(deterministic: bool) -> Iterator[None]:
    """Let a GPU compute in a fixed order, or in whichever it finds fastest.

    Args:
        deterministic: The same numbers every time, on one kind of GPU.
    """
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
    )
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a check, not needed for equal numbers
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before[1:]


def keep_float32() -> None:
    """Let a GPU multiply float32 with all its bits, which it does not by itself."""
    allow_short_products(False)


@contextmanager
def short_products(allowed: bool) -> Iterator[None]:
    """Let a GPU multiply float32 with ten bits of each number (TF32), where that is allowed."""
    if not allowed:
        yield
        return
    allow_short_products(True)
    try:
        yield
    finally:
        keep_float32()


def allow_short_products(allowed: bool) -> None:
    """Whether a GPU may shorten float32 in the products of matrices and convolutions.

    By the switches that ``torch.export`` and ``torch.compile`` read, too: after the newer
    ``fp32_precision`` was set they raise.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
