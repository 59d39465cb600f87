"""Versions of a registry, and cells for a gate, in closed form."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from glacier.evaluation.calibration import BINS, Reliability
from glacier.evaluation.metrics import Counts
from glacier.registry.cells import Answer, Cell, Cells
from glacier.registry.gate import Decision, Judgement
from glacier.registry.records import LearnedData, Version

DATA = LearnedData(
    samples="tiny-00000000", sha256="a" * 64, regions=("a",), first="2014-05", last="2014-12",
    images=6,
)  # fmt: skip


def make_version(number: int = 1, decision: Decision | None = None, **changes: object) -> Version:
    """A version; one that the gate has judged follows the first."""
    judgement = None
    if decision is not None:
        judgement = Judgement(decision=decision, reason="so it is", level=0.1, parts=())
    values = {
        "id": number, "made": datetime(2026, 1, number, tzinfo=UTC),
        "model": f"sweeps/tiny-{number:08x}", "sha256": f"{number:064x}", "encoders": ("resnet18",),
        "follows": 1 if decision else None, "strategy": "replay" if decision else None,
        "data": DATA, "judgement": judgement,
    }  # fmt: skip
    return Version.model_validate(values | changes)


def answer(hits: int, false: int, missed: int, ground: int = 50, given: float = 0.9) -> Answer:
    """An answer whose ice has this probability, of which the truth is nine in ten."""
    pixels, total = [0.0] * BINS, float(hits + false + missed + ground)
    pixels[-2] = total
    probability = [0.0] * (BINS - 2) + [given * total, 0.0]
    glacier = [0.0] * (BINS - 2) + [0.9 * total, 0.0]
    sums = (tuple(pixels), tuple(probability), tuple(glacier))
    return Answer(Counts(hits, false, missed, ground), Reliability(*sums))


def list_cells(
    worse: dict[int, float] | None = None, given: float = 0.9, images: int = 8, blocks: int = 8
) -> Iterator[Cell]:
    """Three folds, each a region; models differ by a pixel or two of a hundred at random.

    Args:
        worse: Fold to the share of its ice that the candidate misses besides.
        given: Probability that the candidate gives.
        images: Of each region.
        blocks: Of each image.
    """
    rng = np.random.default_rng(1)
    for fold, region in enumerate("abc"):
        for month in range(images):
            for block in range(blocks):
                missed = [int(n) for n in rng.integers(8, 13, 2)]
                lost = round(90 * (worse or {}).get(fold, 0.0))
                yield Cell(
                    fold, region, f"{region}/{2014 + month}-07", f"r0c{block}", True,
                    answer(100 - missed[0], 5, missed[0]),
                    answer(100 - missed[1] - lost, 5, missed[1] + lost, given=given),
                )  # fmt: skip


def make_cells(worse: dict[int, float] | None = None, **how: float) -> Cells:
    """The same as columns."""
    return Cells.of(list_cells(worse, **how))
