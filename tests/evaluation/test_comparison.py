import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import pytest

from glacier.evaluation import comparison
from glacier.evaluation.agreement import Agreement
from glacier.evaluation.breakdown import LateSummer
from glacier.evaluation.calibration import Reliability
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import (
    BaselineResult,
    EnsembleFold,
    EnsembleResult,
    FailedTrial,
    SweepResult,
    TrialResult,
    explain_no_ensemble,
    find_members,
)
from glacier.evaluation.scorecard import AreaScore, OutlineScore, Scorecard, UnitScore
from glacier.evaluation.scores import (
    LeftOut,
    MethodScores,
    score_encoder,
    score_fold,
    score_method,
)
from glacier.evaluation.verdict import corrected_p
from glacier.samples.sample_set import SampleMonth
from tests.support.sweeps import (
    counts_of,
    make_baseline,
    make_card,
    make_split,
    make_sweep,
    make_trial,
)

COUNTS = Counts(tp=6, fp=2, fn=2, tn=10)

PHRASES = {
    "all_glacier": "calling everything glacier",
    "threshold": "the threshold",
    "ndsi": "NDSI",
    "random_forest": "the random forest",
}


def name_baselines(**values: Sequence[float] | str) -> dict[str, BaselineResult]:
    """Baselines with these test Dice by fold, or left out for a reason, as sentences name them."""
    return {
        name: make_baseline(found, name, phrase=PHRASES.get(name, name))
        for name, found in values.items()
    }


def change_trials(sweep: SweepResult, change: Callable[[TrialResult], Mapping]) -> SweepResult:
    """The sweep with some fields of every trial changed."""
    trials = tuple(trial.model_copy(update=change(trial)) for trial in sweep.trials)
    return sweep.model_copy(update={"trials": trials})


def test_a_fold_is_scored_on_the_sum_of_its_images():
    fold = score_fold(3, make_card(COUNTS, Counts(fn=4)))
    assert fold.fold == 3
    assert fold.counts == Counts(tp=6, fp=2, fn=6, tn=10)
    assert fold.dice == 12 / 20  # the mean over the two images would be 0.375
    assert fold.iou == 6 / 14
    assert (fold.precision, fold.recall) == (6 / 8, 6 / 12)


def test_mean_of_folds_and_all_pixels_together_are_two_numbers():
    cards = [make_card(Counts(tp=1, fp=1)), make_card(Counts(tp=90, fp=10))]
    scores = score_method("x", [score_fold(k, card) for k, card in enumerate(cards)], cards)
    assert scores.iou_mean == pytest.approx((0.5 + 0.9) / 2)
    assert scores.iou_sd == pytest.approx(0.4 / math.sqrt(2))
    assert scores.iou_all_test_pixels == pytest.approx(91 / 102)
    assert scores.dice_loss_lowest is None
    assert scores.parameters is None


def test_the_three_published_numbers_of_an_encoder():
    sweep = make_sweep({"x": [0.6, 0.8]})
    trials = (make_trial("x", 1, 0.8, (0.5, 0.1, 0.3)), make_trial("x", 0, 0.6, (0.4, 0.2, 0.2)))
    ordered = sweep.model_copy(update={"trials": trials}).by_encoder["x"]
    scores = score_encoder("x", ordered)
    assert scores.dice_loss_lowest == 0.1
    assert scores.dice_loss_last_mean == pytest.approx(0.25)
    assert [fold.val_dice_loss_last for fold in scores.folds] == [0.2, 0.3]
    assert [fold.fold for fold in scores.folds] == [0, 1]
    assert scores.dice_mean == pytest.approx(0.7)
    assert scores.images_per_s == 10.5
    assert scores.train_s == 12.0


def test_the_verdict_names_the_encoder_that_the_folds_support():
    sweep = make_sweep(
        {"a": [0.9, 0.91, 0.92], "b": [0.8, 0.81, 0.8]},
        name_baselines(all_glacier=[0.5, 0.52, 0.5]),
    )
    found = comparison.compare_methods(sweep)
    assert found.winner == found.choice == "a"
    assert found.verdict == (
        "Take a: it finds 91 % of the ice, and 9 % of what it maps is not ice; calling everything "
        "glacier finds 51 % of the ice, and 49 % of what it maps is not ice. 3 folds show it to be "
        "better than every other network."
    )
    assert found.evidence.startswith("a has the highest mean test Dice, 0.910 ± 0.010 over 3")
    p = corrected_p([0.9, 0.91, 0.92], [0.5, 0.52, 0.5])
    assert f"a beats calling everything glacier (0.507, p = {p:.2g})." in found.evidence


def test_what_is_set_aside_for_validation_makes_the_test_more_cautious():
    sweep = make_sweep({"a": [0.9, 0.91, 0.92], "b": [0.8, 0.82, 0.8]})
    (plain,) = comparison.compare_methods(sweep).pairs
    assert comparison.part_ratio(sweep.splits) == 1 / 2
    splits = tuple(replace(split, train=split.train[1:]) for split in sweep.splits)
    sweep = sweep.model_copy(update={"splits": splits})
    assert comparison.part_ratio(sweep.splits) == 1
    (found,) = comparison.compare_methods(sweep).pairs
    assert found.p == corrected_p([0.9, 0.91, 0.92], [0.8, 0.82, 0.8], 1) > plain.p


def test_the_verdict_says_when_a_baseline_is_not_beaten():
    sweep = make_sweep(
        {"a": [0.7, 0.6], "b": [0.6, 0.65]},
        name_baselines(all_glacier=[0.5, 0.5], threshold=[0.7, 0.7], random_forest=[0.8, 0.8]),
    )
    found = comparison.compare_methods(sweep)
    assert found.winner is found.choice is None
    assert found.verdict.startswith("Take none of these networks: the random forest finds 80 %")
    assert "a does not beat the threshold (0.700) or the random forest (0.800)." in found.evidence


def test_of_equal_encoders_the_same_one_is_named_throughout():
    sweep = make_sweep({"b": [0.9, 0.9], "a": [0.9, 0.9]}, name_baselines(all_glacier=[0.5, 0.6]))
    found = comparison.compare_methods(sweep)
    assert found.winner is None and found.choice == "a"
    assert found.verdict.startswith("Take a:") and "cannot tell it from b" in found.verdict
    assert "a lies above every baseline, but is not shown to beat" in found.evidence
    assert found.ranked == ("a", "b")


def test_a_lead_over_a_baseline_that_is_not_shown_is_called_so():
    baselines = name_baselines(random_forest=[0.5, 0.8, 0.7])
    sweep = make_sweep({"a": [0.9, 0.5, 0.8]}, baselines)
    p = corrected_p([0.9, 0.5, 0.8], [0.5, 0.8, 0.7])
    assert (
        "a lies above every baseline, but is not shown to beat the random forest "
        f"(0.667, p = {p:.2g})." in comparison.compare_methods(sweep).evidence
    )
    baselines |= name_baselines(ndsi="no short-wave infrared")
    sweep = sweep.model_copy(update={"baselines": baselines})
    assert "every available baseline" in comparison.compare_methods(sweep).evidence


def test_labels_made_by_the_threshold_leave_it_out_as_a_rival():
    rule = make_baseline([1.0, 1.0], "threshold", phrase="the threshold", is_rival=False)
    sweep = make_sweep({"a": [0.9, 0.9]}, {"threshold": rule})
    found = comparison.compare_methods(sweep)
    assert "threshold" not in found.verdict + found.evidence


def test_an_encoder_that_lost_a_fold_is_not_ranked():
    failed = FailedTrial(encoder="a", fold=1, reason="TrainingError: the loss is nan")
    sweep = make_sweep({"a": [0.99], "b": [0.6, 0.7]}, failed=[failed])
    found = comparison.compare_methods(sweep)
    assert (found.winner, found.choice) == (None, "b")
    assert found.verdict.startswith("Take b: it finds 65 % of the ice")
    assert "b is the only network to rank." in found.verdict
    assert "test Dice, 0.650" in found.evidence
    assert found.ranked == ("b", "a")  # two folds tell more than one
    assert "Not ranked, since trials failed: a (1 of 2 folds done)." in found.verdict
    assert found.failed_trials == (failed,)
    assert set(found.encoders) == {"a", "b"}


def test_without_a_complete_encoder_there_is_no_ranking():
    sweep = make_sweep({"a": [0.9], "b": [0.9]})
    sweep = sweep.model_copy(update={"splits": (*sweep.splits, make_split(1, 2))})
    found = comparison.compare_methods(sweep)
    assert found.winner is None
    assert found.verdict.startswith("No encoder finished all 2 folds")


def test_a_baseline_that_cannot_be_used_keeps_its_reason():
    sweep = make_sweep({"a": [0.9, 0.8]}, {"threshold": "no near infrared"})
    found = comparison.compare_methods(sweep)
    assert found.baselines == {"threshold": LeftOut(title="threshold", reason="no near infrared")}


def explain(sweep: SweepResult) -> str | None:
    return explain_no_ensemble(sweep.config.sweep.encoders, sweep.trials, sweep.splits)


def test_an_ensemble_needs_two_encoders_in_every_fold():
    assert "one encoder" in (explain(make_sweep({"a": [0.9, 0.9]})) or "")
    short = make_sweep({"a": [0.9, 0.9], "b": [0.9]})
    assert explain(short) == "fewer than two encoders finished fold 1"
    whole = make_sweep({"a": [0.9, 0.9], "b": [0.9, 0.9]})
    assert explain(whole) is None
    members = {fold: find_members(whole.by_encoder, fold) for fold in (0, 1)}
    assert members == {0: ("a", "b"), 1: ("a", "b")}
    folds = tuple(
        EnsembleFold(fold=k, members=names, scorecard=make_card(COUNTS), agreement=Agreement())
        for k, names in members.items()
    )
    scored = whole.model_copy(update={"ensemble": EnsembleResult(folds=folds)})
    found = comparison.compare_methods(scored)
    assert found.ensemble is not None and found.ensemble.dice_mean == 0.75
    assert found.ensemble.members == members
    assert found.ensemble_reason is None
    without = short.model_copy(update={"ensemble": EnsembleResult(reason=explain(short))})
    found = comparison.compare_methods(without)
    assert found.ensemble is None and found.ensemble_reason == explain(short)


def test_months_are_counted_by_the_reason_before_the_colon():
    outcomes = [
        ("ok", ""),
        ("empty", "solar_zenith: sun at most 9.1 deg high"),
        ("empty", "solar_zenith: sun at most 7.9 deg high"),
        ("empty", "no_scene"),
        ("failed", "RasterError: x.tif"),
    ]
    months = [
        SampleMonth(region="a", month=date(2014, k, 1), status=status, reason=reason)
        for k, (status, reason) in enumerate(outcomes, 1)
    ]
    expected = comparison.MonthCounts(ok=1, empty={"no_scene": 1, "solar_zenith": 2}, failed=1)
    assert comparison.count_months(months) == expected


def make_whole_card(dice: float, units: int = 4) -> Scorecard:
    """A card of an image with this Dice, of as many units, and of all other scores."""
    counts, bins = counts_of(dice), (0.0,) * 14
    return make_card(
        counts,
        units=tuple(UnitScore(unit=f"u{k}", counts=counts) for k in range(units)),
        outline=OutlineScore(f1=dice, mean_m=40.0, p95_m=90.0),
        area=AreaScore(error_km2=-1.5, error_abs_km2=2.0, error_percent=None),
        reliability=Reliability((*bins, 10.0), (*bins, 9.6), (*bins, 8.6)),
    )


def score_whole(dice: Sequence[float], units: int = 4) -> MethodScores:
    """Scores of an encoder with such a card in every fold."""
    sweep = make_sweep({"a": dice})
    cards = [make_whole_card(value, units) for value in dice]
    sweep = change_trials(sweep, lambda trial: {"scorecard": cards[trial.fold]})
    return comparison.compare_methods(sweep).encoders["a"]


def test_outlines_area_and_calibration_stand_in_every_fold_and_as_means():
    scores = score_whole([0.9, 0.8])
    assert [fold.boundary_f1 for fold in scores.folds] == [0.9, 0.8]
    assert scores.boundary_f1_mean == pytest.approx(0.85)
    assert (scores.boundary_mean_m_mean, scores.ece_mean) == (40, pytest.approx(0.1))
    assert scores.area_error_percent_mean is None  # a fold without glacier has no per cent
    (step,) = scores.reliability
    assert step.pixels == 20 and step.glacier == pytest.approx(0.86)


def test_the_interval_is_over_the_units_of_all_folds():
    scores = score_whole([0.9, 0.7], units=5)
    low, high = scores.dice_interval or (0, 0)
    assert scores.units == 10
    assert scores.dice_all_test_pixels == pytest.approx(0.8)
    assert 0.7 <= low < 0.8 < high <= 0.9
    assert scores.iou_interval == pytest.approx((low / (2 - low), high / (2 - high)))


def test_whom_to_take_and_every_pair_are_told():
    sweep = make_sweep({"a": [0.7, 0.8, 0.6], "b": [0.71, 0.78, 0.6], "c": [0.2, 0.3, 0.15]})
    parameters = {"a": 50, "b": 20, "c": 1}
    sweep = change_trials(sweep, lambda trial: {"parameters": parameters[trial.encoder]})
    found = comparison.compare_methods(sweep)
    assert (found.winner, found.choice) == (None, "b")
    assert found.verdict.startswith("Take b: it finds 70 % of the ice")
    assert "3 folds cannot tell it from a." in found.verdict
    assert [(pair.first, pair.second) for pair in found.pairs] == [
        ("a", "b"), ("a", "c"), ("b", "c"),
    ]  # fmt: skip
    assert all(pair.detectable > 0 for pair in found.pairs)


def test_every_encoder_is_weighed_against_the_baselines():
    baselines = name_baselines(ndsi=[0.6, 0.6])
    sweep = make_sweep({"a": [0.9, 0.92], "b": [0.5, 0.52]}, baselines)
    against = comparison.compare_methods(sweep).against_baselines
    assert against["b"] == "b does not beat NDSI (0.600)."
    assert against["a"].startswith("a beats NDSI (0.600, p = ")
    rule = baselines["ndsi"].model_copy(update={"is_rival": False})
    sweep = sweep.model_copy(update={"baselines": baselines | {"ndsi": rule}})
    against = comparison.compare_methods(sweep).against_baselines
    assert against == {"a": "", "b": ""}  # the label's own rule is no rival


def test_folds_without_known_ice_decide_nothing():
    """The fold without ice has Dice 0 for both, or 1, by a single pixel; it counts nowhere."""
    bare = Counts(fp=7, tn=2000)
    sweep = make_sweep({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.72, 0.6]})
    cards = {"a": make_card(bare), "b": make_card(Counts(tn=2007))}
    with_bare = change_trials(
        sweep, lambda t: {"scorecard": cards[t.encoder] if t.fold == 2 else t.scorecard}
    )
    found = comparison.compare_methods(with_bare)
    alone = comparison.compare_methods(make_sweep({"a": [0.9, 0.8], "b": [0.8, 0.72]}))
    for name in ("a", "b"):
        assert found.encoders[name].dice == alone.encoders[name].dice
        assert found.encoders[name].dice_mean == alone.encoders[name].dice_mean
        assert len(found.encoders[name].folds) == 3  # shown by itself
    assert found.choice == "a" and found.pairs[0].difference == alone.pairs[0].difference
    nothing = change_trials(sweep, lambda t: {"scorecard": cards["a"]})
    none = comparison.compare_methods(nothing)
    assert none.choice is None
    assert none.verdict == "No test fold holds known ice, so there is no ranking."


BARE = Counts(fp=7, tn=2000)
"""A test part without known ice."""


def make_bare_fold(lost: Sequence[str], baselines: dict | None = None) -> SweepResult:
    """Two folds with ice, and fold 2 without any, which some encoders failed."""
    rules = baselines or name_baselines(ndsi=[0.5, 0.6, 0.7])
    sweep = make_sweep({"a": [0.9, 0.8, 0.7], "b": [0.8, 0.72, 0.6]}, rules)
    sweep = change_trials(
        sweep, lambda t: {"scorecard": make_card(BARE) if t.fold == 2 else t.scorecard}
    )
    *folds, last = sweep.baselines["ndsi"].folds
    bare = last.model_copy(update={"scorecard": make_card(BARE)})
    ndsi = sweep.baselines["ndsi"].model_copy(update={"folds": (*folds, bare)})
    trials = tuple(t for t in sweep.trials if t.fold != 2 or t.encoder not in lost)
    return sweep.model_copy(update={"trials": trials, "baselines": {"ndsi": ndsi}})


@pytest.mark.parametrize("lost", [["b"], ["a", "b"]])
def test_a_failure_in_a_fold_without_ice_costs_nobody_the_ranking(lost):
    """Where every encoder failed there, the simple methods tell that the fold decides nothing."""
    sweep = make_bare_fold(lost)
    assert sweep.bare == {2} and [split.fold for split in sweep.deciding] == [0, 1]
    found = comparison.compare_methods(sweep)
    assert found.choice == "a" and "Not ranked" not in found.verdict
    assert set(found.ranked) == {"a", "b"} and len(found.pairs) == 1


def test_the_folds_with_ice_are_named_where_nobody_finished_them():
    sweep = make_bare_fold([])
    trials = tuple(trial for trial in sweep.trials if trial.fold != 0)
    found = comparison.compare_methods(sweep.model_copy(update={"trials": trials}))
    assert found.verdict == (
        "No encoder finished all 2 folds with known ice, so there is no ranking. Not ranked, since "
        "trials failed: a (1 of 2 folds done), b (1 of 2 folds done)."
    )


def test_a_failed_encoder_makes_the_others_no_surer():
    dice = {"a": [0.9, 0.91, 0.92], "b": [0.8, 0.82, 0.8], "c": [0.8, 0.8, 0.8]}
    sweep = make_sweep(dice)
    kept = tuple(t for t in sweep.trials if (t.encoder, t.fold) != ("c", 1))
    (pair,) = comparison.compare_methods(sweep.model_copy(update={"trials": kept})).pairs
    assert pair.p_holm == pytest.approx(3 * pair.p)


def test_the_models_to_take_are_named_by_their_folder_without_the_storage():
    sweep = make_sweep({"a": [0.9, 0.8]})
    found = comparison.compare_methods(sweep.model_copy(update={"models": "made-12345678"}))
    assert found.verdict.startswith(
        "Take a (2 models, one a fold, in models/made-12345678/a): it finds"
    )


def test_late_summer_is_told_only_of_whole_images_whose_clouds_are_known():
    dice = {"a": [0.9, 0.8]}
    sweep = make_sweep(dice)
    told = {"a": LateSummer(images=2, boundary_mean_m=30, snowless=None)}
    assert comparison.late_summer_of(sweep, []) == told
    snowless = SampleMonth(region="a", month=date(2014, 8, 1), status="ok", snow_outside=0.01)
    summer = comparison.late_summer_of(sweep, [snowless])["a"].snowless
    assert summer is not None and summer.images == 2
    south = sweep.model_copy(update={"southern": ("a",)})  # where August is winter
    assert comparison.late_summer_of(south, []) == {}
    unplaced = make_sweep(dice, regions=[{"name": "a"}], ingest={"source": "folder"},
                          prepare={"label": {"kind": "ndsi"}})  # fmt: skip
    assert comparison.late_summer_of(unplaced, []) == told  # its files say where it lies
    cut = make_sweep(dice, prepare={"layout": "chips"}, sweep={"folds": {"kind": "by_block"}})
    assert comparison.late_summer_of(cut, []) == {}
    cloudy = make_sweep(
        dice,
        prepare={"label": {"unseen": "background"}},
        sweep={"protocol": "notebook", "folds": {"kind": "by_region"}},
    )
    assert comparison.late_summer_of(cloudy, []) == {}


def test_one_fold_leaves_nothing_that_json_cannot_hold():
    found = comparison.compare_methods(make_sweep({"a": [0.9], "b": [0.1]}))
    (pair,) = found.pairs
    assert pair.detectable is pair.low is pair.high is pair.p is None
    json.dumps(found.model_dump(mode="json"), allow_nan=False)
