"""Choosing by the worst region: the mean does not decide, and a rule may serve it better."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from glacier.config import Config, config_digest
from glacier.evaluation.comparison import Comparison, compare_methods
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import BaselineFold, BaselineResult, SweepResult
from glacier.evaluation.scorecard import Scorecard
from glacier.settings.identity import identity
from glacier.settings.model import JUDGEMENT
from glacier.settings.sweep import Sweep
from tests.support.sweeps import POLYGON, make_card, make_config, make_image, make_sweep

REGIONS = [{"name": name, "polygon": POLYGON} for name in ("alps", "andes", "bay")]

UNEVEN = {"mean": [(900, 400)] * 3, "even": [(700, 600)] * 3}
"""Hits of 1000 true pixels in two regions by fold; nothing false is claimed."""


def make_region_card(alps: int, andes: int) -> Scorecard:
    """Hits in two regions with 1000 true pixels each, and false ice in one without any."""
    counts = {
        "alps": Counts(tp=alps, fn=1000 - alps),
        "andes": Counts(tp=andes, fn=1000 - andes),
        "bay": Counts(fp=1, tn=99),
    }
    images = [make_image(found, region=name) for name, found in counts.items()]
    return make_card().model_copy(update={"images": tuple(images)})


def compare(
    hits: Mapping[str, Sequence[tuple[int, int]]],
    choose_by: str = "worst_region",
    ndsi: tuple[int, int] | None = None,
    losses: Sequence[float | None] = (0.4, 0.2, 0.3),
) -> Comparison:
    """The comparison of encoders with these hits by fold, and perhaps of a rule."""
    dice: dict[str, list[float]] = {name: [0.9] * len(folds) for name, folds in hits.items()}
    found = make_sweep(dice, losses=losses, regions=REGIONS, sweep={"choose_by": choose_by})
    trials = tuple(
        trial.model_copy(update={"scorecard": make_region_card(*hits[trial.encoder][trial.fold])})
        for trial in found.trials
    )
    update: dict[str, Any] = {"trials": trials}
    if ndsi:
        folds = [BaselineFold(fold=k, scorecard=make_region_card(*ndsi)) for k in range(3)]
        rule = BaselineResult(title="NDSI", phrase="NDSI", folds=tuple(folds))
        update["baselines"] = {"ndsi": rule}
    sweep: SweepResult = found.model_copy(update=update)
    return compare_methods(sweep)


def test_the_worst_region_chooses_and_the_first_sentence_says_so() -> None:
    by_mean, by_worst = (compare(UNEVEN, way) for way in ("mean", "worst_region"))
    assert by_worst.encoders["mean"].worst_region == ("andes", 0.4)  # the one without ice is none
    assert by_worst.choice == "even"
    assert by_worst.verdict == (
        "Chosen by the worst region: take even. even serves Synthetic Andes worst, with an IoU of "
        "0.600; the lowest of the others: mean 0.400 (Synthetic Andes)."
    )
    assert "no test tells them apart" in by_worst.evidence
    assert by_mean.evidence in by_worst.evidence


def test_a_rule_that_serves_its_worst_region_better_is_taken_before_a_network() -> None:
    found = compare(UNEVEN, ndsi=(650, 650))
    assert found.choice is None and found.winner is None
    assert found.verdict == (
        "Chosen by the worst region: take none of these networks. NDSI serves Synthetic Alps "
        "worst, with an IoU of 0.650, where even, the best of them, has 0.600 in its own."
    )


def test_what_has_hardly_learned_is_not_taken() -> None:
    found = compare(UNEVEN, losses=(1.9, 1.8))
    assert found.choice is None and "hardly learned" in found.verdict


def test_how_results_are_read_trains_nothing_again_and_makes_the_report_anew() -> None:
    plain, worst = Sweep(), Sweep(choose_by="worst_region")
    assert identity(plain, (JUDGEMENT,)) == identity(worst, (JUDGEMENT,))
    changed: list[Config] = [
        make_config(["net"], regions=REGIONS, sweep={"choose_by": way})
        for way in ("mean", "worst_region")
    ]
    assert len({config_digest(config) for config in changed}) == 2


@pytest.mark.parametrize(
    "sweep", [{"choose_by": "worst_region"}, {"fairness": {"kind": "reweighted"}}]
)
def test_one_region_has_nothing_to_be_weighed_against(sweep: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"a is the only one: add regions, or leave both out"):
        make_config(["net"], sweep=sweep)
