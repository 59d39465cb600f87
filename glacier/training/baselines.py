"""Simple methods that a network has to beat, on the same folds, pixels and scores.

Each is fitted on the training part of a fold, where it has anything to fit, and then answers for
the test part. A method whose bands the samples lack has a reason instead of scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from glacier.config import Config
from glacier.errors import SampleError
from glacier.evaluation.metrics import count_pixels
from glacier.evaluation.scorecard import Scorecard
from glacier.indices import normalised_difference
from glacier.labels import IGNORE, NDSI_ABOVE, NIR_ABOVE, grey_level
from glacier.samples.dataset import MonthImage
from glacier.samples.folds import Split
from glacier.training.trial import Trial

DARKEST_SWIR = 0.001
"""Reflectance below which corrected short-wave infrared is noise; it divides the band ratio."""
RATIO_STEPS = 200
"""Quantiles of the training pixels that are tried as threshold of the band ratio."""
RATIO_PIXELS = 200_000
"""Training pixels of the band ratio, drawn evenly from the training images."""
FOREST_PIXELS = 20_000
"""Training pixels of the forest, drawn evenly from the training images."""
FOREST_TREES = 100
NEIGHBOURHOODS_PX = (3, 7, 15)
"""Sides of the square neighbourhoods whose mean and deviation the forest sees, pixels."""

Part = NDArray[np.bool_]
"""(H, W) bool, pixels of an image that a method learns from or answers for."""


@dataclass(frozen=True)
class Lesson:
    """What a method may learn from in one fold."""

    config: Config
    summary: dict[str, Any]
    """Description of the samples."""
    train: list[tuple[MonthImage, Part]]
    """Images with labelled training pixels, one at least."""
    seed: int

    def band(self, image: MonthImage, name: str) -> NDArray[np.float32]:
        """Reflectance of a band: (H, W) float32, NaN where unseen.

        Raises:
            SampleError: The samples do not hold the band, or the archive lacked it.
        """
        shown, extra = list(self.summary["bands"]), list(self.summary["extra_bands"])
        if self.summary["scale"] == "reflectance" and name in shown:
            return np.asarray(image.image[shown.index(name)])
        if image.extra is None or name not in extra:
            raise SampleError(f"the samples do not hold {name}")
        band = np.asarray(image.extra[extra.index(name)])
        if not np.isfinite(band).any() and np.isfinite(image.image).any():
            raise SampleError(f"{image.key} has no {name}: the archive does not hold the band")
        return band


@dataclass(frozen=True)
class Fitted:
    """A method that is ready to answer."""

    answer: Callable[[MonthImage, Part], NDArray[Any]]
    """Image and wanted pixels -> (H, W) bool, or probability of glacier."""
    facts: dict[str, float] = field(default_factory=dict)
    """What was fitted, by name."""


def all_glacier(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Call every pixel glacier: what a method without eyes scores. (B, H, W) -> (H, W)."""
    return np.ones(image.shape[1:], bool)


def fit_all_glacier(lesson: Lesson) -> Fitted:
    """Nothing to fit."""
    return Fitted(lambda image, _: all_glacier(image.image))


def fit_threshold(lesson: Lesson) -> Fitted:
    """The published label rule, with its published threshold."""
    summary, level = lesson.summary, lesson.config.prepare.label.threshold
    low, high = (0.0, 1.0) if summary["scale"] == "own_maximum" else summary["range"]
    return Fitted(
        lambda image, _: threshold_prediction(image.image, summary["bands"], (low, high), level)
    )


def fit_ndsi(lesson: Lesson) -> Fitted:
    """NDSI over its usual threshold; nothing is fitted. Unseen pixels are ground."""
    return Fitted(lambda image, _: find_ndsi(lesson, image) > NDSI_ABOVE)


def fit_ndsi_nir(lesson: Lesson) -> Fitted:
    """The same, and brighter than water in the near infrared."""

    def answer(image: MonthImage, _: Part) -> Part:
        bright = lesson.band(image, "nir") > NIR_ABOVE
        return np.asarray(bright & (find_ndsi(lesson, image) > NDSI_ABOVE))

    return Fitted(answer)


def find_ndsi(lesson: Lesson, image: MonthImage) -> NDArray[np.float32]:
    """NDSI of an image: (H, W) float32, NaN where unseen."""
    return normalised_difference(lesson.band(image, "green"), lesson.band(image, "swir1"))


def fit_band_ratio(lesson: Lesson) -> Fitted:
    """Red over short-wave infrared, above the threshold that fits the training part best.

    Source:
        Paul et al. 2013, On the Accuracy of Glacier Outlines, Annals of Glaciology 54(63): the
        band ratio with a threshold chosen by hand for each scene.
    """
    draws = np.random.default_rng(lesson.seed)
    share = max(1, RATIO_PIXELS // len(lesson.train))
    ratios, labels = [], []
    for image, part in lesson.train:
        ratio = find_ratio(lesson, image)
        usable = np.flatnonzero(part & (image.label != IGNORE) & np.isfinite(ratio))
        chosen = draws.choice(usable, min(share, len(usable)), replace=False)
        ratios.append(ratio.ravel()[chosen])
        labels.append(image.label.ravel()[chosen])
    if not any(len(found) for found in ratios):
        raise SampleError("no labelled training pixel was seen in red and short-wave infrared")
    above = best_threshold(np.concatenate(ratios), np.concatenate(labels))
    return Fitted(lambda image, _: find_ratio(lesson, image) > above, {"ratio_above": above})


def find_ratio(lesson: Lesson, image: MonthImage) -> NDArray[np.float32]:
    """Red over short-wave infrared: (H, W) float32, NaN where unseen."""
    swir = np.maximum(lesson.band(image, "swir1"), np.float32(DARKEST_SWIR))
    return np.asarray(lesson.band(image, "red") / swir)


def best_threshold(values: NDArray[np.float32], label: NDArray[np.uint8]) -> float:
    """The quantile of some values above which they agree best with a label, by IoU.

    Args:
        values: (n,) float32, finite.
        label: (n,) uint8, 0 or 1.
    """
    tried = np.unique(np.quantile(values, np.linspace(0, 1, RATIO_STEPS + 1)))
    return float(max(tried, key=lambda above: count_pixels(values > above, label).iou))


def fit_random_forest(lesson: Lesson) -> Fitted:
    """A random forest on pixel neighbourhoods of the image's own bands."""
    draws = np.random.default_rng(lesson.seed)
    share = max(1, FOREST_PIXELS // len(lesson.train))
    drawn = [draw_pixels(i.image, i.label, part, share, draws) for i, part in lesson.train]
    features, label = (np.concatenate(column) for column in zip(*drawn, strict=True))
    forest = fit_forest(features, label, lesson.seed)
    return Fitted(lambda image, part: predict_forest(forest, image.image, part))


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
    forest: RandomForestClassifier, image: NDArray[np.float32], wanted: Part
) -> NDArray[np.float64]:
    """The forest's answer: (H, W) probability of glacier, 0 where not wanted."""
    answer = np.zeros(wanted.shape)
    if 1 in forest.classes_:
        place = list(forest.classes_).index(1)
        answer[wanted] = forest.predict_proba(pixel_features(image)[wanted])[:, place]
    return answer


METHODS: dict[str, Callable[[Lesson], Fitted]] = {
    "all_glacier": fit_all_glacier,
    "threshold": fit_threshold,
    "ndsi": fit_ndsi,
    "ndsi_nir": fit_ndsi_nir,
    "band_ratio": fit_band_ratio,
    "random_forest": fit_random_forest,
}
"""Every simple method by name."""


def score_baseline(
    name: str, config: Config, images: list[MonthImage], split: Split, summary: dict[str, Any]
) -> dict[str, Any]:
    """Scores of one simple method on the test part of one fold, or why there are none.

    Returns:
        ``fold``, ``fitted`` and the content of :meth:`Scorecard.as_dict`; or ``reason``.
    """
    trial = Trial(name, split, config.sweep, config.seed, summary)
    train = [(image, trial.part(image, split.train)) for image in images]
    train = [(image, part) for image, part in train if (part & (image.label != IGNORE)).any()]
    if not train:
        return {"reason": f"fold {split.fold} has no labelled training pixel"}
    card = Scorecard(summary, config.sweep.folds.kind, split.test)
    try:
        fitted = METHODS[name](Lesson(config, summary, train, trial.trial_seed))
        for image in images:
            part = trial.part(image, split.test)
            if part.any():
                card.add(image, part, fitted.answer(image, part))
    except SampleError as error:
        return {"reason": str(error)}
    return {"fold": split.fold, "fitted": fitted.facts, **card.as_dict()}
