"""What a process that trains sets: threads, and the arithmetic of its GPU."""

from collections.abc import Iterator

import cv2
import pytest
import torch

from glacier.training.inference import choose_device
from glacier.training.process import (
    configure_process,
    gpu_arithmetic,
    keep_float32,
    short_products,
)


def read_products() -> set[bool]:
    """Whether a GPU would shorten float32 in products of matrices and in convolutions."""
    return {torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32}


@pytest.fixture
def as_before() -> Iterator[None]:
    """Settings of torch stay as they were."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    yield
    matmul.allow_tf32, cudnn.allow_tf32 = before


def test_a_process_that_trains_has_as_many_threads_as_it_was_given() -> None:
    """OpenCV would else take every core in every trial."""
    before = cv2.getNumThreads(), torch.get_num_threads()
    try:
        for threads in (1, 2):
            configure_process(threads)
            assert cv2.getNumThreads() == torch.get_num_threads() == threads
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def test_float32_means_float32_unless_tf32_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, as_before: None
) -> None:
    """Of itself PyTorch convolves float32 with ten bits."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    choose_device(1)
    assert read_products() == {False}
    with short_products(False):
        assert read_products() == {False}
    with short_products(True):
        assert read_products() == {True}
    assert read_products() == {False}
    keep_float32()
    assert read_products() == {False}


@pytest.mark.parametrize("allowed", [False, True])
def test_a_network_can_be_exported_whatever_a_gpu_may_shorten(
    allowed: bool, as_before: None
) -> None:
    """Newer switches of PyTorch set the same, but then its export raises."""
    keep_float32()
    with short_products(allowed):
        torch.export.export(torch.nn.Conv2d(3, 1, 3), (torch.zeros(1, 3, 8, 8),))


@pytest.mark.parametrize("fixed", [True, False])
def test_sums_have_a_fixed_order_where_it_is_asked_for(fixed: bool) -> None:
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    with gpu_arithmetic(fixed):
        assert torch.are_deterministic_algorithms_enabled() == cudnn.deterministic == fixed
        assert cudnn.benchmark is not fixed
    after = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    assert after == before
