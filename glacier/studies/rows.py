"""Variants of a study -> its table: what each method scores, and how it differs from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Literal

import numpy as np
from pydantic import model_serializer, model_validator

from glacier.evaluation.comparison import Kind
from glacier.evaluation.verdict import correct_holm
from glacier.settings.model import Model
from glacier.studies.differences import Difference, compare_test, compare_validation
from glacier.studies.variants import SplitName, Variant

Column = Literal["test", "val"]
"""The score that a difference is of."""

COLUMNS: tuple[Column, ...] = ("test", "val")

SPLITS: dict[Column, SplitName] = {"test": "test", "val": "validation"}
"""The split that each is measured on."""

CELLS = tuple(field.name for field in fields(Difference))
"""Columns of a difference in a table, behind the name of its score."""


class VariantRow(Model):
    """One method of one variant.

    In files a difference stands in columns of its own, ``test_low`` and the like.
    """

    variant: str
    method: str
    kind: Kind
    title: str
    """The method as tables name it."""
    folds: int
    """Those that decide."""
    dice_mean: float
    """Over these folds, likewise the next."""
    dice_sd: float
    dice_all_test_pixels: float
    dice_low: float | None
    """Lower end of its interval over units; None where there is none."""
    dice_high: float | None
    units: int
    iou_all_test_pixels: float
    val_dice_mean: float | None
    """Over the folds, of the chosen epochs; None without validation."""
    train_s: float | None
    """Seconds of all training; None for what does not train epoch by epoch, likewise the next."""
    epochs_run: float | None
    """Mean over the folds."""
    test: Difference | None = None
    """Test Dice less the reference's; None where nothing can be compared, likewise the next."""
    val: Difference | None = None
    """Validation Dice less the reference's."""

    def difference(self, column: Column) -> Difference | None:
        """The difference of a score to the reference's."""
        return self.test if column == "test" else self.val

    def columns(self) -> dict[str, Any]:
        """The row of a table."""
        nested = {"title", *COLUMNS}
        row = {name: value for name, value in self if name not in nested}
        for column in COLUMNS:
            found = self.difference(column)
            cells = asdict(found) if found else dict.fromkeys(CELLS)
            row |= {f"{column}_{name}": value for name, value in cells.items()}
        return row

    @model_serializer
    def flatten(self) -> dict[str, Any]:
        """The row of a file, which is that of the table with the title."""
        return {"title": self.title, **self.columns()}

    @model_validator(mode="before")
    @classmethod
    def gather_differences(cls, values: Any) -> Any:
        """Read differences from their columns."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for column in COLUMNS:
            names = {name: f"{column}_{name}" for name in CELLS}
            if names["difference"] in values:
                cells = {name: values.pop(key) for name, key in names.items()}
                values[column] = None if cells["difference"] is None else cells
        return values


def list_rows(variants: Sequence[Variant], lost: int = 0) -> list[VariantRow]:
    """A row per variant and method, encoders first.

    Args:
        variants: The variants, of which the first is the reference.
        lost: Encoders of variants that failed, which were to be compared as well.
    """
    rows = [
        make_row(variant, variants[0], method) for variant in variants for method in variant.scored
    ]
    for column in COLUMNS:
        rows = correct_variants(rows, column, lost)
    return rows


def correct_variants(rows: Sequence[VariantRow], column: Column, lost: int) -> list[VariantRow]:
    """The rows with ``p_holm`` in the differences of their encoders.

    The family is every encoder of every variant that is compared at all, whatever came of it,
    those that were lost included.
    """
    compared = {
        at: found
        for at, row in enumerate(rows)
        if row.kind == "encoder" and (found := row.difference(column))
    }
    ps = [found.p for found in compared.values()]
    corrected = dict(zip(compared, correct_holm(ps, len(ps) + lost), strict=True))
    return [
        row.model_copy(update={column: replace(compared[at], p_holm=corrected[at])})
        if at in corrected
        else row
        for at, row in enumerate(rows)
    ]


def make_row(variant: Variant, reference: Variant, method: str) -> VariantRow:
    """What a method scores in a variant, what it costs, and how it differs from the reference."""
    scores, is_reference = variant.scored[method], variant is reference
    validation = list(variant.validation_dice(method).values())
    epochs = [len(trial.epochs) for trial in variant.trials.get(method, ())]
    low, high = scores.dice_interval or (None, None)
    return VariantRow(
        variant=variant.name,
        method=method,
        kind=variant.kind(method),
        title=scores.title,
        folds=len(scores.dice),
        dice_mean=scores.dice_mean,
        dice_sd=scores.dice_sd,
        dice_all_test_pixels=scores.dice_all_test_pixels,
        dice_low=low,
        dice_high=high,
        units=scores.units,
        iou_all_test_pixels=scores.iou_all_test_pixels,
        val_dice_mean=float(np.mean(validation)) if validation else None,
        train_s=scores.train_s,
        epochs_run=float(np.mean(epochs)) if epochs else None,
        test=None if is_reference else compare_test(variant, reference, method),
        val=None if is_reference else compare_validation(variant, reference, method),
    )
