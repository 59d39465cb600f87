"""The sentences that say what a run's numbers mean follow from its settings."""

import pytest

from glacier.evaluation import caveats
from glacier.settings.labels import Label, Provenance
from glacier.settings.months import Months
from tests.support.sweeps import make_config


def explain(
    units: int = 5,
    clipped: float | None = None,
    bare: tuple[int, ...] = (),
    unchosen: tuple[int, ...] = (),
    label: dict | None = None,
    folds: dict | None = None,
    **sweep: object,
) -> str:
    label = {"kind": "truth"} | (label or {})
    config = make_config(
        ["net"],
        prepare={"layout": "chips", "label": label},
        sweep={"epochs": 30, "folds": {"kind": "by_block"} | (folds or {}), **sweep},
        ingest={"source": "synthetic" if label["kind"] == "truth" else "earthengine"},
        months={"first": "2014-01", "last": "2023-12"},
    )
    return " ".join(caveats.explain_run(config, 12, units, clipped, bare, unchosen))


def test_a_change_that_means_something_is_said_in_words() -> None:
    words = caveats.explain_change("sweep.protocol", "honest", "notebook")
    assert "validation part" in words
    plain = caveats.explain_change("sweep.epochs", 60, 30)
    assert plain == "sweep.epochs is 60 instead of 30."
    assert caveats.explain_change("prepare.image", ["ndsi"], ["nir"]).startswith("prepare.image is")


@pytest.mark.parametrize(
    ("drawn", "imaged", "words"),
    [
        ((2000, 2000), ("2000-05", "2000-10"), "images of 2000; the images here are of the same"),
        ((2000, 2010), ("2000-10", "2000-10"), "2000-2010; the images here are 0 to 10 years away"),
        ((2003, 2003), ("2014-01", "2023-12"), "are 11 to 20 years away"),
        ((2020, 2020), ("2014-01", "2014-12"), "are 6 years away"),
        ((2016, 2017), ("2014-01", "2023-12"), "are 0 to 7 years away"),
    ],
)
def test_outlines_say_who_drew_them_and_how_far_from_the_images(
    drawn: tuple, imaged: tuple, words: str
) -> None:
    provenance = Provenance(source="RGI 7.0", years=drawn, owner="RGI", licence="CC BY 4.0")
    label = Label(kind="outlines", provenance=provenance, margin_m=60.0)
    found = caveats.explain_outlines(label, Months(first=imaged[0], last=imaged[1]))
    assert words in found and "RGI 7.0 (RGI; CC BY 4.0)" in found and "within 60 m" in found


@pytest.mark.parametrize(
    ("units", "words"), [(1, "as few as 1 unit,"), (3, "as few as 3 units,"), (4, None), (0, None)]
)
def test_few_validation_units_are_named(units: int, words: str | None) -> None:
    said = explain(units)
    assert words in said if words else "partly chance" not in said


@pytest.mark.parametrize(("clipped", "said"), [(None, False), (0.04, False), (0.4, True)])
def test_much_that_is_as_bright_as_the_range_is_named(clipped: float | None, said: bool) -> None:
    assert ("40 % of the labelled pixels are as bright" in explain(clipped=clipped)) is said


def test_folds_without_a_glacier_are_named() -> None:
    assert "No glacier" not in explain()
    said = explain(bare=(0, 4))
    assert "in the test part of fold 0, 4:" in said
    assert "decides nothing and counts in no mean, spread or verdict" in said


def test_folds_in_which_nothing_could_choose_are_named() -> None:
    assert "last one was kept" not in explain()
    assert "In fold 1, 3 no glacier is known in the part that chooses" in explain(unchosen=(1, 3))


def test_outlines_without_provenance_are_called_that() -> None:
    assert "does not say" in caveats.explain_outlines(Label(provenance=None), Months())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": {"kind": "threshold"}}, "grey level above 128"),
        ({"label": {"kind": "ndsi"}}, "copies the rule and nothing of glaciers"),
        ({"label": {"kind": "truth"}}, "scenes are synthetic"),
        ({"label": {"kind": "outlines", "outlines": "/x/rgi.gpkg"}}, "polygons of rgi.gpkg:"),
        ({"label": {"unseen": "background"}, "protocol": "notebook"}, "count as bare ground"),
        ({"protocol": "notebook"}, "best of up to 30 tries"),
        ({"protocol": "honest"}, "this run looked at the test fold once"),
        ({"folds": {"validation_share": 0}}, "No checkpoint was chosen"),
        ({"protocol": "notebook", "folds": {"validation_share": 0}}, "best of up to 30 tries"),
        ({"folds": {"kind": "by_year"}}, "separate dates and not ground"),
        ({"folds": {"kind": "shuffled"}}, "training and test show the same ground"),
        ({"folds": {"kind": "by_region"}}, "whole glaciers"),
        ({"folds": {"kind": "by_block"}}, "columns of ground"),
        ({"encoder_weights": "imagenet"}, "ImageNet"),
        ({"encoder_weights": "/w/mine.safetensors"}, "weights of mine.safetensors"),
        (
            {
                "encoders": ["resnet34", "resnet50", "efficientnet-b4"],
                "encoder_weights": {"efficientnet-b4": "satellite"},
            },
            "Of the encoders began resnet34 and resnet50 with random weights; efficientnet-b4 with "
            "weights trained on six bands of satellite images to find clouds: this run alone does",
        ),
        (
            {
                "label": {
                    "kind": "outlines",
                    "masks": {"a": "/x/d.tif"},
                    "debris_alone": ["a"],
                    "bare": ["sea"],
                }
            },
            "In a the label is ice under debris alone, and what may be clean ice counts "
            "nowhere. In sea there is no glacier",
        ),
    ],
)
def test_the_caveats_follow_from_the_settings(changes, words):
    assert words in explain(**changes)


@pytest.mark.parametrize(
    ("licence", "is_forbidden"),
    [
        ("CC BY-NC 4.0", True), ("cc-by-nc-sa", True), ("non-commercial use only", True),
        ("Noncommercial", True), ("CC BY 4.0", False), ("INC. terms", False), ("NCAR", False),
    ],
)  # fmt: skip
def test_a_licence_that_forbids_trade_is_said(licence: str, is_forbidden: bool) -> None:
    provenance = Provenance(source="RGI", years=(2000, 2000), owner="RGI", licence=licence)
    label = Label(kind="outlines", provenance=provenance)
    said = caveats.explain_outlines(label, Months())
    assert ("forbids commercial use" in said) == is_forbidden


@pytest.mark.parametrize("kind", ["none", "reweighted", "group_dro", "adversarial", "worst_group"])
def test_how_regions_were_weighed_is_said_where_they_were(kind: str) -> None:
    polygon = [[7, 60], [8, 60], [8, 61]]
    regions = [{"name": name, "polygon": polygon} for name in ("a", "b")]
    config = make_config(["net"], regions=regions, sweep={"fairness": {"kind": kind}})
    said = " ".join(caveats.explain_run(config, 12, 5))
    assert ("region equally" in said) is (kind in ("reweighted", "group_dro", "worst_group"))
    assert ("hide the region" in said) is (kind == "adversarial")
