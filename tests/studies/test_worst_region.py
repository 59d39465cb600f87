"""A study of fairness: the worst region of each fold, paired with the reference's."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pytest

from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore
from glacier.evaluation.verdict import compare_pairs
from glacier.studies.page import write_page
from glacier.studies.variants import Variant
from glacier.studies.worst_region import conclude_regions, list_region_rows
from tests.support.variants import edit_cards, make_variant, summarise_study

ALPS, ANDES = [0.80, 0.70, 0.90, 0.85], [0.50, 0.60, 0.40, 0.55]


def make_fair(name: str, kind: str, alps: Sequence[float], andes: Sequence[float]) -> Variant:
    """A variant with these IoU by fold in two regions, and a third one without ice."""
    regions = [{"name": n, "polygon": [[0, 60], [1, 60], [1, 61]]} for n in ("alps", "andes")]
    variant = make_variant(
        name,
        {"net": [0.8] * len(alps)},
        changes={"sweep.fairness.kind": kind} if kind != "none" else {},
        regions=regions,
    )

    def score(region: str, iou: float) -> ImageScore:
        hits = round(1000 * iou)
        counts = Counts(tp=hits, fn=1000 - hits)
        return ImageScore(region=region, month=date(2020, 8, 1), counts=counts)

    bare = ImageScore(region="bay", month=date(2020, 8, 1), counts=Counts(fp=5, tn=95))
    return edit_cards(
        variant,
        lambda trial: {
            "images": (score("alps", alps[trial.fold]), score("andes", andes[trial.fold]), bare)
        },
    )


PLAIN = make_fair("none", "none", ALPS, ANDES)


def test_the_worst_region_of_each_fold_is_compared_and_one_without_ice_is_none() -> None:
    better = [0.60, 0.69, 0.52, 0.64]
    fair = make_fair("dro", "group_dro", ALPS, better)
    reference, row = list_region_rows([PLAIN, fair])
    assert (reference.region, reference.worst) == ("Synthetic Andes", None)
    assert reference.worst_iou == pytest.approx(np.mean(ANDES))
    assert reference.mean_iou == pytest.approx((np.mean(ALPS) + np.mean(ANDES)) / 2)
    assert row.worst and row.worst.difference == pytest.approx(np.mean(better) - np.mean(ANDES))
    (pair,) = compare_pairs({"a": better, "b": ANDES}, fair.ratio("test"))
    assert (row.worst.low, row.worst.p) == (pytest.approx(pair.low), pytest.approx(pair.p))
    assert row.mean and row.mean.difference == pytest.approx(row.worst.difference / 2)


def test_the_page_begins_with_what_the_worst_region_gains_or_that_there_is_no_gain() -> None:
    noisy = make_fair("hidden", "adversarial", ALPS, [0.55, 0.54, 0.47, 0.50])
    said = conclude_regions(list_region_rows([PLAIN, noisy]), "none")
    assert said.startswith("No gain. IoU of the worst region against none. What is not shown to")
    shown = make_fair("dro", "group_dro", ALPS, [0.650, 0.751, 0.549, 0.702])
    page = write_page(summarise_study(PLAIN, noisy, shown), "picture").splitlines()
    assert page[2].startswith("IoU of the worst region against none. What raises it: dro (+0.138)")
    assert "## The worst region" in page
    assert "| none | net | Synthetic Andes | 0.512 |  | 0.662 |  |" in page


def test_without_regions_to_weigh_a_study_says_nothing_of_them() -> None:
    other = make_fair("other", "none", ALPS, ANDES)
    assert list_region_rows([PLAIN, other]) == []
    assert "worst region" not in write_page(summarise_study(PLAIN, other), "picture")
    alone = edit_cards(
        make_fair("dro", "group_dro", ALPS, ANDES),
        lambda trial: {"images": trial.scorecard.images[:1]},
    )
    assert list_region_rows([alone]) == []
