from dataclasses import replace

import pytest

from glacier.studies.variants import find_setting, is_about_settings
from tests.support.sweeps import make_baseline, make_config
from tests.support.variants import (
    clear_fold,
    edit_cards,
    find_row,
    give_ensemble,
    give_splits,
    give_units,
    make_variant,
    move_units,
)


def test_the_ratio_is_that_of_the_split_that_is_scored():
    variant = give_splits(
        make_variant(),
        lambda split: replace(split, validation=("v/0", "v/1"), train=("t/0", "t/1", "t/2", "t/3")),
    )
    assert variant.ratio("validation") == 1 / 2 and variant.ratio("test") == 1 / 4


def test_variants_with_the_same_splits_are_compared_on_validation_alone():
    other = make_variant("b", changes={"sweep.flips": False})
    assert is_about_settings([make_variant(), other])
    assert not is_about_settings([make_variant(), move_units(other)])
    published = make_variant("published", changes={"sweep.protocol": "notebook"})
    assert not is_about_settings([make_variant(), published])


def test_variants_of_other_images_differ_in_more_than_settings():
    plain = give_units(make_variant())
    clear = edit_cards(
        plain,
        lambda trial: {
            "images": tuple(
                image.model_copy(update={"month": image.month.replace(month=9)})
                for image in trial.scorecard.images
            )
        },
    )
    assert not is_about_settings([plain, clear])


def test_the_rival_is_the_best_baseline_that_did_not_make_the_labels():
    baselines = {
        "threshold": make_baseline([0.9, 0.9, 0.9], "threshold", is_rule=True, is_rival=False),
        "ndsi": make_baseline([0.5, 0.5, 0.5], "NDSI", is_rule=True),
        "random_forest": make_baseline([0.6, 0.6, 0.6], "random forest"),
        "band_ratio": make_baseline("no swir1", "red/SWIR ratio", is_rule=True),
    }
    variant = make_variant(baselines=baselines)
    assert variant.rival == "random_forest" and variant.rival_rules == ["ndsi"]
    assert make_variant().rival is None


def test_methods_are_encoders_then_their_ensemble_then_baselines():
    both = {"net": [0.8, 0.7], "deep": [0.7, 0.6]}
    variant = give_ensemble(make_variant(dice=both, baselines={"ndsi": [0.5, 0.5]}), [0.85, 0.75])
    kinds = {method: variant.kind(method) for method in variant.scored}
    assert list(kinds.items()) == [
        ("net", "encoder"), ("deep", "encoder"), ("ensemble", "ensemble"), ("ndsi", "baseline"),
    ]  # fmt: skip
    assert variant.test_dice("ensemble") == pytest.approx({0: 0.85, 1: 0.75})
    assert variant.validation_dice("ensemble") == {}


def test_folds_without_known_ice_are_in_no_test_score():
    variant = clear_fold(make_variant(baselines={"ndsi": [0.5, 0.6, 0.5]}), 1)
    assert variant.test_dice("net") == pytest.approx({0: 0.8, 2: 0.9})
    assert variant.test_dice("ndsi") == pytest.approx({0: 0.5, 2: 0.5})
    assert list(variant.validation_dice("net")) == [0, 1, 2]
    row = find_row([make_variant(), variant], "plain")
    assert row.folds == 3
    row = find_row([variant, clear_fold(make_variant("b", {"net": [0.9, 0.1, 0.9]}), 1)], "b")
    assert row.folds == 2 and row.test.how == "paired"
    assert row.test.difference == pytest.approx(0.05)  # the bare fold's Dice is in no difference


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("sweep.epochs", 30),
        ("sweep.encoders", ["net", "deep"]),  # as JSON has it, to be compared with what is read
        ("sweep.folds", {"kind": "by_year", "count": 5, "validation_share": 0.2,
                         "together": [], "hold_out_last": False}),
        ("prepare.label.provenance.years", None),  # nobody says where outlines come from
    ],
)  # fmt: skip
def test_a_setting_is_found_by_its_dotted_name(setting, value):
    assert find_setting(make_config(["net", "deep"]), setting) == value


def test_a_misspelt_setting_is_an_error():
    with pytest.raises(AttributeError, match="epoch"):
        find_setting(make_config(["net"]), "sweep.epoch")
