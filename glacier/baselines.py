"""Simple methods that a network has to beat, on the same folds, pixels and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from glacier.config import Config
from glacier.errors import SampleError
from glacier.folds import Split
from glacier.labels import IGNORE, grey_level
from glacier.metrics import count_pixels
from glacier.samples import MonthImage
from glacier.trials import Trial

FOREST_PIXELS = 20_000
"""Training pixels of the forest, drawn evenly from the training images."""
FOREST_TREES = 100
NEIGHBOURHOODS_PX = (3, 7, 15)
"""Sides of the square neighbourhoods whose mean and deviation the forest sees, pixels."""


def everything(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Call every pixel glacier: what a method without eyes scores. (B, H, W) -> (H, W)."""
    return np.ones(image.shape[1:], bool)


def threshold_prediction(
    image: NDArray[np.float32],
    bands: Sequence[str],
    reflectance_range: tuple[float, float],
    threshold: int,
) -> NDArray[np.bool_]:
    """The published label rule as a method: grey level of the false colour over a threshold.

    Args:
        image: (B, H, W) float32 reflectance, NaN where unseen.
        bands: Names of the B bands.
        reflectance_range: Reflectance shown as black and as white.
        threshold: Grey level, 0..255.

    Returns:
        (H, W) bool.

    Raises:
        SampleError: The samples lack a band of the false colour.
    """
    if missing := [name for name in ("nir", "red", "green") if name not in bands]:
        raise SampleError(f"the samples hold {', '.join(bands)}, not {', '.join(missing)}")
    low, high = reflectance_range
    picture = np.stack([image[bands.index(name)] for name in ("nir", "red", "green")])
    scaled = (picture - np.float32(low)) / np.float32(high - low)
    return np.asarray(grey_level(scaled) > threshold)


def pixel_features(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the forest sees of each pixel: its bands, and their mean and deviation around it.

    Args:
        image: (B, H, W) float32 reflectance, NaN where unseen (counted as the band's mean).

    Returns:
        (H, W, F) float32 with F = B (1 + 2 x neighbourhoods).
    """
    features = []
    for band in image:
        mean = np.nanmean(band) if np.isfinite(band).any() else 0.0
        filled = np.where(np.isfinite(band), band, mean).astype(np.float32)
        features.append(filled)
        for side in NEIGHBOURHOODS_PX:
            local = cv2.blur(filled, (side, side), borderType=cv2.BORDER_REFLECT)
            square = cv2.blur(filled**2, (side, side), borderType=cv2.BORDER_REFLECT)
            features += [local, np.sqrt(np.maximum(square - local**2, 0))]
    return np.stack(features, axis=-1)


def draw_pixels(
    image: NDArray[np.float32],
    label: NDArray[np.uint8],
    part: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Features and labels of labelled pixels of a part, drawn without repeats.

    The neighbourhood of a training pixel near a fold's border reaches over it by at most half
    the largest side, as a network's context does at prediction; labels never do.

    Returns:
        (n, F) float32 and (n,) uint8 with n at most ``count``.
    """
    usable = np.flatnonzero(part & (label != IGNORE))
    chosen = rng.choice(usable, min(count, len(usable)), replace=False)
    features = pixel_features(image)
    return features.reshape(-1, features.shape[-1])[chosen], label.ravel()[chosen]


def fit_forest(
    features: NDArray[np.float32], label: NDArray[np.uint8], seed: int
) -> RandomForestClassifier:
    """A random forest on pixel neighbourhoods.

    Args:
        features: (n, F) float32.
        label: (n,) uint8, 0 or 1.
        seed: Decides the trees.
    """
    forest = RandomForestClassifier(
        FOREST_TREES, min_samples_leaf=5, max_features="sqrt", random_state=seed, n_jobs=1
    )
    return forest.fit(features, label)


def predict_forest(
    forest: RandomForestClassifier, image: NDArray[np.float32], wanted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The forest's answer: (H, W) bool, False where not wanted."""
    answer = np.zeros(wanted.shape, bool)
    answer[wanted] = forest.predict(pixel_features(image)[wanted]) == 1
    return answer


def score_baseline(
    name: str, config: Config, images: list[MonthImage], split: Split, summary: dict[str, Any]
) -> dict[str, Any]:
    """Counts of one simple method on the test part of one fold, or why there are none."""
    trial = Trial(name, split, config.sweep, config.seed, summary)
    rng = np.random.default_rng(trial.trial_seed)
    train = [(image, trial.part(image, split.train)) for image in images]
    train = [(image, part) for image, part in train if (part & (image.label != IGNORE)).any()]
    forest = None
    if name == "random_forest":
        share = max(1, FOREST_PIXELS // len(train))
        drawn = [draw_pixels(i.image, i.label, part, share, rng) for i, part in train]
        features, label = (np.concatenate(column) for column in zip(*drawn, strict=True))
        forest = fit_forest(features, label, trial.trial_seed)
    rows = []
    for image in images:
        part = trial.part(image, split.test)
        if not part.any():
            continue
        try:
            if forest is not None:
                answer = predict_forest(forest, image.image, part)
            elif name == "threshold":
                low, high = (0.0, 1.0) if summary["scale"] == "own_maximum" else summary["range"]
                level = config.prepare.label.threshold
                answer = threshold_prediction(image.image, summary["bands"], (low, high), level)
            else:
                answer = everything(image.image)
        except SampleError as error:
            return {"reason": str(error)}
        counts = count_pixels(answer, image.label, part)
        rows.append({"region": image.region, "month": image.month.isoformat(), **asdict(counts)})
    return {"fold": split.fold, "tested": rows}
