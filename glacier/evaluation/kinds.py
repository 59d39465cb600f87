"""Kinds of labels and of folds, and what a score is worth with each, in words for every page."""

from __future__ import annotations

from dataclasses import dataclass

from glacier.settings.folds import FoldKind
from glacier.settings.labels import LabelKind


@dataclass(frozen=True)
class FoldWords:
    """What folds of a kind keep apart."""

    held_out: str
    """What a test fold holds out, as a clause."""
    tested_on: str
    """What a model was tested on, as a noun."""
    worth: str
    """What the scores are worth, as one sentence or two; ``{within}`` is the place or places."""
    fold: str
    """What a fold is, as a sentence."""
    drawn: str
    """Why a prediction shown on a test part is an honest one, as a clause after "drawn"."""


FOLDS: dict[FoldKind, FoldWords] = {
    "by_block": FoldWords(
        "strips of ground are held out",
        "blocks of ground of the same images",
        "The folds are columns of ground within {within}: no ground is both trained on and "
        "tested, but they touch, and light, sensor and landscape are the same, so another glacier "
        "may score lower.",
        "A fold is a column of ground, not seen in training.",
        "strip by strip, each by the model that was not trained on it",
    ),
    "by_year": FoldWords(
        "whole years are held out",
        "other years of the same ground, so another glacier may score far lower",
        "The folds are whole years: they separate dates and not ground. The same slopes are "
        "trained on and tested, so another glacier may score far lower.",
        "A fold is whole years: months of one summer, nearly the same picture, no longer stand on "
        "both sides.",
        "by a model that was trained without that year",
    ),
    "by_region": FoldWords(
        "whole glaciers are held out",
        "glaciers that it never saw",
        "The folds are whole glaciers: the score is for glaciers that the network never saw.",
        "A fold is whole glaciers.",
        "by a model that was trained without this glacier",
    ),
    "shuffled": FoldWords(
        "months drawn at random are held out",
        "other months of the same ground, so the score says little of anything new",
        "The folds are months drawn at random: training and test show the same ground, often in "
        "nearly the same state, so the score says little of anything new.",
        "A fold is months drawn at random, whatever ground and year they share with training.",
        "by a model that was trained without this image",
    ),
}


@dataclass(frozen=True)
class LabelWords:
    """What labels of a kind are."""

    are: str
    """What they are, and what that is worth, as a noun."""
    worth: str
    """What agreement with them is worth, as a sentence; fields of ``settings.labels.Label``
    in braces, and ``{name}``, the file of the outlines."""
    outline: str
    """What their outline on a map is called."""


LABELS: dict[LabelKind, LabelWords] = {
    "truth": LabelWords(
        "the exact truth of synthetic scenes, so its scores say nothing of a real glacier",
        "The scenes are synthetic and the labels are their exact truth: the score says that the "
        "method works on them, and nothing of a real glacier.",
        "true outline",
    ),
    "outlines": LabelWords(
        "polygons of an inventory, its date and its mistakes included; ice under debris or snow "
        "counts as drawn",
        "The labels are the polygons of {name}: the score is agreement with that inventory, its "
        "date and its mistakes included; ice under debris or snow counts as drawn.",
        "outline of the inventory",
    ),
    "ndsi": LabelWords(
        "a rule on the bands of the same image, so it copies a rule and seasonal snow is ice",
        "The labels are a rule on bands of the same image (NDSI above {ndsi_above:g}, near "
        "infrared above {nir_above:g}): the score says how well a network copies the rule and "
        "nothing of glaciers; seasonal snow counts as glacier, ice under debris does not.",
        "label, a rule on NDSI",
    ),
    "threshold": LabelWords(
        "a grey level of the very picture that it sees, so it copies a threshold",
        "The labels are the false colour's grey level above {threshold}, a function of the very "
        "picture that the network sees: the score says how well a network copies a threshold and "
        "nothing of glaciers.",
        "label, a grey level",
    ),
}
