"""Which method to take, in words for people who read no statistics, and the evidence after them.

What the folds do not tell apart is not thereby equal: the choice falls on no network that lies
below a simple method or far below the best one, nor on one that has hardly learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glacier.evaluation.results import BaselineResult, TrialResult
from glacier.evaluation.scores import MethodScores
from glacier.evaluation.verdict import (
    SIGNIFICANCE_LEVEL,
    Pair,
    Verdict,
    correct_holm,
    corrected_p,
    count_folds,
)
from glacier.wording import join_words

FAR_BELOW = 0.02
"""Mean test Dice below the best network's from which another is not taken for its small size."""

LEARNED_LOSS = {"dice": 0.3, "dice_bce": 0.6}
"""Training loss above which a network has not learned its own training ground: a Dice of 0.7, and
as much again where cross-entropy is added."""

STILL_FALLING = 0.01
"""Fall of the training loss between the last fifth of the epochs and the fifth before from which
more epochs would go on."""

REMEDY = "raise sweep.epochs or sweep.steps_per_epoch"
"""What lets a network learn more."""


@dataclass(frozen=True)
class Recommendation:
    """What to take."""

    choice: str | None
    """Encoder; None where none should be taken."""
    sentence: str
    """The same for people, in plain words."""
    evidence: str
    """The numbers behind it."""


@dataclass(frozen=True)
class Contenders:
    """All that is weighed: networks, and the simple methods that they have to beat."""

    encoders: Mapping[str, MethodScores]
    """Networks that finished every fold that counts."""
    rivals: Mapping[str, MethodScores]
    """Simple methods with scores, without the label's own rule."""
    described: Mapping[str, BaselineResult]
    """How a sentence names them."""
    unlearned: Mapping[str, str]
    """Networks that have hardly learned, and what shows it."""
    folder: str = ""
    """Folder of the models below the storage; empty: not said."""

    @property
    def best_rival(self) -> str | None:
        """The simple method with the highest mean test Dice."""
        return max(self.rivals, key=lambda name: self.rivals[name].dice_mean, default=None)


def explain_training(trials: Sequence[TrialResult], loss: str = "dice") -> str | None:
    """Why a network seems to have hardly learned, or None.

    Its training loss is high; whether it was still falling when it was stopped is said, too.

    Args:
        trials: Its trials.
        loss: What was trained to fall, ``dice`` or ``dice_bce``.
    """
    finals, falls = [], []
    for trial in trials:
        losses = [epoch.train_loss for epoch in trial.epochs]
        fifth = max(1, len(losses) // 5)
        finals.append(float(np.mean(losses[-fifth:])))
        before = losses[-2 * fifth : -fifth]
        falls.append(float(np.mean(before)) - finals[-1] if before else 0.0)
    if np.median(finals) <= LEARNED_LOSS[loss]:
        return None
    epochs = max(len(trial.epochs) for trial in trials)
    falling = " and falling" if np.median(falls) > STILL_FALLING else ""
    return (
        f"its training loss was still {np.median(finals):.2f}{falling} after {epochs} "
        f"epoch{'s' if epochs > 1 else ''}"
    )


def recommend(field: Contenders, verdict: Verdict, ratio: float) -> Recommendation:
    """Choose, and say why.

    Among the networks that none is shown to beat, the smallest is taken (parameters, then
    operations) that lies neither below a simple method, nor far below the best, nor has hardly
    learned.

    Args:
        field: What is weighed.
        verdict: What the folds tell apart of the encoders.
        ratio: As in :func:`verdict.corrected_p`.
    """
    best = verdict.ranked[0]
    bar = max((scores.dice_mean for scores in field.rivals.values()), default=-np.inf)
    lead = field.encoders[best].dice_mean
    fit = [
        name
        for name in verdict.unbeaten
        if name not in field.unlearned and bar < field.encoders[name].dice_mean >= lead - FAR_BELOW
    ]
    choice = min(fit, key=lambda name: rank_size(field.encoders[name]), default=None)
    parts = [
        say_choice(field, choice, best),
        say_doubt(field, verdict, choice),
        say_unlearned(field, choice, best),
    ]
    evidence = [
        describe_scores(field, verdict),
        weigh_baselines(choice or best, field, ratio),
        describe_outlines(list_compared(field, verdict, choice or best)),
    ]
    return Recommendation(choice, join_parts(parts), join_parts(evidence))


def join_parts(parts: Sequence[str]) -> str:
    """Sentences with a space between them, without the empty ones."""
    return " ".join(part for part in parts if part)


def rank_size(scores: MethodScores) -> tuple[float, float, str]:
    """Parameters, then operations of a prediction, then the name."""
    return scores.parameters or np.inf, scores.gflop or np.inf, scores.title


def say_choice(field: Contenders, choice: str | None, best: str) -> str:
    """What to take, and what it finds beside the best simple method."""
    rival = field.best_rival
    if choice is not None:
        found = f"Take {choice}{say_place(field, choice)}: it {say_found(field.encoders[choice])}"
        if rival is None:
            return f"{found}."
        return f"{found}; {field.described[rival].phrase} {say_found(field.rivals[rival])}."
    if best in field.unlearned:
        return (
            f"Take none of these networks yet: {best}, the best of them, has hardly learned "
            f"({field.unlearned[best]}). {REMEDY[0].upper()}{REMEDY[1:]}."
        )
    assert rival is not None
    return (
        f"Take none of these networks: {field.described[rival].phrase} "
        f"{say_found(field.rivals[rival])}, where {best}, the best of them, "
        f"{say_found(field.encoders[best])}."
    )


def say_place(field: Contenders, encoder: str) -> str:
    """Where the models of a network lie."""
    if not field.folder:
        return ""
    count = len(field.encoders[encoder].folds)
    models = "1 model" if count == 1 else f"{count} models, one a fold,"
    return f" ({models} in {field.folder}/{encoder})"


def say_found(scores: MethodScores) -> str:
    """``finds 94 % of the ice, and 5 % of what it maps is not ice``."""
    found, false = 100 * scores.recall_all_test_pixels, 100 - 100 * scores.precision_all_test_pixels
    return f"finds {found:.0f} % of the ice, and {false:.0f} % of what it maps is not ice"


def say_doubt(field: Contenders, verdict: Verdict, choice: str | None) -> str:
    """Which networks the folds tell from the one that is taken, and which they do not."""
    folds = count_folds(len(field.encoders[verdict.ranked[0]].dice)).capitalize()
    if len(verdict.ranked) == 1:
        alone = f"{verdict.ranked[0]} is the only network to rank."
        return alone if choice else ""
    if choice is not None and choice == verdict.winner:
        return f"{folds} show it to be better than every other network."
    rest = [name for name in verdict.unbeaten if name != choice]
    if choice is None or not rest:
        return ""
    return f"{folds} cannot tell it from {join_words(rest)}."


def say_unlearned(field: Contenders, choice: str | None, best: str) -> str:
    """Which other networks have hardly learned, what shows it, and what to raise."""
    told = best if choice is None else choice
    found = [f"{name} ({why})" for name, why in field.unlearned.items() if name != told]
    if not found:
        return ""
    have = "has" if len(found) == 1 else "have"
    return f"{join_words(found)} {have} hardly learned: {REMEDY}."


def describe_scores(field: Contenders, verdict: Verdict) -> str:
    """Mean test Dice of the best network, and its distance to every other."""
    best = verdict.ranked[0]
    scores = field.encoders[best]
    sd = f" ± {scores.dice_sd:.3f}" if len(scores.dice) > 1 else ""
    mean = f"{best} has the highest mean test Dice, {scores.dice_mean:.3f}{sd}"
    over = f"over {count_folds(len(scores.dice))}"
    gaps = [describe_gap(pair) for pair in verdict.pairs if pair.first == best]
    if not gaps:
        return f"{mean} {over}."
    return f"{mean} {over}: {join_words(gaps)} (corrected paired test, p by Holm over all pairs)."


def describe_gap(pair: Pair) -> str:
    """How far the first of two lies above the second, and what chance has to do with it."""
    above = f"{pair.difference:.3f} above {pair.second}"
    if pair.p_holm is None or pair.detectable is None:
        return f"{above} (no p value: the folds show no spread)"
    if pair.p_holm < SIGNIFICANCE_LEVEL:
        return f"{above} (p = {pair.p_holm:.2g})"
    return (
        f"{above} (p = {pair.p_holm:.2g}; a true difference below {pair.detectable:.3f} may go "
        "unseen)"
    )


def weigh_baselines(encoder: str, field: Contenders, ratio: float) -> str:
    """Whether a network is worth more than the simple methods, in a sentence.

    Args:
        encoder: The network.
        field: What is weighed; the p values are Holm's over all simple methods of the run, also
            those that could not be used.
        ratio: As in :func:`verdict.corrected_p`.
    """
    scores, rivals = field.encoders[encoder], field.rivals
    if not rivals:
        return ""
    words = {name: field.described[name].phrase for name in rivals}
    planned = sum(result.is_rival for result in field.described.values())
    ahead = [
        f"{words[name]} ({found.dice_mean:.3f})"
        for name, found in rivals.items()
        if found.dice_mean >= scores.dice_mean
    ]
    if ahead:
        return f"{encoder} does not beat {join_words(ahead, 'or')}."
    ps = [corrected_p(scores.dice, found.dice, ratio) for found in rivals.values()]
    p = dict(zip(rivals, correct_holm(ps, planned), strict=True))
    told = {name: f"{words[name]} ({rivals[name].dice_mean:.3f}, {say_p(p[name])})" for name in p}
    every = "every baseline"
    if len(rivals) < planned:
        every = "every available baseline"
    doubted = [told[name] for name in told if not is_shown(p[name])]
    if doubted:
        whom = join_words(doubted, "or")
        return f"{encoder} lies above {every}, but is not shown to beat {whom}."
    nearest = max(rivals, key=lambda name: rivals[name].dice_mean)
    lead = f"{every}; the nearest is " if len(rivals) > 1 else ""
    return f"{encoder} beats {lead}{told[nearest]}."


def is_shown(p: float | None) -> bool:
    """Whether a difference with this p value is shown."""
    return p is not None and p < SIGNIFICANCE_LEVEL


def say_p(p: float | None) -> str:
    """``p = 0.03``, or that there is none."""
    return "no p value" if p is None else f"p = {p:.2g}"


def list_compared(field: Contenders, verdict: Verdict, first: str) -> dict[str, MethodScores]:
    """A network, the best of the others, and the best simple method, by their titles."""
    runner_up = next((name for name in verdict.ranked if name != first), None)
    names = [first] if runner_up is None else [first, runner_up]
    found = [field.encoders[name] for name in names]
    if field.best_rival is not None:
        found.append(field.rivals[field.best_rival])
    return {scores.title: scores for scores in found}


def describe_outlines(compared: Mapping[str, MethodScores]) -> str:
    """How far outlines lie from those of the labels, and how large the mapped areas are.

    Args:
        compared: Title to scores.
    """
    outlines = [
        f"{title} {scores.boundary_mean_m_mean:.0f} m"
        for title, scores in compared.items()
        if scores.boundary_mean_m_mean is not None
    ]
    areas = [
        f"{title} {abs(error):.1f} % too {'large' if error > 0 else 'small'}"
        for title, scores in compared.items()
        if (error := scores.area_error_percent_mean) is not None
    ]
    return join_parts(
        [
            f"Outlines apart from those of the labels, in the mean: {join_words(outlines)}."
            if outlines
            else "",
            f"Mapped area: {join_words(areas)}." if areas else "",
        ]
    )
