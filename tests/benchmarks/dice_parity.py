"""That the fast way learns as much: test Dice after ten epochs, against a plain loop."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from typing import Any

import numpy as np
from row import Row
from train_epoch import best_settings

ENCODER, SIZE, BATCH, EPOCHS, SEEDS = "resnet34", 96, 4, 10, (1, 2, 3)
MAX_LOST = 0.02
"""Dice that the fast way may lose, as a mean over the seeds."""


def make_config(folder: str) -> Any:
    """Three years of a coarse synthetic Mendenhall."""
    from glacier.config import Config

    polygon = [(-134.62, 58.42), (-134.42, 58.42), (-134.42, 58.59), (-134.62, 58.59)]
    values = {
        "name": "parity",
        "storage": folder,
        "results": f"{folder}/results",
        "regions": [{"name": "mendenhall", "polygon": polygon, "pixel_m": 100}],
        "months": {"first": "2014-01", "last": "2016-12"},
        "ingest": {"min_valid_share": 0.2},
        "prepare": {"layout": "resize", "size_px": SIZE, "quick_looks": False},
        "sweep": {
            "encoders": [ENCODER],
            "folds": {"kind": "by_year", "count": 3},
            "epochs": EPOCHS,
            "batch_size": BATCH,
            "learning_rate": 1e-3,
            "flips": False,
            "cpus_per_trial": 2,
            **best_settings(),
        },
    }
    return Config.model_validate(values)


def plan_trial(config: Any, seed: int) -> tuple[Any, list[Any]]:
    """The first fold, to be trained from a seed, and the month images."""
    from glacier.archive.contents import read_records
    from glacier.samples.month_images import read_images
    from glacier.samples.sample_set import samples_folder
    from glacier.training.saved import place_sweep
    from glacier.training.sweep_plan import plan_sweep

    at = samples_folder(config, read_records(config))
    plan = plan_sweep(config, place_sweep(config, at))
    place = f"{config.storage}/{seed}"
    trial = dataclasses.replace(
        plan.trial(ENCODER, 0),
        seed=seed,
        folder=f"{place}/trial",
        model_folder=f"{place}/model",
    )
    return trial, read_images(at, plan.samples)


def dice_of(counts: list[tuple[int, int, int]]) -> float:
    """Dice from the true and false positives and the false negatives of all images."""
    hit, false, missed = np.sum(counts, axis=0)
    return float(2 * hit / (2 * hit + false + missed))


def learn_fast(trial: Any, images: list[Any]) -> float:
    """Test Dice of the product's trial."""
    from glacier.training.fit import run_trial

    return run_trial(trial, images, lambda row: None).scorecard.counts.dice


def learn_plainly(trial: Any, images: list[Any]) -> float:
    """Test Dice of a loop as one writes it: float32, contiguous, Adam, the last weights."""
    import segmentation_models_pytorch as smp
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from glacier.training.learner import band_statistics
    from glacier.training.unet import normalise

    mean, std = band_statistics(trial, images)
    parts = {}
    for name in ("train", "test"):
        chosen = [i for i in images if trial.mask(i, getattr(trial.split, name)).any()]
        pixels = normalise(np.stack([i.image for i in chosen]), mean, std)
        labels = np.stack([i.label for i in chosen])[:, None].astype(np.int64)
        parts[name] = TensorDataset(torch.from_numpy(pixels), torch.from_numpy(labels))
    torch.manual_seed(trial.seed)
    model = smp.Unet(ENCODER, encoder_weights=None, in_channels=3, classes=1)
    loss_of = smp.losses.DiceLoss(mode="binary", ignore_index=255)
    optimizer = torch.optim.Adam(model.parameters(), lr=trial.settings.learning_rate)
    for _ in range(EPOCHS):
        model.train()
        for pixels, labels in DataLoader(parts["train"], BATCH, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            loss_of(model(pixels), labels).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        pixels, labels = parts["test"].tensors
        predicted, known = model(pixels) >= 0, labels != 255
    hit, false = (int((predicted & known & (labels == code)).sum()) for code in (1, 0))
    return dice_of([(hit, false, int((~predicted & (labels == 1)).sum()))])


def bench_dice_parity() -> Row:
    """Mean test Dice over three seeds."""
    from glacier.archive.ingest import run_ingest
    from glacier.samples.prepare import run_prepare

    ours, plain = [], []
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(folder)
        run_ingest(config)
        run_prepare(config)
        for seed in SEEDS:
            trial, images = plan_trial(config, seed)
            plain.append(learn_plainly(trial, images))
            ours.append(learn_fast(trial, images))
    fast, slow = statistics.mean(ours), statistics.mean(plain)
    return Row(
        what=f"run_trial, {best_settings()['precision']}: {ENCODER}, {SIZE} px, one year tested, "
        f"{EPOCHS} epochs, the checkpoint chosen on validation months, mean of "
        f"{len(SEEDS)} seeds",
        against="a plain loop on the same normalised training months: float32, Adam, the last "
        "weights",
        ours=fast,
        baseline=slow,
        unit="test Dice",
        repeats=len(SEEDS),
        target=1 - MAX_LOST / slow,
        limit="",
        higher_is_better=True,
        facts={
            "difference": round(fast - slow, 4),
            "difference_wanted_above": -MAX_LOST,
            "ours_by_seed": [round(dice, 4) for dice in ours],
            "baseline_by_seed": [round(dice, 4) for dice in plain],
        },
    )
