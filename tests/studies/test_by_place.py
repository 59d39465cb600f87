"""A study whose folds are places: every method at every place, networks beside rules."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import BaselineFold, BaselineResult
from glacier.evaluation.scorecard import ImageScore, OutlineScore, Scorecard
from glacier.studies.by_place import conclude_places, count_held, list_place_rows
from glacier.studies.page import write_page
from glacier.studies.variants import Variant
from tests.support.variants import edit_cards, make_variant, summarise_study

PLACES = ("alps", "andes", "bay")
REGIONS = [{"name": name, "polygon": [[0, 60], [1, 60], [1, 61]]} for name in PLACES]
FOLDS = {"folds": {"kind": "by_region", "count": 3, "validation_share": 0}}

Found = Mapping[str, list[Counts]]
"""Region to the counts of its images."""


def score(region: str, year: int, counts: Counts, debris: Counts | None = None) -> ImageScore:
    outline = OutlineScore(mean_m=10.0 * year - 20190)
    return ImageScore(
        region=region, month=date(year, 3, 1), counts=counts, debris=debris, outline=outline
    )


def make_images(found: Found) -> list[tuple[ImageScore, ...]]:
    """The images of each fold, which is a place."""
    debris = {"andes": Counts(tp=1, fn=3)}
    return [
        tuple(
            score(name, 2019 + at, counts, debris.get(name))
            for at, counts in enumerate(found[name])
        )
        for name in PLACES
    ]


def make_study(
    name: str, networks: Found, rule: Found, changes: Mapping[str, object] | None = None
) -> Variant:
    """A variant with a network and a rule."""
    folds = tuple(
        BaselineFold(fold=at, scorecard=Scorecard(images=images))
        for at, images in enumerate(make_images(rule))
    )
    ndsi = BaselineResult(
        title="NDSI + NIR", phrase="NDSI", is_rule=True, is_rival=True, folds=folds
    )
    variant = make_variant(
        name,
        {"net": [0.8] * 3},
        baselines={"ndsi_nir": ndsi},
        changes=changes,
        regions=REGIONS,
        sweep=FOLDS,
    )
    images = make_images(networks)
    return edit_cards(variant, lambda trial: {"images": images[trial.fold]})


RULE = {
    "alps": [Counts(tp=50, fn=50)],
    "andes": [Counts(tp=80, fp=20)] * 3,
    "bay": [Counts(tn=100)],
}
NETWORK = {
    "alps": [Counts(tp=90, fn=10)],
    "andes": [Counts(tp=60, fn=20), Counts(tp=80, fp=8), Counts(tp=80, fp=40)],
    "bay": [Counts(fp=2, tn=98)],
}
STUDY = make_study("random", NETWORK, RULE)


def test_a_place_is_scored_over_its_images_and_its_area_image_by_image() -> None:
    rows = {(row.method, row.place): row for row in list_place_rows([STUDY])}
    andes = rows["net", "Synthetic Andes"]
    assert (andes.images, andes.kind, andes.is_rule) == (3, "encoder", False)
    assert andes.iou == pytest.approx(220 / (220 + 48 + 20))
    assert andes.area_percent == {"2019-03": -25.0, "2020-03": 10.0, "2021-03": 50.0}
    assert andes.area_error_percent == pytest.approx((25 + 10 + 50) / 3)
    assert andes.debris_recall == pytest.approx(0.25)
    assert andes.boundary_mean_m == pytest.approx(10)
    assert rows["net", "Synthetic Alps"].debris_recall is None
    bay = rows["net", "Synthetic Bay"]
    assert bay.iou is bay.boundary_mean_m is bay.area_error_percent is None
    assert bay.claimed_percent == pytest.approx(2)
    assert rows["ndsi_nir", "Synthetic Alps"].is_rule


def test_an_area_has_an_interval_of_the_errors_in_the_other_images() -> None:
    alike = [Counts(tp=60, fp=10, fn=n) for n in (20, 21, 19, 20)]
    odd = [*alike[:3], Counts(tp=60, fp=10, fn=90)]
    assert count_held(alike) == 4 and count_held(odd) == 3  # three that agree, and a fourth
    assert count_held(alike[:3]) is None  # two others make no interval
    assert count_held([*alike, Counts(fn=5)]) is None
    errors = [math.log(70 / 80), math.log(70 / 81), math.log(70 / 79)]
    reach = stats.t.isf(0.05, 2) * np.std(errors, ddof=1) * math.sqrt(1 + 1 / 3)
    low = 70 / math.exp(np.mean(errors) + reach)
    inside, outside = (Counts(tp=70, fn=whole(low) - 70) for whole in (math.ceil, math.floor))
    assert count_held([*alike[:3], inside]) == 4 and count_held([*alike[:3], outside]) == 3


def test_a_simple_method_has_its_rows_once_and_a_network_in_every_variant() -> None:
    rows = list_place_rows([STUDY, make_study("pretrained", NETWORK, RULE)])
    found = [(row.variant, row.method) for row in rows if row.place == "Synthetic Alps"]
    assert found == [("random", "net"), ("random", "ndsi_nir"), ("pretrained", "net")]


def test_a_network_beside_which_a_rule_speaks_is_called_so() -> None:
    changes = {"sweep.joined_rule": "ndsi", "prepare.image": ["nir", "green", "swir1"]}
    rows = list_place_rows([STUDY, make_study("joined", NETWORK, RULE, changes)])
    assert {(row.variant, row.title) for row in rows} == {
        ("random", "net"),
        ("random", "NDSI + NIR"),
        ("joined", "net with the rule on NDSI"),
    }


def test_the_page_begins_with_where_the_best_network_beats_the_best_rule() -> None:
    page = write_page(summarise_study(STUDY), "picture").splitlines()
    assert page[2] == (
        "On ground that no network saw, net (random) has the highest mean IoU over the places, "
        "0.832; the best rule, NDSI + NIR, 0.650 (+0.182); a rule is as good or better at "
        "Synthetic Andes (0.764; NDSI + NIR 0.800). The network is named by these same scores, so "
        "its lead is flattered."
    )
    everywhere = make_study("random", NETWORK | {"andes": [Counts(tp=80, fp=2)] * 3}, RULE)
    assert "; no rule is better anywhere." in conclude_places(list_place_rows([everywhere]))
    table = page[page.index("## Place by place") :]
    assert "| method | variant | Synthetic Alps | Synthetic Andes | mean |" in table
    assert "| net | random | 0.900 | 0.764 | 0.832 |" in table
    assert "| NDSI + NIR |  | 0.500 | 0.800 | 0.650 |" in table
    assert "| method | variant | 2019-03 | 2020-03 | 2021-03 | interval holds |" in table
    assert "| net | random | -25.0 | +10.0 | +50.0 |  |" in table
    assert "| method | variant | Synthetic Bay |" in table


def test_places_are_told_apart_where_every_fold_is_one_alone() -> None:
    blocks = make_variant("blocks", regions=REGIONS)
    assert list_place_rows([STUDY, blocks]) == []
    assert "Place by place" not in write_page(summarise_study(blocks), "picture")
    alone = STUDY.sweep.model_copy(update={"baselines": {}})
    assert conclude_places(list_place_rows([replace(STUDY, sweep=alone)])) == ""
