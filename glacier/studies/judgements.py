"""What the variants of a study say of a claim: effect, interval, and whether it held."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from glacier.config import Config
from glacier.evaluation.calibration import Reliability
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL, correct_holm
from glacier.published import PUBLISHED_TOTAL, PUBLISHED_USABLE, USABLE_RULE
from glacier.studies.differences import Difference, pair_scores
from glacier.studies.variants import Score, Variant, find_setting, is_synthetic

MARGIN = 0.01
"""Test Dice that is not worth twice the epochs or another setting."""

Verdict = Literal["held", "not held", "not testable here"]
Variants = Mapping[str, Variant]
"""The variants of a run by name."""


@dataclass(frozen=True)
class Finding:
    """What the variants say of a claim."""

    verdict: Verdict
    why: str
    """One sentence or two."""
    effect: float | None = None
    unit: str = ""
    low: float | None = None
    """Lower end of the effect's interval, 95 %."""
    high: float | None = None
    opposite: bool = False
    """Not held, and every interval lies wholly on the other side."""


@dataclass(frozen=True)
class Contest:
    """Two scores by fold, of which the first is claimed to be higher."""

    first: str
    second: str
    scores: tuple[dict[int, float], dict[int, float]]
    ratio: float | None = None
    """Size of a test split over that of its training split."""

    @property
    def is_fair(self) -> bool:
        """Whether both have scores of the same folds, two or more."""
        first, second = self.scores
        return list(first) == list(second) and len(first) > 1

    def outcome(self) -> Difference:
        """The first one's score less the second one's, paired over the folds."""
        first, second = (list(scores.values()) for scores in self.scores)
        return pair_scores(first, second, self.ratio)


def untestable(why: str) -> Finding:
    """A finding that there is nothing to find with these variants."""
    return Finding("not testable here", why)


def judge_contests(contests: Sequence[Contest], unit: str, note: str = "") -> Finding:
    """Whether the first is higher in every contest; the effect is that of the closest one.

    Args:
        contests: What is claimed to be higher than what; one at least.
        unit: Unit of the scores.
        note: Added to the sentence.
    """
    for contest in contests:
        if not contest.is_fair:
            return untestable(f"{contest.first} or {contest.second} lacks {unit} in some fold.")
    outcomes = [contest.outcome() for contest in contests]
    ps = correct_holm([found.p for found in outcomes])
    p = max(1.0 if p is None else p for p in ps)
    lows = [-math.inf if found.low is None else found.low for found in outcomes]
    at = int(np.argmin(lows))
    closest, found = contests[at], outcomes[at]
    several = len(contests) > 1
    lead = "Of all pairs the closest is " if several else ""
    why = (
        f"{lead}{closest.first} against {closest.second}: {found.difference:+.3f} {unit} over "
        f"{len(closest.scores[0])} folds, {say_chance(ps)}.{note}"
    )
    verdict: Verdict = "held" if lows[at] > 0 and p < SIGNIFICANCE_LEVEL else "not held"
    opposite = all(found.high is not None and found.high < 0 for found in outcomes)
    return Finding(verdict, why, found.difference, unit, found.low, found.high, opposite)


def say_chance(ps: Sequence[float | None]) -> str:
    """The p value, or the largest of several by Holm, or that there is none."""
    known = [p for p in ps if p is not None]
    if len(known) < len(ps):
        where = "" if len(ps) == 1 else " for every pair"
        return f"no p value{where}: the folds show no spread"
    return f"{'p' if len(ps) == 1 else 'largest p by Holm'} = {max(known):.2g}"


def judge_order(
    pairs: Sequence[tuple[str, str]], score: Score, unit: str, variants: Variants
) -> Finding:
    """Whether encoders of the variant ``encoders`` score as claimed, pair by pair.

    Args:
        pairs: Encoder that is claimed to be higher, and the other.
        score: What is compared.
        unit: Its unit.
        variants: The variants.
    """
    variant = variants["encoders"]
    scores = {
        name: score(variant, name) for name in dict.fromkeys(name for p in pairs for name in p)
    }
    contests = [Contest(a, b, (scores[a], scores[b]), variant.ratio("test")) for a, b in pairs]
    return judge_contests(contests, unit)


def loss_gap(variant: Variant, encoder: str) -> dict[int, float]:
    """Fold to validation less training Dice loss of the last epoch.

    Empty without validation, and where training has another loss, which cannot be compared.
    """
    if variant.settings.loss != "dice":
        return {}
    last = {trial.fold: trial.epochs[-1] for trial in variant.trials.get(encoder, ())}
    return {
        fold: epoch.val_dice_loss - epoch.train_loss
        for fold, epoch in last.items()
        if epoch.val_dice_loss is not None
    }


def small_iou(variant: Variant, encoder: str) -> dict[int, float]:
    """Fold to IoU of the pixels in small glaciers; empty where a fold that decides has none."""
    found = {}
    for trial in variant.trials.get(encoder, ()):
        if trial.fold in variant.sweep.bare:
            continue
        counts = trial.scorecard.sizes.get("small")
        if not counts or not counts.tp + counts.fp + counts.fn:
            return {}
        found[trial.fold] = counts.iou
    return found


def judge_variants(first: str, second: str, variants: Variants) -> Finding:
    """Whether an encoder scores higher in one variant than in another, on the same folds."""
    return judge_contests([contest_variants(first, second, variants)], "test Dice")


def contest_variants(first: str, second: str, variants: Variants) -> Contest:
    """Test Dice of two variants with the same encoder; without scores where the folds differ."""
    a, b = variants[first], variants[second]
    shared = [name for name in a.trials if name in b.trials]
    if a.units("test") != b.units("test") or not shared:
        return Contest(first, second, ({}, {}))
    names = (f"{first} ({shared[0]})", f"{second} ({shared[0]})")
    return Contest(*names, (a.test_dice(shared[0]), b.test_dice(shared[0])), a.ratio("test"))


def judge_no_gain(more: str, less: str, variants: Variants) -> Finding:
    """Whether what a variant gains over another lies below ``MARGIN``, interval and all."""
    contest = contest_variants(more, less, variants)
    if not contest.is_fair:
        return untestable(f"{more} and {less} have no scores on the same folds.")
    gain = contest.outcome()
    held = gain.high is not None and gain.high < MARGIN
    opposite = gain.low is not None and gain.low >= MARGIN
    words = f"{contest.first} gains {gain.difference:+.3f} test Dice over {contest.second}"
    return Finding(
        "held" if held else "not held",
        f"{words}{weigh_gain(gain)}.",
        gain.difference,
        "test Dice",
        gain.low,
        gain.high,
        opposite,
    )


def weigh_gain(gain: Difference) -> str:
    """What the interval of a gain rules out, as the end of a sentence."""
    if gain.high is not None and gain.high < MARGIN:
        return f", and a gain of {MARGIN:g} or more is ruled out"
    if gain.low is not None and gain.low > 0:
        return ": more is better"
    return f"; a gain of {MARGIN:g} or more is not ruled out"


def separation(variant: Variant, encoder: str) -> float | None:
    """Chance that a glacier pixel is given a higher probability than another pixel.

    This is the area under the ROC curve, from the bins of the reliability curve (ties count
    half); None without probabilities or without both kinds of pixels.
    """
    found = [trial.scorecard.reliability for trial in variant.trials.get(encoder, ())]
    pooled = sum((card for card in found if card), Reliability())
    ice = np.array(pooled.glacier)
    ground = np.array(pooled.pixels) - ice
    if not ice.sum() or not ground.sum():
        return None
    above = ice.sum() - np.cumsum(ice)
    return float((ground * (above + ice / 2)).sum() / (ice.sum() * ground.sum()))


def judge_colour(variants: Variants) -> Finding:
    """False colour against NDSI, with the separation of the probabilities without a threshold."""
    contest = contest_variants("encoders", "ndsi", variants)
    encoder = next(iter(variants["ndsi"].trials), "")
    areas = [separation(variants[name], encoder) for name in ("encoders", "ndsi")]
    note = ""
    if areas[0] is not None and areas[1] is not None:
        note = (
            f" Without a threshold a glacier pixel outranks another with chance {areas[0]:.3f} "
            f"(false colour) and {areas[1]:.3f} (NDSI), both rather too low, since probabilities "
            "of one bin of the reliability curve count as ties."
        )
    return judge_contests([contest], "test Dice", note)


def judge_months(variants: Variants) -> Finding:
    """Count the months with any usable pixel, which is what the published rule kept."""
    variant = variants["encoders"]
    usable, total = len(variant.samples.usable), len(variant.samples.months)
    counted = f"{usable} of {total} months have a usable image here"
    others = list_other_rules(variant.config)
    if others or total != PUBLISHED_TOTAL:
        why = "; ".join(others) or f"{PUBLISHED_TOTAL} months were asked for"
        return replace(untestable(f"{counted}, but {why}."), effect=usable, unit="months")
    held: Verdict = "held" if usable == PUBLISHED_USABLE else "not held"
    return Finding(held, f"{counted}, a plain count.", usable, "months", usable, usable)


def list_other_rules(config: Config) -> list[str]:
    """Why the usable months of a run cannot be compared with the published count."""
    others = [
        f"{name} is {find_setting(config, name)}, not {value}"
        for name, value in USABLE_RULE.items()
        if find_setting(config, name) != value
    ]
    clouds = "the clouds and the sun's height are synthetic"
    return [clouds, *others] if is_synthetic(config) else others


def judge_rules(variants: Variants) -> Finding:
    """Every encoder against every threshold on bands or indices that did not make the labels."""
    variant = variants["encoders"]
    rules = variant.rival_rules
    if not rules or not variant.trials:
        return untestable("no threshold could be used on these samples.")
    ratio = variant.ratio("test")
    contests = [
        Contest(encoder, rule, (variant.test_dice(encoder), variant.test_dice(rule)), ratio)
        for encoder, rule in product(variant.settings.encoders, rules)
    ]
    forest, note = variant.scored.get("random_forest"), ""
    if forest:
        note = f" A random forest, which learns without a network, has {forest.dice_mean:.3f}."
    return judge_contests(contests, "test Dice", note)
