"""Does the verdict name a winner among twins? Does it see a cripple? Trained once, kept.

    python tests/experiments/verdict_seeds.py        # writes results/verdict/fold_scores.json

For each of the seeds 0 to 19 a new data set of 40 noisy pictures is synthetic and three networks
go through ``glacier.fit`` on the same five folds: two twins, which differ by their name alone
(and so by their trial seeds, as any two encoders do), and a crippled one, whose kernels are
1 x 1, so that it sees each pixel without its neighbours. ``tests/test_verdict.py`` judges the
kept scores. Task, networks, steps and seeds were fixed before the seeds 0 to 19 were run; that
the networks learn at all was tried on seed 100.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from glacier.geo.raster import Grid
from glacier.samples.folds import FoldMasks, make_splits
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet
from glacier.settings.folds import Folds
from glacier.settings.sweep import Sweep
from glacier.training import fit, learner
from glacier.training.trial import Trial
from tests.support.months import make_month

OUT = Path(__file__).parents[2] / "results" / "verdict" / "fold_scores.json"
SEEDS = range(20)
KERNELS = {"twin-a": 3, "twin-b": 3, "crippled": 1}
"""Network to the side of its kernels."""
SIDE, PICTURES, WIDTH = 32, 40, 16
SETTINGS = Sweep(
    encoders=tuple(KERNELS),
    folds=Folds(kind="shuffled", count=5),
    epochs=6,
    steps_per_epoch=8,
    batch_size=8,
    learning_rate=1e-2,
    checkpoint_s=3600,
)
SAMPLES = SampleSet(
    bands=("nir", "red"), blocks=(1, 1), size_px=SIDE, layout="resize", resize=(SIDE, SIDE),
    months=(SampleMonth(region="a", month=date(2020, 1, 1), status="ok"),),
    regions={"a": Frame(grid=Grid("EPSG:32608", 0, 0, 30, SIDE, SIDE), shape=(SIDE, SIDE))},
)  # fmt: skip
MASKS = FoldMasks("shuffled", SAMPLES.blocks)


def make_pictures(seed: int) -> list[MonthImage]:
    """Smooth patches of ice, brighter than the rock by one standard deviation of the noise."""
    rng = np.random.default_rng(seed)
    images = []
    for k in range(PICTURES):
        field = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 4, mode="wrap")
        ice = field > np.quantile(field, rng.uniform(0.4, 0.7))
        light = rng.uniform(0.9, 1.1)
        picture = light * (0.4 + 0.2 * ice + rng.normal(0, 0.2, (2, SIDE, SIDE)))
        month = date(2014 + k // 12, k % 12 + 1, 1)
        images.append(make_month("a", month, picture.astype(np.float32), ice.astype(np.uint8)))
    return images


def build_small(name: str, bands: int, weights: bytes | None, momentum: float | None) -> nn.Module:
    """Three convolutions in place of a U-Net."""
    side = KERNELS[name]
    return nn.Sequential(
        nn.Conv2d(bands, WIDTH, side, padding=side // 2),
        nn.ReLU(),
        nn.Conv2d(WIDTH, WIDTH, side, padding=side // 2),
        nn.ReLU(),
        nn.Conv2d(WIDTH, 1, 1),
    )


def score_seed(seed: int) -> dict[str, list[float]]:
    """Test Dice of each network in each fold."""
    images = make_pictures(seed)
    splits, _ = make_splits([(i.region, i.month) for i in images], SETTINGS.folds, (1, 1), seed)
    dice: dict[str, list[float]] = {name: [] for name in KERNELS}
    for name in KERNELS:
        for split in splits:
            with tempfile.TemporaryDirectory() as folder:
                trial = Trial(
                    name,
                    split,
                    SETTINGS,
                    seed,
                    SAMPLES,
                    MASKS,
                    f"{folder}/trial",
                    f"{folder}/model",
                )
                done = fit.run_trial(trial, images, lambda row: None)
            dice[name].append(done.scorecard.counts.dice)
    return dice


def main(seeds: list[int]) -> None:
    """Train, and keep the scores of the fixed seeds; others are only shown."""
    learner.build_unet = build_small
    began = time.monotonic()
    scores = {}
    for seed in seeds:
        scores[seed] = score_seed(seed)
        shown = {name: [round(v, 3) for v in values] for name, values in scores[seed].items()}
        print(f"{time.monotonic() - began:6.1f} s  seed {seed}: {shown}", flush=True)
    if seeds == list(SEEDS):
        facts = {"schema": 1, "torch": torch.__version__, "seeds": scores}
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or list(SEEDS))
