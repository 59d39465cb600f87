import pytest

from glacier.evaluation.verdict import correct_holm, corrected_p
from glacier.studies.rows import VariantRow, list_rows
from glacier.studies.sentences import explain_row
from glacier.studies.variants import is_about_settings
from tests.support.variants import (
    DICE,
    edit_cards,
    edit_trials,
    find_row,
    give_ensemble,
    give_units,
    make_variant,
    move_units,
    summarise_study,
)

COLUMNS = (
    "variant", "method", "kind", "folds", "dice_mean", "dice_sd", "dice_all_test_pixels",
    "dice_low", "dice_high", "units", "iou_all_test_pixels", "val_dice_mean", "train_s",
    "epochs_run", "test_difference", "test_low", "test_high", "test_p", "test_how", "test_p_holm",
    "val_difference", "val_low", "val_high", "val_p", "val_how", "val_p_holm",
)  # fmt: skip
"""Of ``variants.csv``."""


def test_a_variant_equal_to_the_reference_differs_by_nothing():
    row = find_row([make_variant(), make_variant("same")], "same")
    for found in (row.test, row.val):
        assert (found.difference, found.how) == (0, "paired")
        assert found.low is found.high is found.p is found.p_holm is None
    assert explain_row(row, "plain", "test") == (
        "same, net: the same test Dice as plain, so the change does nothing there."
    )


def test_the_reference_is_compared_with_nothing():
    row = find_row([make_variant(), make_variant("other")], "plain")
    assert row.test is None and row.val is None
    assert explain_row(row, "plain", "val") == "plain, net: the reference."


def test_a_pair_on_the_same_units_is_judged_by_the_corrected_test():
    better = {"net": [0.85, 0.76, 0.95]}
    row = find_row([make_variant(), make_variant("better", better)], "better")
    assert row.test.difference == pytest.approx(16 / 300)
    assert row.test.p == pytest.approx(corrected_p(better["net"], DICE["net"]), rel=1e-6)
    assert (row.test.low + row.test.high) / 2 == pytest.approx(row.test.difference)
    sentence = explain_row(row, "plain", "test")
    assert "0.053 above plain" in sentence and "no difference shown" not in sentence


def test_validation_is_compared_apart_from_the_test():
    variant = make_variant("other", validation={"net": [0.7, 0.6, 0.8]})
    row = find_row([make_variant(), variant], "other")
    assert row.test.difference == 0
    assert row.val.difference == pytest.approx(-0.1)
    assert row.val_dice_mean == pytest.approx(0.7)
    assert "0.100 below plain" in explain_row(row, "plain", "val")


def test_variants_of_other_folds_have_no_paired_difference():
    row = find_row([give_units(make_variant()), move_units(give_units(make_variant("b")))], "b")
    assert row.test.how == "plain" and row.test.difference == 0
    assert row.test.low < 0 < row.test.high
    assert row.val is None
    assert "not compared" in explain_row(row, "plain", "val")


def test_variants_of_other_images_of_the_same_years_have_no_paired_difference():
    """A stricter ``min_valid_share`` keeps the years and leaves out their hardest months."""
    plain = give_units(make_variant())
    clear = edit_cards(
        give_units(make_variant("clear")),
        lambda trial: {
            "images": tuple(
                image.model_copy(update={"month": image.month.replace(month=9)})
                for image in trial.scorecard.images
            )
        },
    )
    row = find_row([plain, clear], "clear")
    assert row.test.how == "plain" and row.val is None
    assert not is_about_settings([plain, clear])


def test_what_acts_at_test_time_alone_has_no_validation_to_compare():
    late = make_variant("late", changes={"sweep.test_time_augmentation": True})
    row = find_row([make_variant(), late], "late")
    assert row.val is None and row.test.difference == 0
    assert "acts at test time alone" in explain_row(row, "plain", "val")


def test_a_lost_fold_leaves_no_pairs():
    short = edit_trials(make_variant("short"), lambda trial: None if trial.fold == 2 else trial)
    row = find_row([give_units(make_variant()), give_units(short)], "short")
    assert row.test.how == "plain" and row.folds == 2


def test_a_test_fold_that_chose_the_epoch_is_no_validation():
    variant = make_variant("published", changes={"sweep.protocol": "notebook"})
    row = find_row([make_variant(), variant], "published")
    assert row.val_dice_mean is None and row.val is None


def test_baselines_are_rows_too_and_those_without_scores_are_not():
    baselines = {"ndsi": [0.5, 0.5, 0.6], "band_ratio": "no swir1"}
    variants = [make_variant(baselines=baselines), make_variant("b", baselines=baselines)]
    assert {(row.method, row.kind) for row in list_rows(variants)} == {
        ("net", "encoder"), ("ndsi", "baseline"),
    }  # fmt: skip
    row = find_row(variants, "b", "ndsi")
    assert row.test.difference == 0 and row.epochs_run is None


def test_one_encoder_of_two_is_compared_with_its_own_kind():
    both = {"net": [0.8, 0.7, 0.9], "deep": [0.7, 0.6, 0.8]}
    deep = make_variant("b", {"deep": [0.7, 0.6, 0.8]})
    assert find_row([make_variant(dice=both), deep], "b", "deep").test.difference == 0
    assert find_row([make_variant(), deep], "b", "deep").test is None


def test_holm_corrects_over_the_encoders_of_all_variants_alone():
    """An ensemble and a baseline that differ too leave the family of the encoders as it is."""
    both = {"net": [0.8, 0.7, 0.9], "deep": [0.7, 0.6, 0.8]}
    better = {name: [dice + step for dice, step in zip(values, (0.05, 0.06, 0.05), strict=True)]
              for name, values in both.items()}  # fmt: skip
    plain = make_variant(dice=both, baselines={"ndsi": [0.5, 0.5, 0.6]})
    other = make_variant("b", better, baselines={"ndsi": [0.6, 0.6, 0.6]})
    variants = [give_ensemble(plain, [0.8, 0.7, 0.9]), give_ensemble(other, [0.9, 0.85, 0.95])]
    net, deep = (find_row(variants, "b", name).test for name in ("net", "deep"))
    assert [net.p_holm, deep.p_holm] == correct_holm([net.p, deep.p])
    ensemble, ndsi = (find_row(variants, "b", name).test for name in ("ensemble", "ndsi"))
    assert ensemble.p is not None and ensemble.p_holm is None and ndsi.p_holm is None


def test_a_variant_that_failed_makes_the_others_no_surer():
    variants = [make_variant(), make_variant("b", {"net": [0.85, 0.76, 0.95]})]
    alone, beside = (
        next(row for row in list_rows(variants, lost) if row.variant == "b") for lost in (0, 2)
    )
    for found in (alone.test, beside.test):
        assert found.p == alone.test.p
    assert alone.test.p_holm == alone.test.p
    assert beside.test.p_holm == pytest.approx(3 * alone.test.p)
    lost = summarise_study(*variants, lost={"c": "StoreError: gone", "d": "StoreError: gone"})
    assert lost.rows[1].test == beside.test


def test_an_ensemble_is_a_row_and_is_paired_where_the_folds_agree():
    both = {"net": [0.8, 0.7, 0.9], "deep": [0.7, 0.6, 0.8]}
    plain = give_ensemble(make_variant(dice=both), [0.85, 0.75, 0.95])
    other = give_ensemble(make_variant("b", both), [0.9, 0.8, 0.98])
    row = find_row([plain, other], "b", "ensemble")
    assert (row.kind, row.title, row.folds) == ("ensemble", "ensemble", 3)
    assert row.test.how == "paired" and row.test.difference == pytest.approx(0.13 / 3)
    assert (row.val, row.val_dice_mean, row.train_s, row.epochs_run) == (None,) * 4
    assert find_row([plain, move_units(other)], "b", "ensemble").test.how == "plain"
    assert find_row([make_variant(), other], "b", "ensemble").test is None


def test_a_row_keeps_its_columns_and_can_be_read_back():
    variants = [give_units(make_variant()), give_units(make_variant("b", {"net": [0.9, 0.7, 1]}))]
    for row in list_rows(variants):
        assert tuple(row.columns()) == COLUMNS
        assert VariantRow.model_validate_json(row.model_dump_json()) == row
    assert find_row(variants, "plain").columns()["test_how"] is None
    assert find_row(variants, "b").columns()["test_how"] == "paired"
