"""How many networks one GPU trains at once, how fast they are, and what keeps them from more."""

from __future__ import annotations

import statistics
import time

import torch

from glacier.evaluation.results import PackRate

LEAST_GAIN = 1.05
"""By so much one more network has to raise the rate of all, to be worth its memory."""

TRAINING = 3
"""Operations of a step by those of a prediction: forward once, backward twice that."""


class Throughput:
    """The rate of a pack at each number of folds, and whether one more may join."""

    def __init__(self, most: int | None) -> None:
        """Begin.

        Args:
            most: Folds at once; None: as many as make the GPU do more.
        """
        self.most, self.is_measured, self.is_full = most, most is None, False
        self.rates: dict[int, list[float]] = {}
        """Folds at once -> samples of all together a second, an epoch each."""

    def note(self, folds: int, images_per_s: float) -> None:
        """Keep the rate of an epoch."""
        self.rates.setdefault(folds, []).append(images_per_s)

    def has_room(self, folds: int) -> bool:
        """Whether one more may join so many; where it is measured, each number for an epoch."""
        if self.most is not None:
            return folds < self.most
        if folds and folds not in self.rates:
            return False
        if folds > 1 and self.rate(folds) < LEAST_GAIN * self.rate(folds - 1):
            self.most = folds
        return self.most is None

    def rate(self, folds: int) -> float:
        """Median rate at so many folds, samples a second; 0 where none was measured."""
        return statistics.median(self.rates.get(folds, [0.0]))

    def close(self, folds: int) -> None:
        """Let no more join than so many: the GPU's memory is full."""
        self.most, self.is_full = folds, True

    def describe(self, resident: bool, gflop: float, product_rate: float | None) -> PackRate | None:
        """The rate at the number of folds that trained most epochs; None where none did.

        Args:
            resident: The samples lay on the GPU.
            gflop: Operations of a prediction of one sample, billions.
            product_rate: Operations a second of a plain product of matrices; None: not measured.
        """
        if not self.rates:
            return None
        folds = max(self.rates, key=lambda count: len(self.rates[count]))
        rate = self.rate(folds)
        share = TRAINING * gflop * 1e9 * rate / product_rate if product_rate else None
        limit = self.explain(folds)
        return PackRate(folds=folds, images_per_s=rate, share=share, limit=limit, resident=resident)

    def explain(self, folds: int) -> str:
        """What kept the pack from training more at once."""
        if self.is_full:
            return "the memory of the GPU"
        if self.most is None or folds < self.most:
            return "the number of folds; more of them would train at once"
        if self.is_measured:
            gain = self.rate(folds) / self.rate(folds - 1) - 1
            return f"the GPU: the last fold that joined raised the rate by {gain:.0%} only"
        return f"sweep.pack or sweep.gpus_per_trial, which let {folds} train at once"


def measure_products(precision: str, side: int = 8192, repeats: int = 5) -> float:
    """Operations a second of a product of matrices on the GPU.

    Args:
        precision: ``float32`` or ``bfloat16``.
        side: Rows and columns of the matrices.
        repeats: How often; the best counts.
    """
    left, right = torch.ones((2, side, side), dtype=getattr(torch, precision), device="cuda")
    seconds = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        began = time.perf_counter()
        torch.mm(left, right)
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return float(2 * side**3 / min(seconds))
