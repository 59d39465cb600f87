"""The images of a finished sweep, looked through once: the ensemble scored, samples drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.agreement import Agreement, find_split, measure_agreement
from glacier.evaluation.metrics import Facts, count_pixels, pool_counts
from glacier.evaluation.results import ensemble_members, group_trials, kept_loss, missing_ensemble
from glacier.evaluation.scores import score_part
from glacier.labels import IGNORE
from glacier.plots import pictures
from glacier.plots.figures import Picture
from glacier.samples.dataset import MonthImage
from glacier.training.saved import Model, Predictions, SavedSweep, read_months, row_key
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
    """Fold whose test part is shown; None: a held-out image, shown whole."""
    models: tuple[Model, ...]


@dataclass(frozen=True)
class Strip:
    """The pictures of a view: image, label, a prediction per model, and where models differ."""

    view: View
    pictures: tuple[Picture, ...]
    captions: tuple[str, ...]
    """One per picture; may be empty."""
    scores: tuple[Facts, ...]
    """Scores per model on what is shown."""


@dataclass(frozen=True)
class Looks:
    """What one pass over the images of a sweep gives."""

    ensemble: dict[int, Facts]
    """Fold to the ensemble's scorecard; empty where there is no ensemble."""
    agreement: Agreement
    """Of the encoders, over all test pixels; of no pixel where there is no ensemble."""
    strips: list[Strip]


def look_through(sweep: SavedSweep) -> Looks:
    """Go through the images once: score the ensemble, draw what is to be shown."""
    views = plan_views(sweep)
    keys = {view.key for view in views}
    members: dict[int, list[str]] = {}
    if missing_ensemble(sweep.facts) is None:
        members = ensemble_members(sweep.facts)
        keys |= {row_key(row) for trial in sweep.facts["trials"] for row in trial["tested"]}
    cards = {fold: sweep.card(fold) for fold in members}
    agreement = Agreement()
    strips: dict[View, Strip] = {}
    with ExitStack() as stack:
        predictions = Predictions(stack, sweep.facts["trials"])
        for image in read_months(sweep, keys):
            for fold, names in members.items():
                part = sweep.part(image, fold)
                found = predictions.of([(name, fold) for name in names], image.key)
                if part.any() and found:
                    probability = np.mean(list(found.values()), axis=0) / 255
                    level = float(np.mean([predictions.thresholds[model] for model in found]))
                    cards[fold].add(image, part, probability, level)
                    votes = np.stack([predictions.call(*each) for each in found.items()])
                    agreement += measure_agreement(votes, probability >= level, image.label, part)
            for view in views:
                if view.key == image.key:
                    zoom = 2 if len(views) <= FEW_VIEWS else 1
                    strips[view] = draw_strip(sweep, image, predictions, view, zoom)
    ensemble = {fold: card.as_dict() for fold, card in cards.items()}
    return Looks(ensemble, agreement, [strips[view] for view in views if view in strips])


def plan_views(sweep: SavedSweep) -> list[View]:
    """What is shown: test samples of the folds of :func:`name_folds`, then the held-out images.

    The samples run from the worst to the best of the first encoder, by Dice of the image. A fold
    is shown under every encoder that finished it.
    """
    trials = group_trials(sweep.facts)
    folds = sorted(name_folds(trials))
    views = []
    for fold in folds:
        models = [(name, fold) for name, ts in trials.items() if any(t["fold"] == fold for t in ts)]
        tested = next(t for t in trials[models[0][0]] if t["fold"] == fold)["tested"]
        ordered = sorted(tested, key=lambda row: (pool_counts([row]).dice, row_key(row)))
        keys = [row_key(row) for row in ordered]
        count = min(len(keys), max(2, MAX_SAMPLES // len(folds)))
        places = np.unique(np.linspace(0, len(keys) - 1, count).round().astype(int))
        views += [View(keys[place], fold, tuple(models)) for place in places]
    chosen = [(name, int(min(found, key=kept_loss)["fold"])) for name, found in trials.items()]
    return views + [View(key, None, tuple(chosen)) for key in sweep.facts["held_out"]]


def name_folds(trials: Mapping[str, Sequence[Facts]]) -> dict[int, str]:
    """Folds to show, and why: each encoder's best by test Dice, and the worst of all."""
    dice = {
        (name, int(row["fold"])): row["dice"]
        for name, found in trials.items()
        for row in map(score_part, found)
    }
    best: dict[int, list[str]] = {}
    for name in trials:
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
    """Draw image, label and predictions, cut to the bounding box of the part that is shown."""
    part = sweep.part(image, view.fold) if view.fold is not None else image.label >= 0
    place = bounding_box(part)
    part, label = part[place], image.label[place]
    pixels = show_bands(sweep.summary, image.image[(slice(None), *place)])
    known = part & (label != IGNORE)
    share = 100 * float((label[known] == 1).mean()) if known.any() else 0.0
    drawn = [
        pictures.show_colour(pixels, f"Satellite image of {view.key}", zoom),
        pictures.show_classes(
            pictures.classify_label(label),
            f"Label of {view.key}: {share:.0f} % of the known pixels are glacier",
            zoom,
        ),
    ]
    scores: list[Facts] = []
    found = predictions.of(view.models, view.key)
    votes = {model: predictions.call(model, found[model][place]) for model in found}
    for name, fold in view.models:
        shown = part if (name, fold) in votes else np.zeros_like(part)
        predicted = votes.get((name, fold), np.zeros_like(part))
        counts = count_pixels(predicted, label, shown)
        scores.append({"encoder": name, "fold": fold, "dice": counts.dice, "iou": counts.iou})
        alt = (
            f"Prediction of {name} (model of fold {fold}) for {view.key}: Dice {counts.dice:.3f}, "
            f"{counts.tp} pixels found, {counts.fp} false, {counts.fn} missed"
        )
        codes = pictures.classify_errors(predicted, label, shown)
        drawn.append(pictures.show_classes(codes, alt, zoom))
    captions = ["", "", *(f"Dice {score['dice']:.3f}" for score in scores)]
    if len(view.models) > 1:
        agreement, differ = draw_agreement(list(votes.values()), known, view.key, zoom)
        drawn.append(agreement)
        captions.append(f"differ on {differ}")
    return Strip(view, tuple(drawn), tuple(captions), tuple(scores))


def draw_agreement(
    votes: Sequence[NDArray[np.bool_]], known: NDArray[np.bool_], key: str, zoom: int
) -> tuple[Picture, str]:
    """Picture of where models differ, and the share of the known pixels on which they do."""
    stack = np.stack([*votes]) if votes else np.zeros((1, *known.shape), bool)
    split = find_split(stack)
    share = f"{100 * float(split[known].mean()) if known.any() else 0:.1f} %"
    codes = pictures.classify_agreement(np.asarray(stack.all(axis=0)), split, known)
    alt = f"Where the models differ on {key}: on {share} of the known pixels"
    return pictures.show_classes(codes, alt, zoom), share


def bounding_box(part: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Smallest window that holds every true pixel of (H, W) bool."""
    rows, cols = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)


def show_bands(summary: Facts, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colours of a sample: near infrared, red and green where it holds them.

    All pictures of a report are brightened alike, by the mean of all samples.

    Args:
        summary: Description of the samples: ``bands``, ``scale``, ``range``, ``mean``.
        image: (B, H, W) float32.

    Returns:
        (H, W, 3) uint8.
    """
    bands = summary["bands"]
    false_colour = ["nir", "red", "green"]
    if all(name in bands for name in false_colour):
        places = [bands.index(name) for name in false_colour]
    else:
        places = [0, 1, 2] if len(bands) >= 3 else [0]
    low, high = (0.0, 1.0) if summary["scale"] == "own_maximum" else summary["range"]
    brightness = (np.mean([summary["mean"][place] for place in places]) - low) / (high - low)
    gamma = np.log(0.45) / np.log(np.clip(brightness, 0.05, 0.95))
    return pictures.paint_colour(image[places], (low, high), float(np.clip(gamma, 0.45, 1.3)))


def describe_held_out(strip: Strip) -> Facts:
    """Scores of the models on a held-out image, which is in no fold."""
    return {"key": strip.view.key, "models": list(strip.scores)}


def group_strips(sweep: SavedSweep, strips: Sequence[Strip]) -> list[Facts]:
    """Strips as the page shows them: a group per fold, and one for the held-out images."""
    shown = name_folds(group_trials(sweep.facts))
    groups = []
    for fold, found in groupby(strips, key=lambda strip: strip.view.fold):
        rows = list(found)
        models = rows[0].view.models
        if fold is None:
            title = "Held-out month" + ("s" if len(rows) > 1 else "")
            note = "In no fold; shown under each encoder's model with the lowest " + (
                f"{sweep.chooser} Dice loss." if sweep.chooser else "training loss."
            )
            columns = [f"{name}, fold {k}" for name, k in models]
        else:
            title = f"Test fold {fold}, {shown[fold]}"
            note = "No model shown here was trained on it. " + (
                f"From the lowest to the highest Dice of {models[0][0]}: the first is its "
                "worst image of the fold, the last its best."
                if len(rows) > 1
                else ""
            )
            columns = [name for name, _ in models]
        columns = ["image", "label", *columns, *(["agreement"] if len(columns) > 1 else [])]
        sheet = pictures.draw_sheet(
            columns, {strip.view.key: strip.pictures for strip in rows}, title
        )
        name = "held-out" if fold is None else f"samples-fold-{fold}"
        groups.append(
            {"name": name, "title": title, "note": note, "columns": columns, "sheet": sheet,
             "rows": rows}
        )  # fmt: skip
    return groups
