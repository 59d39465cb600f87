"""Variants of a study -> rows: what each scores, and how it differs from the reference variant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from glacier.evaluation.comparison import LABEL_RULES, compare_methods, drop_infinite, part_ratio
from glacier.evaluation.metrics import Facts
from glacier.evaluation.results import group_trials
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL, compare_pairs, correct_holm

AT_TEST_TIME = {"sweep.test_time_augmentation", "sweep.calibrate"}
"""Settings that move no validation score of an epoch."""


@dataclass(frozen=True)
class Variant:
    """One variant of a run, with what its sweep found."""

    name: str
    changes: Facts
    """Dotted field to value: what differs from the configuration of the study."""
    sweep: Facts
    """Content of ``sweep.json``, and its checksum as ``sha256``."""
    samples: Facts
    """Description of the samples."""

    @cached_property
    def scores(self) -> Facts:
        """Scores of all methods, as :func:`comparison.compare_methods` gives them."""
        return compare_methods(self.sweep, {})

    @cached_property
    def trials(self) -> dict[str, list[Facts]]:
        """Finished trials by encoder, in the order of the folds."""
        grouped = group_trials(self.sweep)
        return {
            name: sorted(found, key=lambda t: int(t["fold"])) for name, found in grouped.items()
        }

    @property
    def settings(self) -> Facts:
        """The resolved configuration's part on the sweep."""
        return dict(self.sweep["config"]["sweep"])

    def ratio(self, part: str) -> float:
        """Size of a ``test`` or ``validation`` part over that of its training part."""
        return part_ratio(self.sweep["splits"], part)

    @property
    def rival(self) -> str | None:
        """The best baseline by mean test Dice that is not the label's own rule; None without."""
        rules = LABEL_RULES.get(self.sweep["config"]["prepare"]["label"]["kind"], ())
        found = {
            name: row["dice_mean"]
            for name, row in self.scores["baselines"].items()
            if "reason" not in row and name not in rules
        }
        return max(found, key=lambda name: found[name]) if found else None

    def units(self, part: str) -> dict[int, list[str]]:
        """Fold to the units of its ``test`` or ``validation`` part."""
        return {split["fold"]: sorted(split[part]) for split in self.sweep["splits"]}

    @cached_property
    def images(self) -> dict[int, set[tuple[str, str]]]:
        """Fold to region and month of the images that it tests."""
        found: dict[int, set[tuple[str, str]]] = {}
        for trial in self.sweep["trials"]:
            tested = {(row["region"], row["month"]) for row in trial["tested"]}
            found.setdefault(trial["fold"], set()).update(tested)
        return found

    def shares(self, other: Variant, *parts: str) -> bool:
        """Whether both have the same units in these parts of every fold, and the same images."""
        same = all(self.units(part) == other.units(part) for part in parts)
        return same and self.images == other.images

    def scored(self, method: str) -> Facts | None:
        """Scores of an encoder or baseline; None where it has none."""
        found = {**self.scores["baselines"], **self.scores["encoders"]}.get(method)
        return None if found is None or "reason" in found else dict(found)

    def test_dice(self, method: str) -> dict[int, float]:
        """Fold to test Dice of an encoder or baseline; empty where it has none."""
        return {row["fold"]: row["dice"] for row in (self.scored(method) or {"folds": []})["folds"]}

    def validation_dice(self, method: str) -> dict[int, float]:
        """Fold to validation Dice of an encoder's chosen epoch.

        Empty for baselines, and where the test part itself chose the epoch, or nothing did.
        """
        if self.settings["protocol"] == "notebook":
            return {}
        rows = {t["fold"]: t["rows"][t["best_epoch"]] for t in self.trials.get(method, [])}
        return {k: float(row["val_dice"]) for k, row in rows.items() if row["val_dice"] is not None}


def find_setting(config: Facts, setting: str) -> Any:
    """Value of a dotted setting in a resolved configuration."""
    value: Any = config
    for part in setting.split("."):
        value = value[part]
    return value


@dataclass(frozen=True)
class Difference:
    """A score less the reference's."""

    difference: float
    low: float | None
    """Lower end of its interval; None where there is no spread to take it from."""
    high: float | None
    p: float | None
    """Corrected paired test; None for a plain difference."""
    how: str
    """``paired`` over folds with the same units, or ``plain``: of two separate scores."""
    p_holm: float | None = None
    """The same, with Holm's correction for the number of variants; None where it stands alone."""

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero, and the test does among all variants."""
        if self.p_holm is not None and self.p_holm >= SIGNIFICANCE_LEVEL:
            return False
        return self.low is not None and self.high is not None and self.low * self.high > 0


def pair_scores(
    first: Sequence[float], second: Sequence[float], ratio: float | None = None
) -> Difference:
    """Difference of two scores over the same folds, by the corrected paired test.

    Args:
        first: Score per fold.
        second: The reference's, the same folds in the same order.
        ratio: As in :func:`verdict.corrected_p`.
    """
    (pair,) = compare_pairs({"first": first, "second": second}, ratio)
    row = drop_infinite(asdict(pair))
    return Difference(row["difference"], row["low"], row["high"], row["p"], "paired")


def subtract_scores(first: Facts, second: Facts) -> Difference:
    """Plain difference of two Dice scores over all test pixels, from their own intervals.

    The intervals are joined as if they were independent, which is cautious where both scores
    come from the same ground.

    Args:
        first: ``dice_all_test_pixels`` and its ``dice_interval`` over units (or None).
        second: The same of the reference.

    Source:
        Zou & Donner 2008, Statistics in Medicine 27 (the method of variance estimates recovery).
    """
    a, b = first["dice_all_test_pixels"], second["dice_all_test_pixels"]
    low = high = None
    if first["dice_interval"] and second["dice_interval"]:
        (a_low, a_high), (b_low, b_high) = first["dice_interval"], second["dice_interval"]
        low = a - b - math.hypot(a - a_low, b_high - b)
        high = a - b + math.hypot(a_high - a, b - b_low)
    return Difference(a - b, low, high, None, "plain")


def compare_test(variant: Variant, reference: Variant, method: str) -> Difference | None:
    """Test Dice of a method against the same method in the reference; None where one has none."""
    first, second = variant.test_dice(method), reference.test_dice(method)
    if not first or not second:
        return None
    if variant.shares(reference, "test") and list(first) == list(second):
        return pair_scores(list(first.values()), list(second.values()), variant.ratio("test"))
    return subtract_scores(variant.scored(method) or {}, reference.scored(method) or {})


def compare_validation(variant: Variant, reference: Variant, method: str) -> Difference | None:
    """Validation Dice against the reference's; None where that says nothing.

    So it is unless both validate on the same units of the same images, and where a variant changes
    only what is done at test time.
    """
    first, second = variant.validation_dice(method), reference.validation_dice(method)
    late = bool(variant.changes) and set(variant.changes) <= AT_TEST_TIME
    silent = late or not variant.shares(reference, "test", "validation")
    if not first or silent or list(first) != list(second):
        return None
    return pair_scores(list(first.values()), list(second.values()), variant.ratio("validation"))


def list_rows(variants: Sequence[Variant]) -> list[Facts]:
    """A row per variant and method, encoders first; the first variant is the reference."""
    rows = [
        describe_method(variant, kind, method) | compare_method(variant, variants[0], method)
        for variant in variants
        for kind in ("encoders", "baselines")
        for method in variant.scores[kind]
        if variant.scored(method)
    ]
    for column in ("test", "val"):
        correct_variants([row for row in rows if row["kind"] == "encoder"], column)
    return rows


def correct_variants(rows: Sequence[Facts], column: str) -> None:
    """Give the paired differences of a column their ``p_holm``, where they are any."""
    moved = [row for row in rows if row[f"{column}_p"] is not None and row[f"{column}_difference"]]
    corrected = correct_holm([row[f"{column}_p"] for row in moved])
    for row, p in zip(moved, corrected, strict=True):
        row[f"{column}_p_holm"] = p


def describe_method(variant: Variant, kind: str, method: str) -> Facts:
    """What a method scores in a variant, and what it costs."""
    scores = variant.scored(method) or {}
    validation = list(variant.validation_dice(method).values())
    epochs = [len(trial["rows"]) for trial in variant.trials.get(method, [])]
    low, high = scores["dice_interval"] or (None, None)
    return {
        "variant": variant.name,
        "method": method,
        "kind": kind.removesuffix("s"),
        "folds": len(scores["folds"]),
        "dice_mean": scores["dice_mean"],
        "dice_sd": scores["dice_sd"],
        "dice_all_test_pixels": scores["dice_all_test_pixels"],
        "dice_low": low,
        "dice_high": high,
        "units": scores["units"],
        "iou_all_test_pixels": scores["iou_all_test_pixels"],
        "val_dice_mean": float(np.mean(validation)) if validation else None,
        "train_s": scores["train_s"],
        "epochs_run": float(np.mean(epochs)) if epochs else None,
    }


def compare_method(variant: Variant, reference: Variant, method: str) -> Facts:
    """Columns ``test_*`` and ``val_*``: a method's differences to the reference variant."""
    columns: Facts = {}
    for name, compare in (("test", compare_test), ("val", compare_validation)):
        found = compare(variant, reference, method) if variant is not reference else None
        values = asdict(found) if found else dict.fromkeys(Difference.__dataclass_fields__)
        columns |= {f"{name}_{key}": value for key, value in values.items()}
    return columns


def is_about_settings(variants: Sequence[Variant]) -> bool:
    """Whether the variants differ in settings alone, and so are compared on validation parts.

    So it is where every variant has the same test and validation parts of the same images: a setting
    is then chosen, and nothing may be chosen on the test part.
    """
    first = variants[0]
    return any(first.units("validation").values()) and all(
        variant.settings["protocol"] == "honest" and variant.shares(first, "test", "validation")
        for variant in variants
    )


def difference_of(row: Facts, column: str) -> Difference | None:
    """The difference that a row holds in its ``test`` or ``val`` columns."""
    names = Difference.__dataclass_fields__
    values: dict[str, Any] = {name: row[f"{column}_{name}"] for name in names}
    return None if values["difference"] is None else Difference(**values)
