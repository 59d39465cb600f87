"""Where one network works beside others: a stream of the GPU, and random numbers of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

WARM_UP_STEPS = 3
"""Runs before a recording, in which libraries choose their kernels and take their memory.

Source: the section on CUDA graphs of PyTorch's notes.
"""

Work = Callable[[], None]


class Lane:
    """On a GPU a stream and a generator; on a CPU, where all works in turn, a random state."""

    def __init__(self, device: torch.device) -> None:
        """Open a lane of a device."""
        self.on_gpu = device.type == "cuda"
        self.state = torch.get_rng_state()
        if self.on_gpu:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            self.own = torch.Generator(device)
            self.common = torch.cuda.default_generators[torch.cuda.current_device()]
            self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self.pool = torch.cuda.graph_pool_handle()  # its graphs never run at once

    @contextmanager
    def use(self) -> Iterator[None]:
        """Work within it; the random numbers outside stay as they are."""
        if self.on_gpu:
            outside = self.common.graphsafe_get_state()
            self.common.graphsafe_set_state(self.own)
            try:
                with torch.cuda.stream(self.stream):
                    yield
            finally:
                self.common.graphsafe_set_state(outside)
        else:
            before = torch.get_rng_state()
            torch.set_rng_state(self.state)
            try:
                yield
            finally:
                self.state = torch.get_rng_state()
                torch.set_rng_state(before)

    def seed(self, seed: int) -> None:
        """Let its random numbers follow from a seed, wherever they had come to."""
        if self.on_gpu:
            self.own.manual_seed(seed)
        else:
            with self.use():
                torch.manual_seed(seed)

    def follow(self) -> None:
        """Let what comes next on it wait for what was asked of the GPU outside."""
        if self.on_gpu:
            self.stream.wait_stream(torch.cuda.current_stream())

    def wait(self) -> None:
        """Wait until all that was asked of it is done."""
        if self.on_gpu:
            self.stream.synchronize()

    def record(self, work: Work) -> Work:
        """Some work as one graph of kernels, which a GPU runs without being told each.

        Args:
            work: Reads and writes tensors that stay where they are, and waits for nothing. On a
                GPU it is run a few times.

        Returns:
            The same work, to be called within :meth:`use`; without a GPU, what was given.
        """
        if not self.on_gpu:
            return work
        self.follow()
        with self.use():
            for _ in range(WARM_UP_STEPS):
                work()
        graph = torch.cuda.CUDAGraph()
        mode = "thread_local"  # threads of other lanes may take memory meanwhile
        with self.use(), torch.cuda.graph(graph, self.pool, self.stream, mode):
            work()
        return graph.replay
