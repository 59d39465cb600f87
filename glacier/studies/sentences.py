"""Rows of a study's variants -> sentences: how each differs from the reference, what folds flatter."""

from __future__ import annotations

from collections.abc import Sequence

from glacier.evaluation.metrics import Facts
from glacier.studies.variants import Difference, Variant, difference_of

FOLD_WORDS = {
    "by_region": "whole glaciers are held out",
    "by_block": "strips of ground are held out",
    "by_year": "whole years are held out",
}
"""Kind of folds that are not random to what a test part is, in words."""


def explain_row(row: Facts, reference: str, column: str) -> str:
    """How a method of a variant differs from the reference variant, in a sentence.

    Args:
        row: A row of :func:`variants.list_rows`.
        reference: Name of the first variant.
        column: ``test`` or ``val``.
    """
    who = f"{row['variant']}, {row['method']}"
    if row["variant"] == reference:
        return f"{who}: the reference."
    found, part = difference_of(row, column), {"test": "test", "val": "validation"}[column]
    if found is None:
        return (
            f"{who}: not compared, since {reference} has no such score on the same {part} units "
            "of the same images, or the change acts at test time alone."
        )
    if found.difference == 0 and not found.sure:
        return f"{who}: the same {part} Dice as {reference}, so the change does nothing there."
    where = "above" if found.difference > 0 else "below"
    doubt = "" if found.sure else "; no difference shown"
    return (
        f"{who}: {part} Dice {abs(found.difference):.3f} {where} {reference} "
        f"({describe_interval(found)}){doubt}."
    )


def describe_interval(found: Difference) -> str:
    """``paired, 0.010 to 0.050, p = 0.03`` for people."""
    span = "no interval" if found.low is None else f"{found.low:+.3f} to {found.high:+.3f}"
    chance = "" if found.p is None else f", p = {found.p:.2g}"
    if found.p_holm is not None:
        chance += f", {found.p_holm:.2g} among all variants"
    return f"{found.how}, {span}{chance}"


def explain_leakage(variants: Sequence[Variant], rows: Sequence[Facts]) -> list[str]:
    """What folds of random months flatter, against a stricter first variant; a sentence an encoder."""
    kinds = {variant.name: variant.settings["folds"]["kind"] for variant in variants}
    reference = variants[0].name
    if kinds[reference] == "shuffled":
        return []
    base = {row["method"]: row for row in rows if row["variant"] == reference}
    sentences = []
    for row in rows:
        found = difference_of(row, "test")
        if found and kinds[row["variant"]] == "shuffled" and row["kind"] == "encoder":
            strict = f"{FOLD_WORDS[kinds[reference]]} ({reference})"
            sentences.append(explain_flattery(row, base[row["method"]], found, strict))
    return sentences


def explain_flattery(row: Facts, base: Facts, found: Difference, strict: str) -> str:
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
        f"The random split ({row['variant']}) {effect} {row['method']}: Dice over all test pixels "
        f"{row['dice_all_test_pixels']:.3f} where it is {base['dice_all_test_pixels']:.3f} when "
        f"{strict}, a difference of {found.difference:+.3f} ({describe_interval(found)})."
    )
