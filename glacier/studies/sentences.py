"""Rows of a study -> sentences: how variants differ from the reference, and what folds flatter."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.evaluation.kinds import FOLDS
from glacier.studies.differences import Difference
from glacier.studies.rows import SPLITS, Column, VariantRow
from glacier.studies.variants import Variant


def explain_row(row: VariantRow, reference: str, column: Column) -> str:
    """How a method of a variant differs from the reference variant, in a sentence.

    Args:
        row: The method's row.
        reference: Name of the first variant.
        column: The score that is compared.
    """
    who = f"{row.variant}, {row.method}"
    if row.variant == reference:
        return f"{who}: the reference."
    found, split = row.difference(column), SPLITS[column]
    if found is None:
        return (
            f"{who}: not compared, since {reference} has no such score on the same {split} units "
            "of the same images, or the change acts at test time alone."
        )
    if found.difference == 0 and not found.sure:
        return f"{who}: the same {split} Dice as {reference}, so the change does nothing there."
    where = "above" if found.difference > 0 else "below"
    doubt = "" if found.sure else "; no difference shown"
    return (
        f"{who}: {split} Dice {abs(found.difference):.3f} {where} {reference} "
        f"({describe_interval(found)}){doubt}."
    )


def describe_interval(found: Difference) -> str:
    """``paired, 0.010 to 0.050, p = 0.03`` for people."""
    span = "no interval" if found.low is None else f"{found.low:+.3f} to {found.high:+.3f}"
    chance = "" if found.p is None else f", p = {found.p:.2g}"
    if found.p_holm is not None:
        chance += f", {found.p_holm:.2g} among all variants"
    return f"{found.how}, {span}{chance}"


def describe_difference(found: Difference | None) -> str:
    """A difference with its interval, as a cell of a table; empty where there is none."""
    return f"{found.difference:+.3f} ({describe_interval(found)})" if found else ""


def explain_leakage(variants: Sequence[Variant], rows: Sequence[VariantRow]) -> list[str]:
    """What folds of random months flatter against a stricter first variant, by encoder."""
    kinds = {variant.name: variant.settings.folds.kind for variant in variants}
    reference = variants[0].name
    if kinds[reference] == "shuffled":
        return []
    strict = f"{FOLDS[kinds[reference]].held_out} ({reference})"
    base = {row.method: row for row in rows if row.variant == reference}
    return [
        explain_flattery(row, base[row.method], row.test, strict)
        for row in rows
        if row.test and kinds[row.variant] == "shuffled" and row.kind == "encoder"
    ]


def explain_flattery(row: VariantRow, base: VariantRow, found: Difference, strict: str) -> str:
    """How far a variant of random folds lies above one of stricter folds, in a sentence.

    Args:
        row: The method's row of the variant of random folds.
        base: Its row of the stricter variant.
        found: The difference of the two.
        strict: What the stricter variant holds out.
    """
    if not found.sure:
        effect = "is not shown to flatter"
    else:
        effect = "flatters" if found.difference > 0 else "does not flatter but lowers"
    return (
        f"The random split ({row.variant}) {effect} {row.method}: Dice over all test pixels "
        f"{row.dice_all_test_pixels:.3f} where it is {base.dice_all_test_pixels:.3f} when "
        f"{strict}, a difference of {found.difference:+.3f} ({describe_interval(found)})."
    )
