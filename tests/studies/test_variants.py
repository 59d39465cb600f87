import math

import pytest

from glacier.evaluation.verdict import corrected_p
from glacier.studies import variants
from glacier.studies.sentences import explain_row
from tests.support.variants import DICE, give_units, make_variant, move_units


def row_of(rows, variant, method="net"):
    return next(row for row in rows if (row["variant"], row["method"]) == (variant, method))


def test_an_variant_equal_to_the_reference_differs_by_nothing():
    rows = variants.list_rows([make_variant(), make_variant("same")])
    row = row_of(rows, "same")
    for part in ("test", "val"):
        assert (row[f"{part}_difference"], row[f"{part}_low"], row[f"{part}_high"]) == (0, 0, 0)
        assert (row[f"{part}_p"], row[f"{part}_how"]) == (1, "paired")
    assert explain_row(row, "plain", "test") == (
        "same, net: the same test Dice as plain, so the change does nothing there."
    )


def test_the_reference_is_compared_with_nothing():
    row = row_of(variants.list_rows([make_variant(), make_variant("other")]), "plain")
    assert row["test_difference"] is None and row["val_how"] is None
    assert explain_row(row, "plain", "val") == "plain, net: the reference."


def test_a_pair_on_the_same_units_is_judged_by_the_corrected_test():
    better = {"net": [0.85, 0.76, 0.95]}
    row = row_of(variants.list_rows([make_variant(), make_variant("better", better)]), "better")
    assert row["test_difference"] == pytest.approx(16 / 300)
    assert row["test_p"] == pytest.approx(corrected_p(better["net"], DICE["net"]), rel=1e-6)
    centre = (row["test_low"] + row["test_high"]) / 2
    assert centre == pytest.approx(row["test_difference"])
    sentence = explain_row(row, "plain", "test")
    assert "0.053 above plain" in sentence and "no difference shown" not in sentence


def test_validation_is_compared_apart_from_the_test():
    variant = make_variant("other", validation={"net": [0.7, 0.6, 0.8]})
    row = row_of(variants.list_rows([make_variant(), variant]), "other")
    assert row["test_difference"] == 0
    assert row["val_difference"] == pytest.approx(-0.1)
    assert row["val_dice_mean"] == pytest.approx(0.7)
    assert "0.100 below plain" in explain_row(row, "plain", "val")


def test_other_units_are_compared_plainly_by_the_intervals_of_both():
    first = {"dice_all_test_pixels": 0.9, "dice_interval": (0.87, 0.92)}
    second = {"dice_all_test_pixels": 0.8, "dice_interval": (0.75, 0.84)}
    found = variants.subtract_scores(first, second)
    assert found.difference == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1 - math.hypot(0.03, 0.04))
    assert found.high == pytest.approx(0.1 + math.hypot(0.02, 0.05))
    assert (found.p, found.how, found.sure) == (None, "plain", True)


def test_a_score_without_an_interval_leaves_the_difference_without_one():
    first = {"dice_all_test_pixels": 0.9, "dice_interval": None}
    second = {"dice_all_test_pixels": 0.8, "dice_interval": (0.75, 0.84)}
    found = variants.subtract_scores(first, second)
    assert (found.low, found.high, found.sure) == (None, None, False)


def test_variants_of_other_folds_have_no_paired_difference():
    row = row_of(
        variants.list_rows([give_units(make_variant()), move_units(give_units(make_variant("b")))]),
        "b",
    )
    assert row["test_how"] == "plain" and row["test_difference"] == 0
    assert row["test_low"] < 0 < row["test_high"]
    assert row["val_difference"] is None
    assert "not compared" in explain_row(row, "plain", "val")


def test_variants_of_other_images_of_the_same_years_have_no_paired_difference():
    """A stricter ``min_valid_share`` keeps the years and leaves out their hardest months."""
    clear = give_units(make_variant("clear"))
    for trial in clear.sweep["trials"]:
        trial["tested"] = [row | {"month": "2014-09-01"} for row in trial["tested"]]
    plain = give_units(make_variant())
    row = row_of(variants.list_rows([plain, clear]), "clear")
    assert row["test_how"] == "plain" and row["val_difference"] is None
    assert not variants.is_about_settings([plain, clear])


def test_what_acts_at_test_time_alone_has_no_validation_to_compare():
    late = make_variant("late", **{"sweep.test_time_augmentation": True})
    row = row_of(variants.list_rows([make_variant(), late]), "late")
    assert row["val_difference"] is None and row["test_difference"] == 0
    assert "acts at test time alone" in explain_row(row, "plain", "val")


def test_the_ratio_is_that_of_the_part_that_is_scored():
    variant = make_variant()
    for split in variant.sweep["splits"]:
        split["validation"] = ["v/0", "v/1"]
        split["train"] = ["t/0", "t/1", "t/2", "t/3"]
    assert variant.ratio("validation") == 1 / 2 and variant.ratio("test") == 1 / 4


def test_a_lost_fold_leaves_no_pairs():
    short = make_variant("short")
    short.sweep["trials"].pop()
    row = row_of(variants.list_rows([give_units(make_variant()), give_units(short)]), "short")
    assert row["test_how"] == "plain" and row["folds"] == 2


def test_a_test_fold_that_chose_the_epoch_is_no_validation():
    variant = make_variant("published", protocol="notebook")
    row = row_of(variants.list_rows([make_variant(), variant]), "published")
    assert row["val_dice_mean"] is None and row["val_difference"] is None
    assert not variants.is_about_settings([make_variant(), variant])


def test_variants_with_the_same_parts_are_compared_on_validation_alone():
    assert variants.is_about_settings([make_variant(), make_variant("b", flips=False)])
    assert not variants.is_about_settings([make_variant(), move_units(make_variant("b"))])


def test_baselines_are_rows_too_and_those_without_scores_are_not():
    baselines = {"ndsi": [0.5, 0.5, 0.6], "band_ratio": {"reason": "no swir1"}}
    rows = variants.list_rows(
        [make_variant(baselines=baselines), make_variant("b", baselines=baselines)]
    )
    assert {(row["method"], row["kind"]) for row in rows} == {
        ("net", "encoder"), ("ndsi", "baseline"),
    }  # fmt: skip
    assert row_of(rows, "b", "ndsi")["test_difference"] == 0
    assert row_of(rows, "b", "ndsi")["epochs_run"] is None


def test_one_encoder_of_two_is_compared_with_its_own_kind():
    both = {"net": [0.8, 0.7, 0.9], "deep": [0.7, 0.6, 0.8]}
    row = row_of(
        variants.list_rows([make_variant(dice=both), make_variant("b", {"deep": [0.7, 0.6, 0.8]})]),
        "b",
        "deep",
    )
    assert row["test_difference"] == 0
    alone = variants.list_rows([make_variant(), make_variant("b", {"deep": [0.7, 0.6, 0.8]})])
    assert row_of(alone, "b", "deep")["test_difference"] is None
