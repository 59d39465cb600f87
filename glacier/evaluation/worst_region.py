"""Which network to take where the worst region decides, not the mean over the folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from glacier.evaluation.recommendation import (
    REMEDY,
    Contenders,
    Recommendation,
    join_parts,
    rank_size,
    say_place,
)
from glacier.evaluation.scores import MethodScores
from glacier.wording import join_words

Place = Callable[[str], str]
"""Name of a region to how people call it."""


def recommend_by_worst_region(
    field: Contenders, by_mean: Recommendation, place: Place
) -> Recommendation:
    """Choose the network whose worst region has the highest IoU, and say so first.

    It has to have learned, and to beat every simple method's worst region. Of equals the smaller
    one is taken. A region counts where ice is known in it.

    Args:
        field: What is weighed.
        by_mean: What the mean Dice of the folds says, which stays among the evidence.
        place: How people call a region.
    """
    encoders, rivals = find_worst(field.encoders), find_worst(field.rivals)
    fit = {name: iou for name, (_, iou) in encoders.items() if name not in field.unlearned}
    bar = max((iou for _, iou in rivals.values()), default=-1.0)
    choice = min(
        (name for name in fit if fit[name] > bar),
        key=lambda name: (-fit[name], *rank_size(field.encoders[name])),
        default=None,
    )
    if choice is None:
        sentence = say_none(field, fit, rivals, place)
    else:
        rest = {name: found for name, found in encoders.items() if name != choice}
        named = rest | {field.described[name].phrase: found for name, found in rivals.items()}
        sentence = (
            f"Chosen by the worst region: take {choice}{say_place(field, choice)}. "
            f"{say_worst(choice, encoders[choice], place)}{say_others(named, place)}."
        )
    doubt = "One number a network, over the test pixels of all folds: no test tells them apart."
    mean = "" if by_mean.choice in (None, choice) else f"By the mean it would be {by_mean.choice}."
    return Recommendation(choice, sentence, join_parts([doubt, mean, by_mean.evidence]))


def find_worst(methods: Mapping[str, MethodScores]) -> dict[str, tuple[str, float]]:
    """Method to its worst region and the IoU there; none where no region shows ice."""
    found = {name: scores.worst_region for name, scores in methods.items()}
    return {name: worst for name, worst in found.items() if worst is not None}


def say_worst(name: str, worst: tuple[str, float], place: Place) -> str:
    """``resnet34 serves Khumbu worst, with an IoU of 0.410``."""
    region, iou = worst
    return f"{name} serves {place(region)} worst, with an IoU of {iou:.3f}"


def say_others(worst: Mapping[str, tuple[str, float]], place: Place) -> str:
    """The same of the other methods, as the rest of a sentence."""
    if not worst:
        return ""
    told = [f"{name} {iou:.3f} ({place(region)})" for name, (region, iou) in worst.items()]
    return f"; the lowest of the others: {join_words(told)}"


def say_none(
    field: Contenders,
    fit: Mapping[str, float],
    rivals: Mapping[str, tuple[str, float]],
    place: Place,
) -> str:
    """Why none should be taken."""
    lead = "Chosen by the worst region: take none of these networks"
    if not fit:
        return f"{lead} yet: they have hardly learned, or no region shows ice; {REMEDY}."
    best = max(fit, key=lambda name: fit[name])
    rival = max(rivals, key=lambda name: rivals[name][1])
    phrase = field.described[rival].phrase
    worst = say_worst(phrase, rivals[rival], place)
    return (
        f"{lead}. {worst[0].upper()}{worst[1:]}, where {best}, the best of them, has "
        f"{fit[best]:.3f} in its own."
    )
