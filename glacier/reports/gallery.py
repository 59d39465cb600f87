"""The images of a finished sweep as the page shows them: label, predictions, where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.agreement import find_split
from glacier.evaluation.metrics import count_pixels
from glacier.evaluation.results import SweepResult, TrialResult, rank_kept
from glacier.indices import FALSE_COLOUR
from glacier.labels import IGNORE
from glacier.plots import pictures
from glacier.plots.figures import Picture
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.training.saved import Predictions, SavedSweep, TrialKey
from glacier.wording import join_words

MAX_SAMPLES = 6
"""Test samples shown, over all folds that are shown."""

FEW_VIEWS = 4
"""Up to so many views are shown at twice the size."""


@dataclass(frozen=True)
class View:
    """One month image to show, and the models that it is shown under."""

    key: str
    """``<region>/<YYYY-MM>``."""
    fold: int | None
    """Fold whose test split is shown; None: a held-out image, shown whole."""
    models: tuple[TrialKey, ...]


@dataclass(frozen=True)
class ShownScore:
    """Score of a model on what is shown of an image."""

    encoder: str
    fold: int
    dice: float
    iou: float


@dataclass(frozen=True)
class Strip:
    """The pictures of a view: image, label, a prediction per model, and where models differ."""

    view: View
    name: str
    """Place and month, as people write them."""
    pictures: tuple[Picture, ...]
    captions: tuple[str, ...]
    """One per picture; may be empty."""
    scores: tuple[ShownScore, ...]
    """One per model."""


@dataclass(frozen=True)
class Group:
    """Strips that the page shows together: those of a fold, or of the held-out images."""

    name: str
    """Of the file that keeps the sheet."""
    title: str
    note: str
    columns: tuple[str, ...]
    """What each picture of a strip shows."""
    strips: tuple[Strip, ...]
    sheet: Picture
    """All of them on one picture."""


@dataclass(frozen=True)
class Excerpt:
    """The cut-out of an image that a view shows."""

    name: str
    """Place and month."""
    label: NDArray[np.uint8]
    """(H, W) uint8: 1 glacier, 0 not, 255 unknown."""
    mask: NDArray[np.bool_]
    """(H, W) bool, pixels that were predicted."""
    zoom: int
    """Size of its pictures: 1, or 2 for twice the size."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Pixels that were predicted and have a label."""
        return np.asarray(self.mask & (self.label != IGNORE))


def draw_strips(sweep: SavedSweep) -> list[Strip]:
    """Draw all that is to be shown, with one image at a time in memory."""
    views = plan_views(sweep.result)
    zoom = 2 if len(views) <= FEW_VIEWS else 1
    strips: dict[View, Strip] = {}
    with ExitStack() as stack:
        predictions = Predictions(stack, sweep.places, sweep.result.trials)
        for image in sweep.read_images({view.key for view in views}):
            for view in views:
                if view.key == image.key:
                    strips[view] = draw_strip(sweep, image, predictions, view, zoom)
    return [strips[view] for view in views if view in strips]


def plan_views(sweep: SweepResult) -> list[View]:
    """What is shown: test samples of the folds of :func:`name_folds`, then the held-out images.

    The samples run from the worst to the best of the first encoder, by Dice of the image. A fold
    is shown under every encoder that finished it.
    """
    trials = sweep.by_encoder
    folds = sorted(name_folds(trials))
    views = []
    for fold in folds:
        of_fold = [trial for found in trials.values() for trial in found if trial.fold == fold]
        models = tuple((trial.encoder, fold) for trial in of_fold)
        images = of_fold[0].scorecard.images
        ordered = sorted(images, key=lambda image: (image.counts.dice, image.key))
        count = min(len(ordered), max(2, MAX_SAMPLES // len(folds)))
        places = np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))
        views += [View(ordered[place].key, fold, models) for place in places]
    best = [min(found, key=rank_kept) for found in trials.values()]
    chosen = tuple((trial.encoder, trial.fold) for trial in best)
    return views + [View(key, None, chosen) for key in sweep.held_out]


def name_folds(trials: Mapping[str, Sequence[TrialResult]]) -> dict[int, str]:
    """Folds to show, and why: each encoder's best by test Dice, and the worst of all.

    Folds without known ice, whose Dice says nothing, are shown only where there are no others.
    """
    scored = [trial for found in trials.values() for trial in found]
    deciding = [trial for trial in scored if trial.scorecard.counts.glacier_pixels]
    if not deciding:
        return {scored[0].fold: "where no ice is known"}
    dice = {(trial.encoder, trial.fold): trial.scorecard.counts.dice for trial in deciding}
    best: dict[int, list[str]] = {}
    for name in dict.fromkeys(who for who, _ in dice):
        of_one = {fold: value for (who, fold), value in dice.items() if who == name}
        best.setdefault(max(of_one, key=lambda fold: (of_one[fold], -fold)), []).append(name)
    words = {fold: f"the best of {join_words(names)}" for fold, names in best.items()}
    name, worst = min(dice, key=lambda key: (dice[key], key[1]))
    if worst in words:
        return words if len(words) == 1 else words | {worst: f"{words[worst]}, the worst of {name}"}
    return words | {worst: f"the worst of {name}, and of all"}


def draw_strip(
    sweep: SavedSweep, image: MonthImage, predictions: Predictions, view: View, zoom: int
) -> Strip:
    """Draw image, label and predictions, cut to the bounding box of what is shown."""
    everywhere = np.ones(image.label.shape, bool)
    mask = everywhere if view.fold is None else sweep.test_mask(image, view.fold)
    place = bounding_box(mask)
    name = f"{sweep.result.config.place(image.region)}, {image.month:%Y-%m}"
    excerpt = Excerpt(name, image.label[place], mask[place], zoom)
    found = predictions.of(view.models, view.key)
    votes = {model: predictions.classify(model, found[model][place]) for model in found}
    drawn = [
        draw_image(sweep.samples, image.image[(slice(None), *place)], excerpt),
        draw_label(excerpt),
    ]
    captions, scores = ["", ""], []
    for model in view.models:
        picture, score = draw_prediction(model, votes.get(model), excerpt)
        drawn.append(picture)
        captions.append(f"Dice {score.dice:.3f}")
        scores.append(score)
    if len(view.models) > 1:
        picture, differ = draw_agreement(list(votes.values()), excerpt)
        drawn.append(picture)
        captions.append(f"differ on {differ}")
    return Strip(view, name, tuple(drawn), tuple(captions), tuple(scores))


def draw_image(samples: SampleSet, image: NDArray[np.float32], excerpt: Excerpt) -> Picture:
    """Picture of the bands of an excerpt, (B, H, W) float32."""
    alt = f"Image of {excerpt.name}"
    return pictures.show_colour(show_bands(samples, image), alt, excerpt.zoom)


def draw_label(excerpt: Excerpt) -> Picture:
    """Picture of the label of an excerpt."""
    known = excerpt.known
    share = 100 * float((excerpt.label[known] == 1).mean()) if known.any() else 0.0
    alt = f"Label of {excerpt.name}: {share:.0f} % of the known pixels are glacier"
    return pictures.show_classes(pictures.classify_label(excerpt.label), alt, excerpt.zoom)


def draw_prediction(
    model: TrialKey, predicted: NDArray[np.bool_] | None, excerpt: Excerpt
) -> tuple[Picture, ShownScore]:
    """Picture and score of a model's prediction on an excerpt.

    Args:
        model: Encoder and fold.
        predicted: (H, W) bool, True where it predicts glacier; None: it did not see the image.
        excerpt: What is shown.
    """
    encoder, fold = model
    mask = excerpt.mask
    if predicted is None:
        predicted = mask = np.zeros_like(mask)
    counts = count_pixels(predicted, excerpt.label, mask)
    alt = (
        f"Prediction of {encoder} (model of fold {fold}) for {excerpt.name}: "
        f"Dice {counts.dice:.3f}, {counts.tp} pixels found, {counts.fp} false, {counts.fn} missed"
    )
    codes = pictures.classify_errors(predicted, excerpt.label, mask)
    picture = pictures.show_classes(codes, alt, excerpt.zoom)
    return picture, ShownScore(encoder, fold, counts.dice, counts.iou)


def draw_agreement(votes: Sequence[NDArray[np.bool_]], excerpt: Excerpt) -> tuple[Picture, str]:
    """Picture of where models differ, and the share of the known pixels on which they do."""
    known = excerpt.known
    stack = np.stack([*votes]) if votes else np.zeros((1, *known.shape), bool)
    split = find_split(stack)
    share = f"{100 * float(split[known].mean()) if known.any() else 0:.1f} %"
    codes = pictures.classify_agreement(np.asarray(stack.all(axis=0)), split, known)
    alt = f"Where the models differ on {excerpt.name}: on {share} of the known pixels"
    return pictures.show_classes(codes, alt, excerpt.zoom), share


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Smallest window that holds every true pixel of (H, W) bool."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)


def show_bands(samples: SampleSet, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colours of a sample: near infrared, red and green where it holds them.

    All pictures of a report are brightened alike, by the mean of all samples.

    Args:
        samples: Description of the samples.
        image: (B, H, W) float32.

    Returns:
        (H, W, 3) uint8.
    """
    (low, high), places = samples.shown_range, place_colours(samples.bands)
    brightness = (np.mean([samples.mean[place] for place in places]) - low) / (high - low)
    gamma = np.log(0.45) / np.log(np.clip(brightness, 0.05, 0.95))
    return pictures.paint_colour(image[places], (low, high), float(np.clip(gamma, 0.45, 1.3)))


def group_strips(sweep: SweepResult, strips: Sequence[Strip]) -> list[Group]:
    """Strips as the page shows them: a group per fold, and one for the held-out images."""
    shown = name_folds(sweep.by_encoder)
    return [
        group_held_out(list(found), sweep.selection_split)
        if fold is None
        else group_fold(fold, list(found), shown[fold])
        for fold, found in groupby(strips, key=lambda strip: strip.view.fold)
    ]


def group_held_out(strips: Sequence[Strip], selection_split: str | None) -> Group:
    """The held-out images under the models that they are shown under."""
    loss = f"{selection_split} Dice loss" if selection_split else "training loss"
    columns = [f"{encoder}, fold {fold}" for encoder, fold in strips[0].view.models]
    title = "Held-out month" + ("s" if len(strips) > 1 else "")
    note = f"In no fold; shown under each encoder's model with the lowest {loss}."
    return make_group("held-out", title, note, columns, strips)


def group_fold(fold: int, strips: Sequence[Strip], why: str) -> Group:
    """Test images of a fold.

    Args:
        fold: Its number.
        strips: Its images, from the worst to the best.
        why: Why it is shown.
    """
    columns = [encoder for encoder, _ in strips[0].view.models]
    order = (
        f"From the lowest to the highest Dice of {columns[0]}: the first is its worst image of "
        "the fold, the last its best."
    )
    note = f"No model shown here was trained on it. {order if len(strips) > 1 else ''}"
    return make_group(f"samples-fold-{fold}", f"Test fold {fold}, {why}", note, columns, strips)


def make_group(
    name: str, title: str, note: str, models: Sequence[str], strips: Sequence[Strip]
) -> Group:
    """A group and its sheet.

    Args:
        name: Of the file that keeps the sheet.
        title: Of the group.
        note: What to know of it.
        models: What the column of each model is called.
        strips: Its rows.
    """
    columns = ("image", "label", *models, *(["agreement"] if len(models) > 1 else []))
    rows = [(strip.name, strip.pictures) for strip in strips]
    sheet = pictures.draw_sheet(columns, rows, title)
    return Group(name, title, note, columns, tuple(strips), sheet)


def place_colours(bands: Sequence[str]) -> list[int]:
    """Which bands are shown as red, green and blue, or as grey."""
    if all(name in bands for name in FALSE_COLOUR):
        return [bands.index(name) for name in FALSE_COLOUR]
    return [0, 1, 2] if len(bands) >= 3 else [0]
