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
from glacier.evaluation.results import BaselineFold, BaselineResult
from glacier.evaluation.scorecard import ScorecardBuilder
from glacier.indices import FALSE_COLOUR, normalised_difference
from glacier.labels import IGNORE, grey_level
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage, find_reflectance
from glacier.samples.sample_set import SampleSet
from glacier.settings.labels import NDSI_ABOVE, NIR_ABOVE
from glacier.training.trial import derive_seed

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

Mask = NDArray[np.bool_]
"""(H, W) bool, pixels of an image that a method learns from or predicts."""


@dataclass(frozen=True)
class Lesson:
    """What a method may learn from in one fold."""

    config: Config
    samples: SampleSet
    """Description of the samples."""
    train: list[tuple[MonthImage, Mask]]
    """Images with labelled training pixels, one at least."""
    seed: int

    def band(self, image: MonthImage, name: str) -> NDArray[np.float32]:
        """Reflectance of a band: (H, W) float32, NaN where unseen.

        Raises:
            SampleError: The samples do not hold the band, or the archive lacked it.
        """
        band = find_reflectance(image, self.samples, name)
        if band is None:
            raise SampleError(f"the samples do not hold {name}")
        if not np.isfinite(band).any() and image.seen.any():
            raise SampleError(f"{image.key} has no {name}: the archive does not hold the band")
        return band


@dataclass(frozen=True)
class Fitted:
    """A method that is ready to predict."""

    predict: Callable[[MonthImage, Mask], NDArray[Any]]
    """Image and wanted pixels -> (H, W) bool, or probability of glacier."""
    parameters: dict[str, float] = field(default_factory=dict)
    """What was fitted, by name."""


@dataclass(frozen=True)
class Baseline:
    """A simple method that a network has to beat."""

    name: str
    title: str
    """As tables name it."""
    phrase: str
    """As a sentence names it."""
    fit: Callable[[Lesson], Fitted]
    is_rule: bool = True
    """It is a threshold on bands or indices."""
    makes: str | None = None
    """Kind of label that this very rule makes, so that it is no rival there."""

    def describe(self, label_kind: str) -> BaselineResult:
        """How the method is named, and what it is beside labels of a kind; no scores yet."""
        return BaselineResult(
            title=self.title,
            phrase=self.phrase,
            is_rule=self.is_rule,
            is_rival=self.makes != label_kind,
        )


def all_glacier(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Predict glacier everywhere: what a method without eyes scores. (B, H, W) -> (H, W)."""
    return np.ones(image.shape[1:], bool)


def fit_all_glacier(lesson: Lesson) -> Fitted:
    """Nothing to fit."""
    return Fitted(lambda image, _: all_glacier(image.image))


def fit_threshold(lesson: Lesson) -> Fitted:
    """The published label rule, with its published threshold."""
    samples, level = lesson.samples, lesson.config.prepare.label.threshold
    return Fitted(
        lambda image, _: threshold_prediction(
            image.image, samples.bands, samples.shown_range, level
        )
    )


def fit_ndsi(lesson: Lesson) -> Fitted:
    """NDSI over its usual threshold; nothing is fitted. Unseen pixels are ground."""
    return Fitted(lambda image, _: find_ndsi(lesson, image) > NDSI_ABOVE)


def fit_ndsi_nir(lesson: Lesson) -> Fitted:
    """The same, and brighter than water in the near infrared."""

    def predict(image: MonthImage, _: Mask) -> Mask:
        bright = lesson.band(image, "nir") > NIR_ABOVE
        return np.asarray(bright & (find_ndsi(lesson, image) > NDSI_ABOVE))

    return Fitted(predict)


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
    for image, mask in lesson.train:
        ratio = find_ratio(lesson, image)
        usable = np.flatnonzero(mask & (image.label != IGNORE) & np.isfinite(ratio))
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
    drawn = [draw_pixels(i.image, i.label, mask, share, draws) for i, mask in lesson.train]
    features, label = (np.concatenate(column) for column in zip(*drawn, strict=True))
    forest = fit_forest(features, label, lesson.seed)
    return Fitted(lambda image, mask: predict_forest(forest, image.image, mask))


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
    if missing := [name for name in FALSE_COLOUR if name not in bands]:
        raise SampleError(f"the samples hold {', '.join(bands)}, not {', '.join(missing)}")
    low, high = reflectance_range
    picture = np.stack([image[bands.index(name)] for name in FALSE_COLOUR])
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
    mask: NDArray[np.bool_],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Features and labels of labelled pixels of a mask, drawn without repeats.

    The neighbourhood of a training pixel near a fold's border reaches over it by at most half
    the largest side, as a network's context does at prediction; labels never do.

    Returns:
        (n, F) float32 and (n,) uint8 with n at most ``count``.
    """
    usable = np.flatnonzero(mask & (label != IGNORE))
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
    forest: RandomForestClassifier, image: NDArray[np.float32], wanted: Mask
) -> NDArray[np.float64]:
    """The forest's prediction: (H, W) probability of glacier, 0 where not wanted."""
    probability = np.zeros(wanted.shape)
    if 1 in forest.classes_:
        place = list(forest.classes_).index(1)
        probability[wanted] = forest.predict_proba(pixel_features(image)[wanted])[:, place]
    return probability


BASELINES = (
    Baseline(
        "all_glacier", "all glacier", "calling everything glacier", fit_all_glacier, is_rule=False
    ),
    Baseline("threshold", "threshold", "the threshold", fit_threshold, makes="threshold"),
    Baseline("ndsi", f"NDSI > {NDSI_ABOVE:g}", "NDSI", fit_ndsi, makes="ndsi"),
    Baseline(
        "ndsi_nir", f"NDSI > {NDSI_ABOVE:g}, NIR > {NIR_ABOVE:g}", "NDSI with near infrared",
        fit_ndsi_nir, makes="ndsi",
    ),
    Baseline("band_ratio", "red/SWIR ratio", "the red/SWIR ratio", fit_band_ratio),
    Baseline(
        "random_forest", "random forest", "the random forest", fit_random_forest, is_rule=False
    ),
)  # fmt: skip
"""Every simple method."""


def list_baselines(config: Config) -> tuple[Baseline, ...]:
    """The simple methods of a run."""
    left_out = () if config.sweep.random_forest else ("random_forest",)
    return tuple(method for method in BASELINES if method.name not in left_out)


def score_baseline(
    method: Baseline,
    config: Config,
    images: Sequence[MonthImage],
    samples: SampleSet,
    masks: FoldMasks,
    split: Split,
) -> BaselineFold | str:
    """Scores of one simple method on the test split of one fold, or why there are none."""
    cv2.setNumThreads(1)  # a task has one core
    train = [(image, masks.mask(image, split.train)) for image in images]
    train = [(image, mask) for image, mask in train if (mask & (image.label != IGNORE)).any()]
    if not train:
        return f"fold {split.fold} has no labelled training pixel"
    builder = ScorecardBuilder(samples, masks, split.test)
    seed = derive_seed(config.seed, method.name, split.fold)
    try:
        fitted = method.fit(Lesson(config, samples, train, seed))
        for image in images:
            mask = masks.mask(image, split.test)
            if mask.any():
                builder.add(image, mask, fitted.predict(image, mask))
    except SampleError as error:
        return str(error)
    return BaselineFold(fold=split.fold, fitted=fitted.parameters, scorecard=builder.build())
