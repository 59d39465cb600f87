import math

import pytest

from glacier.evaluation import comparison
from glacier.evaluation.scores import score_encoder, score_fold, score_method
from glacier.evaluation.verdict import corrected_p
from tests.support.sweeps import COUNTS, IMAGE, counts_of, make_split, make_sweep, make_trial


def test_a_fold_is_scored_on_the_sum_of_its_images():
    row = score_fold(3, [COUNTS, {"tp": 0, "fp": 0, "fn": 4, "tn": 0}])
    assert row["fold"] == 3
    assert (row["tp"], row["fp"], row["fn"], row["tn"]) == (6, 2, 6, 10)
    assert row["dice"] == 12 / 20  # the mean over the two images would be 0.375
    assert row["iou"] == 6 / 14
    assert (row["precision"], row["recall"]) == (6 / 8, 6 / 12)


def test_mean_of_folds_and_all_pixels_together_are_two_numbers():
    rows = [
        score_fold(0, [{"tp": 1, "fp": 1, "fn": 0, "tn": 0}]),
        score_fold(1, [{"tp": 90, "fp": 10, "fn": 0, "tn": 0}]),
    ]
    scores = score_method(rows)
    assert scores["iou_mean"] == pytest.approx((0.5 + 0.9) / 2)
    assert scores["iou_sd"] == pytest.approx(0.4 / math.sqrt(2))
    assert scores["iou_all_test_pixels"] == pytest.approx(91 / 102)
    assert scores["dice_loss_lowest"] is None
    assert scores["parameters"] is None


def test_the_three_published_numbers_of_an_encoder():
    trials = [make_trial("x", 1, 0.8, (0.5, 0.1, 0.3)), make_trial("x", 0, 0.6, (0.4, 0.2, 0.2))]
    scores = score_encoder(trials)
    assert scores["dice_loss_lowest"] == 0.1
    assert scores["dice_loss_last_mean"] == pytest.approx(0.25)
    assert [row["val_dice_loss_last"] for row in scores["folds"]] == [0.2, 0.3]
    assert [row["fold"] for row in scores["folds"]] == [0, 1]
    assert scores["dice_mean"] == pytest.approx(0.7)
    assert scores["images_per_s"] == 10.5
    assert scores["train_s"] == 12.0


def test_the_verdict_names_the_encoder_that_the_folds_support():
    sweep = make_sweep(
        {"a": [0.9, 0.91, 0.92], "b": [0.8, 0.81, 0.8]}, {"all_glacier": [0.5, 0.52, 0.5]}
    )
    found = comparison.compare_methods(sweep, {})
    assert found["winner"] == "a"
    assert found["verdict"].startswith("a is best: mean test Dice 0.910")
    p = corrected_p([0.9, 0.91, 0.92], [0.5, 0.52, 0.5])
    assert f"a beats calling everything glacier (0.507, p = {p:.2g})." in found["verdict"]


def test_what_is_set_aside_for_validation_makes_the_test_more_cautious():
    sweep = make_sweep({"a": [0.9, 0.91, 0.92], "b": [0.8, 0.82, 0.8]}, {})
    (plain,) = comparison.compare_methods(sweep, {})["pairs"]
    assert comparison.part_ratio(sweep["splits"]) == 1 / 2
    for split in sweep["splits"]:
        del split["train"][0]
    assert comparison.part_ratio(sweep["splits"]) == 1
    (found,) = comparison.compare_methods(sweep, {})["pairs"]
    assert found["p"] == corrected_p([0.9, 0.91, 0.92], [0.8, 0.82, 0.8], 1) > plain["p"]


def test_the_verdict_says_when_a_baseline_is_not_beaten():
    sweep = make_sweep(
        {"a": [0.7, 0.6], "b": [0.6, 0.65]},
        {"all_glacier": [0.5, 0.5], "threshold": [0.7, 0.7], "random_forest": [0.8, 0.8]},
    )
    found = comparison.compare_methods(sweep, {})
    assert found["winner"] is None
    assert "a does not beat the threshold (0.700) or the random forest (0.800)." in found["verdict"]


def test_of_equal_encoders_the_same_one_is_named_throughout():
    sweep = make_sweep({"b": [0.9, 0.9], "a": [0.9, 0.9]}, {"all_glacier": [0.5, 0.6]})
    found = comparison.compare_methods(sweep, {})
    assert found["winner"] is None
    assert "a leads with" in found["verdict"]
    assert "a beats" in found["verdict"] or "a lies above" in found["verdict"]
    assert comparison.rank_encoders(found) == ["a", "b"]


def test_a_lead_over_a_baseline_that_is_not_shown_is_called_so():
    sweep = make_sweep({"a": [0.9, 0.5, 0.8]}, {"random_forest": [0.5, 0.8, 0.7]})
    p = corrected_p([0.9, 0.5, 0.8], [0.5, 0.8, 0.7])
    verdict = comparison.compare_methods(sweep, {})["verdict"]
    assert (
        "a lies above every baseline, but is not shown to beat the random forest "
        f"(0.667, p = {p:.2g})." in verdict
    )
    sweep["baselines"]["ndsi"] = {"reason": "no short-wave infrared"}
    assert "every available baseline" in comparison.compare_methods(sweep, {})["verdict"]


def test_labels_made_by_the_threshold_leave_it_out_as_a_rival():
    sweep = make_sweep({"a": [0.9, 0.9]}, {"threshold": [1.0, 1.0]}, label="threshold")
    assert "threshold" not in comparison.compare_methods(sweep, {})["verdict"]


def test_an_encoder_that_lost_a_fold_is_not_ranked():
    failed = [{"encoder": "a", "fold": 1, "reason": "TrainingError: the loss is nan"}]
    sweep = make_sweep({"a": [0.99], "b": [0.6, 0.7]}, {}, failed=failed)
    found = comparison.compare_methods(sweep, {})
    assert (found["winner"], found["choice"]) == (None, "b")
    assert found["verdict"].startswith("b is the only encoder to rank: test Dice 0.650")
    assert comparison.rank_encoders(found) == ["b", "a"]  # two folds tell more than one
    assert "Not ranked, since trials failed: a (1 of 2 folds done)." in found["verdict"]
    assert found["failed_trials"] == failed
    assert set(found["encoders"]) == {"a", "b"}


def test_without_a_complete_encoder_there_is_no_ranking():
    sweep = make_sweep({"a": [0.9], "b": [0.9]}, {})
    sweep["splits"].append(make_split(1, 2))
    found = comparison.compare_methods(sweep, {})
    assert found["winner"] is None
    assert found["verdict"].startswith("No encoder finished all 2 folds")


def test_a_baseline_that_cannot_be_used_keeps_its_reason():
    sweep = make_sweep({"a": [0.9, 0.8]}, {"threshold": {"reason": "no near infrared"}})
    found = comparison.compare_methods(sweep, {})
    assert found["baselines"] == {"threshold": {"reason": "no near infrared"}}


def test_an_ensemble_needs_two_encoders_in_every_fold():
    assert "one encoder" in comparison.missing_ensemble(make_sweep({"a": [0.9, 0.9]}, {}))
    short = make_sweep({"a": [0.9, 0.9], "b": [0.9]}, {})
    assert comparison.missing_ensemble(short) == "fewer than two encoders finished fold 1"
    whole = make_sweep({"a": [0.9, 0.9], "b": [0.9, 0.9]}, {})
    assert comparison.missing_ensemble(whole) is None
    assert comparison.ensemble_members(whole) == {0: ["a", "b"], 1: ["a", "b"]}
    card = {"tested": [IMAGE | COUNTS], "calibration": None}
    found = comparison.compare_methods(whole, {0: card, 1: card})
    assert found["ensemble"]["dice_mean"] == 0.75
    assert found["ensemble_reason"] is None
    assert comparison.compare_methods(short, {})["ensemble"] is None


def test_months_are_counted_by_the_reason_before_the_colon():
    parts = [
        {"status": "ok", "reason": ""},
        {"status": "empty", "reason": "polar_night: sun below 14 degrees"},
        {"status": "empty", "reason": "polar_night: sun below 12 degrees"},
        {"status": "empty", "reason": "no_scene"},
        {"status": "failed", "reason": "RasterError: x.tif"},
    ]
    expected = {"ok": 1, "empty": {"no_scene": 1, "polar_night": 2}, "failed": 1}
    assert comparison.count_months(parts) == expected


def make_card(dice: float, units: int = 4) -> dict:
    counts = counts_of(dice)
    bins = [0.0] * 14
    return {
        "tested": [counts],
        "units": [{"unit": f"u{k}", **counts} for k in range(units)],
        "boundary": {"boundary_f1": dice, "boundary_mean_m": 40.0, "boundary_p95_m": 90.0},
        "area": {"area_error_km2": -1.5, "area_error_abs_km2": 2.0, "area_error_percent": None},
        "calibration": {"ece": 0.1, "pixels": [*bins, 10.0], "probability": [*bins, 9.6],
                        "glacier": [*bins, 8.6]},
    }  # fmt: skip


def test_outlines_area_and_calibration_stand_in_every_fold_and_as_means():
    sweep = make_sweep({"a": [0.9, 0.8]}, {})
    for trial, dice in zip(sweep["trials"], (0.9, 0.8), strict=True):
        trial |= make_card(dice)
    scores = comparison.compare_methods(sweep, {})["encoders"]["a"]
    assert [row["boundary_f1"] for row in scores["folds"]] == [0.9, 0.8]
    assert scores["boundary_f1_mean"] == pytest.approx(0.85)
    assert (scores["boundary_mean_m_mean"], scores["ece_mean"]) == (40, pytest.approx(0.1))
    assert scores["area_error_percent_mean"] is None  # a fold without glacier has no per cent
    (step,) = scores["reliability"]
    assert step["pixels"] == 20 and step["glacier"] == pytest.approx(0.86)


def test_the_interval_is_over_the_units_of_all_folds():
    sweep = make_sweep({"a": [0.9, 0.7]}, {})
    for trial, dice in zip(sweep["trials"], (0.9, 0.7), strict=True):
        trial |= make_card(dice, units=5)
    scores = comparison.compare_methods(sweep, {})["encoders"]["a"]
    low, high = scores["dice_interval"]
    assert scores["units"] == 10
    assert scores["dice_all_test_pixels"] == pytest.approx(0.8)
    assert 0.7 <= low < 0.8 < high <= 0.9
    assert scores["iou_interval"] == pytest.approx((low / (2 - low), high / (2 - high)))


def test_whom_to_take_and_every_pair_are_told():
    sweep = make_sweep({"a": [0.7, 0.8, 0.6], "b": [0.71, 0.78, 0.6], "c": [0.2, 0.3, 0.1]}, {})
    for trial in sweep["trials"]:
        trial["epoch_s"] = {"a": 50.0, "b": 20.0, "c": 1.0}[trial["encoder"]]
    found = comparison.compare_methods(sweep, {})
    assert (found["winner"], found["choice"]) == (None, "b")
    assert "take b, which trains fastest of these (20 s an epoch)" in found["verdict"]
    assert [(p["first"], p["second"]) for p in found["pairs"]] == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    assert all(p["detectable"] > 0 for p in found["pairs"])


def test_every_encoder_is_weighed_against_the_baselines():
    sweep = make_sweep(
        {"a": [0.9, 0.92], "b": [0.5, 0.52]}, {"ndsi": [0.6, 0.6], "band_ratio": {"reason": "no"}}
    )
    against = comparison.compare_methods(sweep, {})["against_baselines"]
    assert against["b"] == "b does not beat NDSI (0.600)."
    assert against["a"].startswith("a beats NDSI (0.600, p = ")
    sweep["config"]["prepare"]["label"]["kind"] = "ndsi"
    against = comparison.compare_methods(sweep, {})["against_baselines"]
    assert against == {"a": "", "b": ""}  # the label's own rule is no rival


def test_of_several_baselines_those_that_are_not_shown_to_be_beaten_are_named():
    dice = [0.9, 0.91, 0.92, 0.9]
    near, ragged = [0.8, 0.8, 0.82, 0.8], [0.3, 0.95, 0.6, 0.88]
    rivals = {
        "ndsi": {"dice_mean": 0.805, "folds": [{"dice": d} for d in near]},
        "all_glacier": {"dice_mean": 0.6825, "folds": [{"dice": d} for d in ragged]},
    }
    assert corrected_p(dice, near, 1 / 3) < 0.01
    p = corrected_p(dice, ragged, 1 / 3)
    assert comparison.weigh_baselines("a", dice, rivals, 1 / 3) == (
        "a lies above every baseline, but is not shown to beat calling everything glacier "
        f"(0.682, p = {p:.2g})."
    )
    alone = comparison.weigh_baselines("a", dice, {"ndsi": rivals["ndsi"]}, 1 / 3)
    assert alone.startswith("a beats NDSI (0.805, p = ")
    two = rivals | {"all_glacier": {"dice_mean": 0.3, "folds": [{"dice": 0.3}] * 4}}
    sentence = comparison.weigh_baselines("a", dice, two, 1 / 3)
    assert sentence.startswith("a beats every baseline; the nearest is NDSI (0.805, p = ")


def test_late_summer_is_told_only_of_whole_images_whose_clouds_are_known():
    sweep = make_sweep({"a": [0.9, 0.8]}, {})
    polygon = [[7, 46], [8, 46], [8, 47]]
    sweep["config"]["regions"] = [{"polygon": polygon}]
    for trial in sweep["trials"]:
        trial["tested"][0] |= {"month": "2014-08-01", "valid_share": 1, "boundary_mean_m": 20}
    told = {"a": {"images": 2, "boundary_mean_m": 20, "snowless": None}}
    assert comparison.late_summer_of(sweep, []) == told
    parts = [{"region": "a", "month": "2014-08-01", "snow_outside": 0.01}]
    assert comparison.late_summer_of(sweep, parts)["a"]["snowless"]["images"] == 2
    sweep["config"]["sweep"]["folds"]["kind"] = "by_block"
    assert comparison.late_summer_of(sweep, []) == {}
    sweep["config"]["sweep"]["folds"]["kind"] = "by_region"
    sweep["config"]["prepare"]["label"]["unseen"] = "background"
    assert comparison.late_summer_of(sweep, []) == {}


def test_one_fold_leaves_nothing_that_json_cannot_hold():
    found = comparison.compare_methods(make_sweep({"a": [0.9], "b": [0.1]}, {}), {})
    (pair,) = found["pairs"]
    assert pair["detectable"] is pair["low"] is pair["high"] is None and pair["p"] == 1
