"""Each of the three verdicts of the claims is reached, on closed-form numbers."""

from collections.abc import Mapping

import pytest

from glacier.evaluation.calibration import Reliability
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import BaselineResult, TrialResult
from glacier.published import PUBLISHED_RUN
from glacier.studies import claim_list, judgements
from glacier.studies.claim_list import Departure
from glacier.studies.variants import Variant
from tests.support.sweeps import make_baseline, make_card, make_config
from tests.support.variants import (
    CLAIMS,
    SPREAD,
    TRIO,
    archive_of,
    clear_fold,
    count_months,
    dice_around,
    edit_cards,
    edit_config,
    edit_trials,
    find,
    make_encoders,
    make_single,
    make_variant,
    move_units,
)


def make_rules(means: Mapping[str, float], **changes) -> dict[str, BaselineResult]:
    """Baselines that are thresholds, with these mean Dice."""
    return {
        name: make_baseline(dice_around(mean), name, is_rule=True, **changes)
        for name, mean in means.items()
    }


def test_every_claim_has_a_name_of_its_own_and_says_what_it_reads():
    assert len(CLAIMS) == len(claim_list.CLAIMS) == 11
    assert all(claim.variants and claim.sentence.endswith(".") for claim in claim_list.CLAIMS)


def test_a_claim_without_its_variant_is_not_testable_and_says_which():
    found = find("false-colour", make_encoders())
    assert found.verdict == "not testable here" and "ndsi" in found.why
    assert found.effect is None


@pytest.mark.parametrize(
    ("name", "means", "verdict", "effect"),
    [
        ("best-encoder", (0.9, 0.7, 0.8), "held", 0.1),
        ("best-encoder", (0.8, 0.7, 0.9), "not held", -0.1),
        ("second-encoder", (0.9, 0.7, 0.85), "held", 0.05),
        ("second-encoder", (0.9, 0.8, 0.7), "not held", -0.1),
    ],
)
def test_the_order_of_the_encoders(name, means, verdict, effect):
    found = find(name, make_encoders(means))
    assert (found.verdict, found.unit) == (verdict, "test Dice")
    assert found.effect == pytest.approx(effect)


def test_an_interval_that_holds_zero_does_not_hold_the_claim():
    def lead_once(trial: TrialResult) -> TrialResult:  # the rival leads in one fold
        if (trial.encoder, trial.fold) != ("efficientnet-b4", 0):
            return trial
        card = make_card(Counts(tp=950, fp=50, fn=50, tn=500))
        return trial.model_copy(update={"scorecard": card})

    found = find("best-encoder", edit_trials(make_encoders((0.82, 0.7, 0.8)), lead_once))
    assert found.verdict == "not held"
    assert found.low is not None and found.low < 0 < (found.high or 0)
    assert not found.opposite


def test_the_opposite_is_named_where_it_is_shown():
    variant = make_encoders((0.7, 0.8, 0.9))
    assert find("best-encoder", variant).opposite


def test_one_lost_contest_of_many_is_no_opposite():
    """Two networks beat the threshold and one does not: the claim fails, but not as a whole."""
    variant = make_encoders((0.95, 0.70, 0.93), baselines=make_rules({"threshold": 0.8}))
    found = find("beats-thresholds", variant)
    assert found.verdict == "not held" and found.high < 0 and not found.opposite
    variant = make_encoders((0.75, 0.70, 0.74), baselines=make_rules({"threshold": 0.8}))
    assert find("beats-thresholds", variant).opposite


def test_a_difference_without_a_spread_has_no_p_value_and_is_not_held():
    dice = {name: [mean] * 3 for name, mean in zip(TRIO, (0.9, 0.8, 0.7), strict=True)}
    variant = make_variant("encoders", dice, **archive_of("earthengine"))
    found = find("best-encoder", variant)
    assert found.verdict == "not held"
    assert "no p value for every pair: the folds show no spread." in found.why
    pair = {name: [mean] * 3 for name, mean in (("net", 0.8),)}
    one, other = (make_variant(name, pair, **archive_of("earthengine")) for name in
                  ("size_224", "size_512"))  # fmt: skip
    why = find("image-size", one, other).why
    assert "no p value: the folds show no spread." in why and "p = 1" not in why


def test_folds_without_ice_are_in_no_claim():
    assert "over 2 folds" in find("best-encoder", clear_fold(make_encoders(), 1)).why
    sizes = {"size_224": 0.9, "size_512": 0.8}
    found = find("image-size", *(clear_fold(make_single(*size), 1) for size in sizes.items()))
    large, small = (dice_around(mean) for mean in sizes.values())
    assert found.effect == pytest.approx((large[0] - small[0] + large[2] - small[2]) / 2)


def test_an_encoder_that_failed_is_shown_to_beat_no_threshold():
    rules = make_rules({"threshold": 0.5})
    variant = edit_trials(
        make_encoders(baselines=rules), lambda t: None if t.encoder == "resnet50" else t
    )
    found = find("beats-thresholds", variant)
    assert found.verdict == "not testable here" and "resnet50" in found.why


def test_overfitting_cannot_be_told_from_two_kinds_of_loss():
    variant = edit_config(make_encoders(), {"sweep.loss": "dice_bce"})
    assert find("resnet50-overfits", variant).verdict == "not testable here"


def test_a_lost_encoder_leaves_its_claims_untestable():
    variant = edit_trials(make_encoders(), lambda t: None if t.encoder == "resnet50" else t)
    found = find("best-encoder", variant)
    assert found.verdict == "not testable here" and "resnet50" in found.why


def test_a_synthetic_archive_is_named_in_every_verdict():
    why = find("best-encoder", make_encoders(source="synthetic")).why
    assert why.endswith("This is of the synthetic archive alone.")
    assert "synthetic" not in find("best-encoder", make_encoders()).why


@pytest.mark.parametrize(("gap", "verdict"), [(0.3, "held"), (0.0, "not held")])
def test_overfitting_is_the_gap_of_the_last_epoch_against_the_other_network(gap, verdict):
    def overfit(trial: TrialResult) -> TrialResult:
        extra = gap + 0.01 * trial.fold if trial.encoder == "resnet50" else 0.05
        *before, last = trial.epochs
        last = last.model_copy(update={"train_loss": last.val_dice_loss - extra})
        return trial.model_copy(update={"epochs": (*before, last)})

    found = find("resnet50-overfits", edit_trials(make_encoders(), overfit))
    assert (found.verdict, found.unit) == (verdict, "Dice loss")
    assert found.effect == pytest.approx(gap + 0.01 - 0.05)


def test_overfitting_cannot_be_tested_where_nothing_was_set_aside():
    def forget(trial: TrialResult) -> TrialResult:
        nothing = {"val_dice_loss": None, "val_dice": None}
        epochs = tuple(epoch.model_copy(update=nothing) for epoch in trial.epochs)
        return trial.model_copy(update={"epochs": epochs})

    variant = edit_trials(make_encoders(), forget)
    assert find("resnet50-overfits", variant).verdict == "not testable here"


def give_small(variant: Variant, hits: Mapping[str, int]) -> Variant:
    """The variant with small glaciers of 100 px; an encoder finds some more in each fold."""

    def count(trial: TrialResult) -> dict:
        steps = {"resnet34": (0, 1, 2), "resnet50": (2, 1, 0), "efficientnet-b4": (1, 0, 2)}
        tp = hits[trial.encoder] + steps[trial.encoder][trial.fold]
        return {"sizes": {"small": Counts(tp=tp, fn=100 - tp)}}

    return edit_cards(variant, count)


@pytest.mark.parametrize(("tp", "verdict", "effect"), [(90, "held", 0.3), (50, "not held", -0.1)])
def test_small_regions_are_compared_by_their_own_iou(tp, verdict, effect):
    hits = {"resnet34": tp, "resnet50": 60, "efficientnet-b4": 55}
    found = find("small-regions", give_small(make_encoders(), hits))
    assert (found.verdict, found.unit) == (verdict, "IoU of small glaciers")
    assert found.effect == pytest.approx(effect)


def test_without_small_regions_the_claim_is_not_testable():
    found = find("small-regions", make_encoders())
    assert found.verdict == "not testable here" and "lacks IoU of small glaciers" in found.why
    nothing = edit_cards(make_encoders(), lambda _: {"sizes": {"small": Counts()}})
    assert find("small-regions", nothing).verdict == "not testable here"


def make_index(mean: float) -> Variant:
    return make_single("ndsi", mean, encoder="resnet34")


@pytest.mark.parametrize(("mean", "verdict"), [(0.7, "held"), (0.95, "not held")])
def test_false_colour_is_compared_with_the_index_on_the_same_network(mean, verdict):
    found = find("false-colour", make_encoders(), make_index(mean))
    assert found.verdict == verdict and found.effect == pytest.approx(0.9 - mean)


def test_other_folds_leave_nothing_to_compare():
    found = find("false-colour", make_encoders(), move_units(make_index(0.7)))
    assert found.verdict == "not testable here"


def give_bins(pixels, glacier) -> Variant:
    """A variant with a reliability curve whose first bins hold the given pixels."""
    rest, zeros = (0.0,) * (15 - len(pixels)), (0.0,) * 15
    found = Reliability((*pixels, *rest), zeros, (*glacier, *rest))
    return edit_cards(make_variant(), lambda _: {"reliability": found})


@pytest.mark.parametrize(
    ("pixels", "glacier", "area"),
    [
        ([10, 10], [0, 10], 1.0),  # all glacier above all ground
        ([10, 10], [10, 0], 0.0),
        ([10, 10], [5, 5], 0.5),
        ([20], [10], 0.5),  # one bin tells nothing apart
        ([4, 4], [1, 3], 0.75 * 0.75 + 2 * 0.75 * 0.25 / 2),  # ties count half
    ],
)
def test_separation_is_the_chance_that_glacier_outranks_ground(pixels, glacier, area):
    variant = give_bins(pixels, glacier)
    assert judgements.separation(variant, "net") == pytest.approx(area)


def test_without_glacier_or_probabilities_there_is_no_separation():
    assert judgements.separation(make_variant(), "net") is None
    assert judgements.separation(give_bins([9], [0]), "net") is None


@pytest.mark.parametrize(("mean", "verdict"), [(0.7, "held"), (0.9, "not held")])
def test_the_size_of_the_image(mean, verdict):
    found = find("image-size", make_single("size_224", 0.8), make_single("size_512", mean))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("mean", "noise", "verdict", "words"),
    [
        (0.8, (-0.011, 0.0, 0.01), "held", "ruled out"),
        (0.8, SPREAD, "not held", "not ruled out"),  # the same in every fold: no spread, no word
        (0.75, SPREAD, "held", "ruled out"),
        (0.9, SPREAD, "not held", "more is better"),
        (0.8, (0.2, -0.1, -0.1), "not held", "not ruled out"),
    ],
)
def test_enough_means_that_a_gain_worth_having_is_ruled_out(mean, noise, verdict, words):
    found = find("epochs", make_single("epochs_30", 0.8), make_single("epochs_60", mean, noise))
    assert found.verdict == verdict and words in found.why
    decay = make_single("weight_decay", mean, noise)
    assert find("weight-decay", make_single("epochs_30", 0.8), decay).verdict == verdict


@pytest.mark.parametrize(("usable", "verdict"), [(82, "held"), (81, "not held")])
def test_usable_months_are_counted(usable, verdict):
    found = find("usable-months", count_months(make_encoders(), usable))
    assert (found.verdict, found.effect) == (verdict, usable)
    assert f"{usable} of 120 months" in found.why


def test_months_of_a_synthetic_archive_or_another_span_are_counted_and_not_judged():
    synthetic = find("usable-months", count_months(make_encoders(source="synthetic"), 82))
    assert synthetic.verdict == "not testable here" and synthetic.effect == 82
    assert "the clouds and the sun's height are synthetic" in synthetic.why
    short = edit_config(count_months(make_encoders(), 20, 24), {"months.last": "2015-12"})
    found = find("usable-months", short)
    assert found.verdict == "not testable here"
    assert "months.last is 2015-12, not 2023-12" in found.why


@pytest.mark.parametrize(
    ("rules", "verdict", "closest"),
    [
        ({"threshold": 0.5, "ndsi": 0.6}, "held", "efficientnet-b4 against ndsi"),
        ({"threshold": 0.5, "ndsi": 0.75}, "not held", "efficientnet-b4 against ndsi"),
    ],
)
def test_every_encoder_has_to_beat_every_threshold(rules, verdict, closest):
    forest = {"random_forest": make_baseline(dice_around(0.99), "random forest")}
    found = find("beats-thresholds", make_encoders(baselines=make_rules(rules) | forest))
    assert found.verdict == verdict and closest in found.why
    assert "0.990" in found.why  # the forest is told and is no threshold


def test_the_rule_that_made_the_labels_is_no_rival():
    variant = make_encoders(baselines=make_rules({"threshold": 0.98}, is_rival=False))
    assert find("beats-thresholds", variant).verdict == "not testable here"


def test_departures_are_the_settings_that_differ_from_the_published_ones():
    config = make_config(["net"], variants={"published": PUBLISHED_RUN})
    run = config.variant("published")
    assert claim_list.list_departures(run) == ()
    sweep = run.sweep.model_copy(update={"epochs": 12})
    assert claim_list.list_departures(run.model_copy(update={"sweep": sweep})) == (
        Departure(field="sweep.epochs", here=12, published=30),
    )
