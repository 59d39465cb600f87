"""A benchmark in memory: two regions of two months, their ground in eight blocks."""

from datetime import date
from pathlib import Path

import numpy as np

from glacier.continual.stream import StreamTask
from glacier.continual.trial import StreamKey, StreamOutcome, StreamPlan
from glacier.evaluation.forgetting import ScoreMatrix
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from tests.support.discs import make_samples
from tests.support.months import make_month
from tests.support.stream_runs import stream_config

REGIONS, SIDE_PX = ("a", "b"), 64
MONTHS = (date(2020, 7, 1), date(2020, 8, 1))


def make_images() -> list[MonthImage]:
    """Month images whose label is where the first band is bright, and whose first row is unseen."""
    rng, images = np.random.default_rng(0), []
    for at, region in enumerate(REGIONS):
        for month in MONTHS:
            pixels = rng.uniform(0.1, 0.3 + 0.3 * at, (3, SIDE_PX, SIDE_PX)).astype(np.float32)
            label = (pixels[0] > 0.3).astype(np.uint8)
            label[0], pixels[:, 0] = 255, np.nan
            images.append(make_month(region, month, pixels, label))
    return images


def make_splits() -> list[Split]:
    """Two folds: one column of blocks is tested, of the other the lowest block validates."""
    found = []
    for fold in range(2):
        test = tuple(f"{region}/r{row}c{fold}" for region in REGIONS for row in range(4))
        rest = [f"{region}/r{row}c{1 - fold}" for region in REGIONS for row in range(4)]
        validation = tuple(name for name in rest if "/r3" in name)
        found.append(Split(fold, test, validation, tuple(n for n in rest if n not in validation)))
    return found


def make_plan(folder: Path, **continual: object) -> StreamPlan:
    """The benchmark."""
    config = stream_config(folder, continual=continual)
    images = [(region, month) for region in REGIONS for month in MONTHS]
    tasks = [
        StreamTask(name, frozenset(key for key in images if key[0] == name)) for name in REGIONS
    ]
    return StreamPlan(
        config=config,
        samples_at=str(folder / "samples"),
        samples=make_samples(16, months=()),
        tasks=tasks,
        orders=[(0, 1), (1, 0)],
        splits=make_splits(),
        masks=FoldMasks("by_block", (4, 2)),
        folder=str(folder / "stream"),
    )


def make_outcome(key: StreamKey, end: float = 0.5, validation: float = 0.5) -> StreamOutcome:
    """A trial that ends so in every task."""
    jitter = 0.01 * ((7 * key.order + 3 * key.seed) % 5)
    rows = ((0.1, 0.1), (0.9, 0.2), (end + jitter, end))
    return StreamOutcome(
        key=key,
        test=ScoreMatrix(tasks=REGIONS, rows=rows),
        validation=(validation, validation),
        train_s=4.0,
        kept_bytes=2_000_000,
        parameters=1000,
        train_chips=(30, 50),
    )
