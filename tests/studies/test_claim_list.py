"""Claims with hand-made facts: each of the three verdicts is reached, on closed-form numbers."""

import pytest

from glacier.studies import claim_list, judgements
from glacier.studies.variants import Variant
from tests.support.variants import (
    CLAIMS,
    SPREAD,
    TRIO,
    count_parts,
    dice_around,
    find,
    make_encoders,
    make_single,
    make_variant,
    move_units,
)


def set_trials(variant: Variant, **by_encoder) -> Variant:
    """Give every trial of an encoder a fact, from a function of its fold."""
    for trial in variant.sweep["trials"]:
        for key, values in by_encoder.items():
            trial[key] = values[trial["encoder"]](trial["fold"])
    return variant


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
    variant = make_encoders((0.82, 0.7, 0.8))
    for trial in variant.sweep["trials"]:  # the rival leads in one fold
        if (trial["encoder"], trial["fold"]) == ("efficientnet-b4", 0):
            trial["tested"] = [trial["tested"][0] | {"tp": 950, "fp": 50, "fn": 50}]
    found = find("best-encoder", variant)
    assert found.verdict == "not held"
    assert found.low is not None and found.low < 0 < (found.high or 0)
    assert not found.opposite


def test_the_opposite_is_named_where_it_is_shown():
    variant = make_encoders((0.7, 0.8, 0.9))
    assert find("best-encoder", variant).opposite


def test_one_lost_contest_of_many_is_no_opposite():
    """Two networks beat the threshold and one does not: the claim fails, but not as a whole."""
    variant = make_encoders((0.95, 0.70, 0.94), baselines={"threshold": dice_around(0.8)})
    found = find("beats-thresholds", variant)
    assert found.verdict == "not held" and found.high < 0 and not found.opposite
    variant = make_encoders((0.75, 0.70, 0.74), baselines={"threshold": dice_around(0.8)})
    assert find("beats-thresholds", variant).opposite


def test_overfitting_cannot_be_told_from_two_kinds_of_loss():
    variant = make_encoders()
    variant.sweep["config"]["sweep"]["loss"] = "dice_bce"
    assert find("resnet50-overfits", variant).verdict == "not testable here"


def test_a_lost_encoder_leaves_its_claims_untestable():
    variant = make_encoders()
    variant.sweep["trials"] = [t for t in variant.sweep["trials"] if t["encoder"] != "resnet50"]
    found = find("best-encoder", variant)
    assert found.verdict == "not testable here" and "resnet50" in found.why


def test_an_invented_archive_is_named_in_every_verdict():
    why = find("best-encoder", make_encoders(source="synthetic")).why
    assert why.endswith("This is of the synthetic archive alone.")
    assert "synthetic" not in find("best-encoder", make_encoders()).why


@pytest.mark.parametrize(("gap", "verdict"), [(0.3, "held"), (0.0, "not held")])
def test_overfitting_is_the_gap_of_the_last_epoch_against_the_other_network(gap, verdict):
    variant = make_encoders()
    for trial in variant.sweep["trials"]:
        extra = gap + 0.01 * trial["fold"] if trial["encoder"] == "resnet50" else 0.05
        last = trial["rows"][-1]
        last["train_loss"] = last["val_dice_loss"] - extra
    found = find("resnet50-overfits", variant)
    assert (found.verdict, found.unit) == (verdict, "Dice loss")
    assert found.effect == pytest.approx(gap + 0.01 - 0.05)


def test_overfitting_cannot_be_tested_where_nothing_was_set_aside():
    variant = make_encoders()
    for trial in variant.sweep["trials"]:
        trial["rows"] = [row | {"val_dice_loss": None, "val_dice": None} for row in trial["rows"]]
    assert find("resnet50-overfits", variant).verdict == "not testable here"


def small(tp: int):
    return lambda fold: {"small": {"tp": tp + fold, "fp": 0, "fn": 100 - tp - fold, "tn": 0}}


@pytest.mark.parametrize(("tp", "verdict", "effect"), [(90, "held", 0.3), (50, "not held", -0.1)])
def test_small_regions_are_compared_by_their_own_iou(tp, verdict, effect):
    sizes = {"resnet34": small(tp), "resnet50": small(60), "efficientnet-b4": small(55)}
    variant = set_trials(make_encoders(), sizes=sizes)
    found = find("small-regions", variant)
    assert (found.verdict, found.unit) == (verdict, "IoU of small glaciers")
    assert found.effect == pytest.approx(effect)


def test_without_small_regions_the_claim_is_not_testable():
    found = find("small-regions", make_encoders())
    assert found.verdict == "not testable here" and "lacks IoU of small glaciers" in found.why
    nothing = dict.fromkeys(TRIO, lambda _: {"small": {"tp": 0, "fp": 0, "fn": 0, "tn": 0}})
    variant = set_trials(make_encoders(), sizes=nothing)
    assert find("small-regions", variant).verdict == "not testable here"


def make_index(mean: float) -> Variant:
    variant = make_variant("ndsi", {"resnet34": dice_around(mean)})
    variant.sweep["config"]["ingest"] = {"source": "earthengine"}
    return variant


@pytest.mark.parametrize(("mean", "verdict"), [(0.7, "held"), (0.95, "not held")])
def test_false_colour_is_compared_with_the_index_on_the_same_network(mean, verdict):
    found = find("false-colour", make_encoders(), make_index(mean))
    assert found.verdict == verdict and found.effect == pytest.approx(0.9 - mean)


def test_other_folds_leave_nothing_to_compare():
    found = find("false-colour", make_encoders(), move_units(make_index(0.7)))
    assert found.verdict == "not testable here"


def bins(pixels, glacier):
    """Sums of a reliability curve whose first bins hold the given pixels."""
    rest = [0.0] * (15 - len(pixels))
    zeros = [0.0] * 15
    return lambda _: {
        "pixels": [*pixels, *rest],
        "probability": zeros,
        "glacier": [*glacier, *rest],
    }


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
    variant = set_trials(make_variant(), calibration={"net": bins(pixels, glacier)})
    assert judgements.separation(variant, "net") == pytest.approx(area)


def test_without_glacier_or_probabilities_there_is_no_separation():
    assert judgements.separation(make_variant(), "net") is None
    variant = set_trials(make_variant(), calibration={"net": bins([9], [0])})
    assert judgements.separation(variant, "net") is None


@pytest.mark.parametrize(("mean", "verdict"), [(0.7, "held"), (0.9, "not held")])
def test_the_size_of_the_image(mean, verdict):
    found = find("image-size", make_single("size_224", 0.8), make_single("size_512", mean))
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("mean", "noise", "verdict", "words"),
    [
        (0.8, SPREAD, "held", "ruled out"),
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
    found = find("usable-months", count_parts(make_encoders(), usable))
    assert (found.verdict, found.effect) == (verdict, usable)
    assert f"{usable} of 120 months" in found.why


def test_months_of_an_invented_archive_or_another_span_are_counted_and_not_judged():
    synthetic = find("usable-months", count_parts(make_encoders(source="synthetic"), 82))
    assert synthetic.verdict == "not testable here" and synthetic.effect == 82
    short = count_parts(make_encoders(), 20, 24)
    short.sweep["config"]["months"]["last"] = "2015-12"
    assert find("usable-months", short).verdict == "not testable here"


@pytest.mark.parametrize(
    ("rules", "verdict", "closest"),
    [
        ({"threshold": 0.5, "ndsi": 0.6}, "held", "efficientnet-b4 against ndsi"),
        ({"threshold": 0.5, "ndsi": 0.75}, "not held", "efficientnet-b4 against ndsi"),
    ],
)
def test_every_encoder_has_to_beat_every_threshold(rules, verdict, closest):
    baselines = {name: dice_around(mean) for name, mean in rules.items()}
    variant = make_encoders(baselines=baselines | {"random_forest": dice_around(0.99)})
    found = find("beats-thresholds", variant)
    assert found.verdict == verdict and closest in found.why
    assert "0.990" in found.why  # the forest is told and is no threshold


def test_the_rule_that_made_the_labels_is_no_rival():
    variant = make_encoders(baselines={"threshold": dice_around(1.0 - 0.02)})
    variant.sweep["config"]["prepare"]["label"]["kind"] = "threshold"
    assert find("beats-thresholds", variant).verdict == "not testable here"


def test_departures_are_the_settings_that_differ_from_the_published_ones():
    run = {}
    for name, value in claim_list.PUBLISHED_RUN.items():
        *above, last = name.split(".")
        level = run
        for part in above:
            level = level.setdefault(part, {})
        level[last] = value
    assert claim_list.list_departures(run) == []
    run["sweep"]["epochs"] = 12
    assert claim_list.list_departures(run) == [
        {"field": "sweep.epochs", "here": 12, "published": 30}
    ]
