"""What a person is told to take: nothing below a rule, far below the best, or unlearned."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from glacier.evaluation.recommendation import (
    Contenders,
    Recommendation,
    explain_training,
    recommend,
    weigh_baselines,
)
from glacier.evaluation.scores import MethodScores, score_baseline, score_encoder
from glacier.evaluation.verdict import corrected_p, judge
from tests.support.sweeps import make_baseline, make_trial

PHRASES = {"all_glacier": "calling everything glacier", "ndsi": "NDSI"}


def make_field(
    dice: Mapping[str, Sequence[float]],
    unlearned: Mapping[str, str] | None = None,
    sizes: Mapping[str, int] | None = None,
    **values: Sequence[float] | str,
) -> Contenders:
    """Networks with these test Dice by fold (and sizes), and baselines or why they have none."""
    described = {
        name: make_baseline(found, name, phrase=PHRASES.get(name, name))
        for name, found in values.items()
    }
    rivals = {name: score_baseline(found) for name, found in described.items()}
    encoders = {
        name: score_encoder(
            name,
            [
                make_trial(name, k, value, parameters=(sizes or {}).get(name, 1000))
                for k, value in enumerate(scores)
            ],
        )
        for name, scores in dice.items()
    }
    return Contenders(
        encoders,
        {name: s for name, s in rivals.items() if isinstance(s, MethodScores)},
        described,
        unlearned or {},
    )


def take(field: Contenders) -> Recommendation:
    """What is recommended."""
    verdict = judge({name: scores.dice for name, scores in field.encoders.items()}, 1 / 3)
    return recommend(field, verdict, 1 / 3)


EQUALS = {"large": [0.90, 0.80, 0.85, 0.88], "small": [0.89, 0.81, 0.84, 0.88]}


def test_of_those_not_told_apart_the_smallest_is_taken():
    found = take(make_field(EQUALS, sizes={"large": 900, "small": 100}))
    assert found.choice == "small"
    assert found.sentence.startswith("Take small: it finds 86 % of the ice")
    assert found.sentence.endswith("4 folds cannot tell it from large.")
    assert "large has the highest mean test Dice, 0.858" in found.evidence


def test_what_lies_below_a_simple_method_is_not_taken():
    found = take(make_field(EQUALS, sizes={"large": 900, "small": 100}, ndsi=[0.856] * 4))
    assert found.choice == "large"
    assert "; NDSI finds 86 % of the ice" in found.sentence
    found = take(make_field(EQUALS, ndsi=[0.95] * 4))
    assert found.choice is None
    assert found.sentence == (
        "Take none of these networks: NDSI finds 95 % of the ice, and 5 % of what it maps is not "
        "ice, where large, the best of them, finds 86 % of the ice, and 14 % of what it maps is "
        "not ice."
    )
    assert "large does not beat NDSI (0.950)." in found.evidence


def test_what_lies_far_below_the_best_is_not_taken_for_its_size():
    """Ragged folds: nothing is shown, and the small one is 0.1 below."""
    ragged = {"large": [0.95, 0.6, 0.9, 0.55], "small": [0.6, 0.9, 0.5, 0.6]}
    found = take(make_field(ragged, sizes={"large": 900, "small": 100}))
    assert found.choice == "large"
    assert "4 folds cannot tell it from small." in found.sentence


def test_what_has_hardly_learned_is_not_taken():
    field = make_field(EQUALS, {"small": "why"}, sizes={"large": 900, "small": 100})
    found = take(field)
    assert found.choice == "large"
    assert found.sentence.endswith(
        "cannot tell it from small. small (why) has hardly learned: raise sweep.epochs or "
        "sweep.steps_per_epoch."
    )
    found = take(make_field(EQUALS, {"small": "why", "large": "its loss was falling"}))
    assert found.choice is None
    assert found.sentence.startswith(
        "Take none of these networks yet: large, the best of them, has hardly learned (its loss "
        "was falling). Raise sweep.epochs or sweep.steps_per_epoch. small (why) has hardly learned"
    )


def test_a_network_alone_is_taken_and_called_so():
    found = take(make_field({"a": [0.9, 0.8]}))
    assert found.choice == "a" and "a is the only network to rank." in found.sentence


def test_scores_without_a_spread_have_no_p_value():
    found = take(make_field({"a": [0.9, 0.9], "b": [0.8, 0.8]}, ndsi=[0.5, 0.5]))
    assert "0.100 above b (no p value: the folds show no spread)" in found.evidence
    assert "not shown to beat NDSI (0.500, no p value)" in found.evidence


def measure(scores: MethodScores, distance_m: float, percent: float) -> MethodScores:
    """The scores with a mean distance of the outlines and an error of the area."""
    update = {"boundary_mean_m_mean": distance_m, "area_error_percent_mean": percent}
    return scores.model_copy(update=update)


def test_outlines_and_area_of_the_choice_speak_beside_those_of_its_rivals():
    field = make_field(EQUALS | {"worst": [0.5] * 4}, sizes={"large": 900, "small": 100},
                       ndsi=[0.5, 0.6, 0.5, 0.5], forest=[0.4] * 4)  # fmt: skip
    found = take(field)
    assert "Outlines" not in found.evidence and "area" not in found.evidence  # nobody measured
    numbers = {"small": (31, -3.2), "large": (24, 1.5), "worst": (900, 80)}
    field = replace(
        field,
        encoders={name: measure(field.encoders[name], *some) for name, some in numbers.items()},
        rivals=field.rivals | {"ndsi": measure(field.rivals["ndsi"], 112, 12.04)},
    )
    found = take(field)
    assert found.choice == "small"
    assert found.evidence.endswith(
        "Outlines apart from those of the labels, in the mean: small 31 m, large 24 m and ndsi "
        "112 m. Mapped area: small 3.2 % too small, large 1.5 % too large and ndsi 12.0 % too "
        "large."
    )


def test_where_the_models_of_the_choice_lie_is_said():
    field = replace(make_field({"a": [0.9, 0.8]}), folder="models/demo-1234abcd")
    assert take(field).sentence.startswith(
        "Take a (2 models, one a fold, in models/demo-1234abcd/a): it finds 85 % of the ice"
    )


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ((0.6, 0.5, 0.4, 0.3, 0.25), None),  # falling, but low enough
        ((0.8, 0.7, 0.6, 0.599, 0.598), "0.60 after 5 epochs"),  # no longer falling
        ((0.8, 0.8, 0.8, 0.8, 0.8), "0.80 after 5 epochs"),
        ((0.9, 0.8, 0.7, 0.6, 0.5), "0.50 and falling after 5 epochs"),
        ((0.5,), "0.50 after 1 epoch"),
    ],
)
def test_a_network_whose_training_loss_is_high_has_hardly_learned(losses, said):
    trials = [make_trial("a", fold, 0.5, [2 * loss for loss in losses]) for fold in range(3)]
    why = explain_training(trials)
    assert why == (said and f"its training loss was still {said}")
    with_entropy = explain_training(trials, "dice_bce")  # where 0.6 is no high loss
    assert with_entropy == (why if losses[-1] > 0.6 else None)


def weigh(dice: Sequence[float], **values: Sequence[float] | str) -> str:
    """What is said of an encoder ``a`` and baselines with these test Dice."""
    return weigh_baselines("a", make_field({"a": dice}, **values), 1 / 3)


def test_of_several_baselines_those_that_are_not_shown_to_be_beaten_are_named():
    dice = [0.9, 0.91, 0.92, 0.9]
    near, ragged = [0.8, 0.8, 0.82, 0.8], [0.3, 0.95, 0.6, 0.88]
    assert corrected_p(dice, near, 1 / 3) < 0.01
    p = corrected_p(dice, ragged, 1 / 3)
    assert weigh(dice, ndsi=near, all_glacier=ragged) == (
        "a lies above every baseline, but is not shown to beat calling everything glacier "
        f"(0.682, p = {p:.2g})."
    )
    assert weigh(dice, ndsi=near).startswith("a beats NDSI (0.805, p = ")
    p = 2 * corrected_p(dice, near, 1 / 3)  # what could not be used was to be compared, too
    assert f"(0.805, p = {p:.2g})" in weigh(dice, ndsi=near, band_ratio="no short-wave infrared")
    sentence = weigh(dice, ndsi=near, all_glacier=[0.3] * 4)
    assert sentence.startswith("a beats every baseline; the nearest is NDSI (0.805, p = ")
