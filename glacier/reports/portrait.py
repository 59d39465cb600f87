"""The picture at the head of a report: the glacier, and the outline that a model gave it.

The model never saw what it is shown on. Where folds are strips of ground, each strip is
predicted by the model that was not trained on it, and the strips are put together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glacier.config import Config
from glacier.evaluation.breakdown import CLEAR_SHARE
from glacier.evaluation.kinds import FOLDS, LABELS
from glacier.evaluation.metrics import count_pixels
from glacier.evaluation.results import SweepResult, find_members
from glacier.indices import FALSE_COLOUR
from glacier.labels import IGNORE
from glacier.plots.figures import Picture
from glacier.plots.maps import Ground, Wording, draw_map
from glacier.plots.pictures import paint_colour
from glacier.reports.gallery import place_colours
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleMonth, SampleSet
from glacier.settings.labels import Label
from glacier.training.saved import Predictions, SavedSweep, TrialKey

STRETCH = (0.005, 0.995)
"""Quantiles of an image's values that are shown as black and as white."""

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Portrait:
    """The picture and what stands below it."""

    picture: Picture
    caption: str


def draw_portrait(sweep: SavedSweep, method: str) -> Portrait | None:
    """The clearest and latest image of late summer with the outline of a method.

    Args:
        sweep: The sweep.
        method: An encoder, or the ensemble of all.

    Returns:
        None where the method predicted no image of the samples.
    """
    models = list_models(sweep.result, method)
    month = choose_month(sweep, {fold for _, fold in models})
    if month is None:
        return None
    (image,) = sweep.read_images({month.key})
    parts = predict_parts(sweep, image, models)
    if not parts:
        return None
    config = sweep.result.config
    title = f"{config.place(month.region)}, {month.month:%B %Y}"
    picture = draw_map(
        lay_ground(sweep.samples, image, parts),
        Wording(
            title, f"outline by {name_method(method)}",
            name_label(config.prepare.label),
            describe(title, method, parts, image.label),
        ),
    )  # fmt: skip
    return Portrait(picture, write_caption(config, sweep.samples, method))


def list_models(sweep: SweepResult, method: str) -> list[TrialKey]:
    """Models whose mean is a method: one for every fold that an encoder finished."""
    if method != ENSEMBLE:
        return [(method, trial.fold) for trial in sweep.by_encoder.get(method, ())]
    by_encoder = sweep.by_encoder
    folds = [split.fold for split in sweep.splits]
    return [(name, fold) for fold in folds for name in find_members(by_encoder, fold)]


def choose_month(sweep: SavedSweep, folds: Collection[int]) -> SampleMonth | None:
    """The image to show: clear, near to late summer, recent; None where no fold tested one.

    Where none is clear it is the one of which most is known. One with known glacier goes first.
    """
    result, tested = sweep.result, find_tested(sweep.result, folds)
    known = [month for month in sweep.samples.usable if month.key in tested]
    return max(known, key=lambda month: rank_month(month, result.late_summer), default=None)


def find_tested(sweep: SweepResult, folds: Collection[int]) -> set[str]:
    """Keys of the images of which a finished fold tested a part."""
    return {
        image.key
        for trial in sweep.trials
        if trial.fold in folds
        for image in trial.scorecard.images
    }


def rank_month(month: SampleMonth, late: Sequence[int] | None) -> tuple[bool, bool, float, int]:
    """How well a month is fit to be shown; more is better."""
    pixels = month.label_pixels
    total = pixels.glacier + pixels.ground + pixels.unknown if pixels else 0
    seen = 1 - pixels.unknown / total if pixels and total else 0.0
    clear, number = seen >= CLEAR_SHARE, month.month.month
    off = min(
        (min((number - wanted) % 12, (wanted - number) % 12) for wanted in late or ()), default=0
    )
    has_ice = bool(pixels and pixels.glacier)
    return has_ice, clear, -float(off) if clear else seen, month.month.toordinal()


def predict_parts(
    sweep: SavedSweep, image: MonthImage, models: Sequence[TrialKey]
) -> list[NDArray[np.float32]]:
    """How far the mean of a fold's models lies above its threshold, fold by fold.

    Returns:
        (H, W) float32 each, above 0 glacier; NaN outside the fold's test part, and where nothing
        was seen. No fold that did not test the image.
    """
    parts, seen = [], find_seen(image)
    trials = [t for t in sweep.result.trials if (t.encoder, t.fold) in set(models)]
    with ExitStack() as stack:
        predictions = Predictions(stack, sweep.places, trials)
        for fold in sorted({fold for _, fold in models}):
            found = predictions.of([model for model in models if model[1] == fold], image.key)
            mask = sweep.test_mask(image, fold) & seen
            if found and mask.any():
                level = np.mean([predictions.thresholds[model] for model in found])
                margin = np.mean(list(found.values()), axis=0) / 255 - level
                on_level = np.float32(1e-6)  # a pixel on the threshold is glacier
                parts.append(
                    np.where(mask, margin.astype(np.float32) + on_level, np.float32("nan"))
                )
    return parts


def find_seen(image: MonthImage) -> NDArray[np.bool_]:
    """Pixels of which every band is known, (H, W) bool."""
    return np.asarray(np.isfinite(image.image).all(axis=0))


def lay_ground(
    samples: SampleSet, image: MonthImage, parts: Sequence[NDArray[np.float32]]
) -> Ground:
    """What the map shows of an image."""
    label = np.where(image.label == IGNORE, np.nan, image.label - 0.5).astype(np.float32)
    sides_m = samples.regions[image.region].pixel_sides_m
    return Ground(stretch_bands(samples, image), sides_m, parts, label, ~find_seen(image))


def stretch_bands(samples: SampleSet, image: MonthImage) -> NDArray[np.uint8]:
    """Colours of one image, as bright as it can be told apart: (H, W, 3) uint8."""
    places = place_colours(samples.bands)
    bands = image.image[places]
    known = bands[:, find_seen(image)]
    if not known.size:
        return paint_colour(bands, samples.shown_range, 1.0)
    low, high = (float(np.quantile(known, share)) for share in STRETCH)
    high = max(high, low + 1e-6)
    middle = np.clip((float(np.median(known)) - low) / (high - low), 0.05, 0.95)
    gamma = float(np.clip(np.log(0.45) / np.log(middle), 0.5, 0.85))
    return paint_colour(bands, (low, high), gamma)


def name_method(method: str) -> str:
    """An encoder by its name; ``the ensemble``."""
    return f"the {method}" if method == ENSEMBLE else method


def name_label(label: Label) -> str:
    """What the dashed outline is."""
    if label.kind == "outlines" and label.provenance:
        return f"outline of the {label.provenance.source}"
    return LABELS[label.kind].outline


def describe(
    title: str, method: str, parts: Sequence[NDArray[np.float32]], label: NDArray[np.uint8]
) -> str:
    """The map in words."""
    predicted = np.any([part > 0 for part in parts], axis=0)
    mask = np.any([np.isfinite(part) for part in parts], axis=0)
    counts = count_pixels(predicted, label, mask)
    return (
        f"{title} from above, with the outline by {name_method(method)} around "
        f"{100 * float(predicted[mask].mean()):.0f} % of the ground that was seen. It finds "
        f"{counts.tp} of the {counts.tp + counts.fn} pixels of glacier."
    )


def write_caption(config: Config, samples: SampleSet, method: str) -> str:
    """Whose outline it is, that it is an honest one, and what the colours are."""
    colours = name_colours(samples.bands)
    made = " The image is made up, not a satellite's." if config.ingest.chosen.knows_truth else ""
    drawn = f"the outline by {name_method(method)}, drawn {FOLDS[config.sweep.folds.kind].drawn}"
    return f"Yellow: {drawn}. Dashed: {name_label(config.prepare.label)}. {colours}{made}"


def name_colours(bands: Sequence[str]) -> str:
    """What the colours of :func:`gallery.place_colours` mean."""
    if all(name in bands for name in FALSE_COLOUR):
        return "Colours: near infrared, red and green, so that plants are red and ice is bright."
    return f"Colours: {', '.join(bands[:3])}."
