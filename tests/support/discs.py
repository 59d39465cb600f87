"""A year of bright discs on a dark ground, and a trial that learns them in a few steps."""

from datetime import date
from pathlib import Path

import numpy as np

from glacier.geo.raster import Grid
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet
from glacier.settings.folds import Folds
from glacier.settings.sweep import Sweep
from glacier.training.trial import Trial
from tests.support.months import make_month

TINY = "tu-test_efficientnet"
SIZE = 32


def make_images(seed: int = 0) -> list[MonthImage]:
    """Bright discs on a dark ground: what a network learns in a few steps."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices((SIZE, SIZE))
    images = []
    for month in range(1, 13):
        centre = rng.uniform(8, 24, 2)
        disc = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 < 64
        picture = 0.2 + 0.6 * disc + rng.normal(0, 0.02, (3, SIZE, SIZE))
        label = disc.astype(np.uint8)
        label[:2] = 255
        picture[:, :2] = np.nan
        images.append(make_month("a", date(2020, month, 1), picture.astype(np.float32), label))
    return images


def make_samples(size_px: int = SIZE, **changes: object) -> SampleSet:
    """The description of twelve months of one region, each resized to a square."""
    grid = Grid("EPSG:32608", 0.0, 0.0, 30.0, size_px, size_px)
    values = {
        "bands": ("nir", "red", "green"),
        "blocks": (2, 2),
        "size_px": size_px,
        "layout": "resize",
        "resize": (size_px, size_px),
        "months": [
            SampleMonth(region="a", month=date(2020, month, 1), status="ok")
            for month in range(1, 13)
        ],
        "regions": {"a": Frame(grid=grid, shape=(size_px, size_px))},
    }
    return SampleSet(**(values | changes))


SAMPLES = make_samples()
KEYS = [f"a/2020-{month:02d}" for month in range(1, 13)]
SPLIT = Split(0, tuple(KEYS[:3]), tuple(KEYS[3:5]), tuple(KEYS[5:]))


def make_trial(folder: Path, **settings: object) -> Trial:
    plain = {
        "encoders": (TINY,),
        "epochs": 4,
        "steps_per_epoch": 4,
        "learning_rate": 3e-3,
        "batch_norm_momentum": 0.3,
        "folds": Folds(kind="shuffled"),
        "checkpoint_s": 0,
    }
    config = Sweep(**(plain | settings))
    model = str(folder / "model")
    masks = FoldMasks(config.folds.kind, SAMPLES.blocks)
    return Trial(TINY, SPLIT, config, 7, SAMPLES, masks, str(folder / "trial"), model)
