"""Which models map which ground."""

from datetime import date

import numpy as np
import pytest

from glacier.errors import ConfigError, SweepError
from glacier.evaluation.results import SweepResult
from glacier.mapping.answers import lies_in
from glacier.mapping.assignment import assign_models, choose_encoders
from glacier.settings.predict import Predict
from tests.support.sweeps import fold_years, make_sweep

AUGUST = date(2015, 8, 1)
SHAPE = (40, 60)


SWEEP = fold_years(make_sweep({"resnet18": [0.9, 0.8, 0.7], "resnet34": [0.9, 0.8, 0.7]}))


def name_models(sweep: SweepResult, *args) -> list[list[tuple[str, int]]]:
    """Encoder and fold of the models of each part."""
    return [[(m.encoder, m.fold) for m in part.models] for part in assign_models(sweep, *args)]


def test_a_month_of_a_tested_year_is_mapped_by_the_models_that_never_saw_that_year() -> None:
    image = ("a", AUGUST, SHAPE)
    assert name_models(SWEEP, ["resnet18"], image) == [[("resnet18", 1)]]
    both = name_models(SWEEP, ["resnet18", "resnet34"], image)
    assert both == [[("resnet18", 1), ("resnet34", 1)]]


def test_what_no_fold_holds_is_mapped_by_all_folds() -> None:
    everyone = [[("resnet18", fold) for fold in range(3)]]
    assert name_models(SWEEP, ["resnet18"], ("a", date(2021, 8, 1), SHAPE)) == everyone
    assert name_models(SWEEP, ["resnet18"], None) == everyone
    assert name_models(SWEEP, ["resnet18"], ("a", AUGUST, SHAPE), "all") == everyone
    held = SWEEP.model_copy(update={"held_out": ("a/2015-08",)})
    assert name_models(held, ["resnet18"], ("a", AUGUST, SHAPE)) == everyone


def test_blocks_of_a_fold_are_mapped_by_its_models_and_cover_the_image_once() -> None:
    sweep = make_sweep(
        {"resnet18": [0.9, 0.8]},
        prepare={"layout": "chips", "blocks": [2, 3], "size_px": 32},
        sweep={"folds": {"kind": "by_block", "count": 2}},
    )
    tested = [("a/r0c0", "a/r1c0"), ("a/r0c1", "a/r1c1", "a/r0c2")]  # the last block is of none
    splits = tuple(
        split.__class__(k, tested[k], (), ("x",)) for k, split in enumerate(sweep.splits)
    )
    sweep = sweep.model_copy(update={"splits": splits})
    parts = assign_models(sweep, ["resnet18"], ("a", AUGUST, SHAPE))
    assert [[m.fold for m in part.models] for part in parts] == [[0], [1], [0, 1]]
    cover = sum(lies_in(part.rectangles, 0, SHAPE).astype(int) for part in parts)
    np.testing.assert_array_equal(cover, 1)
    assert lies_in(parts[0].rectangles, 0, SHAPE)[:, :20].all()
    assert lies_in(parts[2].rectangles, 0, SHAPE)[20:, 40:].all()
    lower = lies_in(parts[2].rectangles, 30, (10, 60))  # rows 30 to 39
    assert lower[:, 40:].all() and not lower[:, :40].any()


def test_a_fold_whose_models_failed_is_named() -> None:
    lost = SWEEP.model_copy(update={"trials": tuple(t for t in SWEEP.trials if t.fold != 1)})
    with pytest.raises(
        SweepError, match=r"no model of resnet18 is there of fold 1.*predict\.folds"
    ):
        assign_models(lost, ["resnet18"], ("a", AUGUST, SHAPE))
    half = SWEEP.model_copy(
        update={"trials": tuple(t for t in SWEEP.trials if (t.encoder, t.fold) != ("resnet34", 1))}
    )
    image = ("a", AUGUST, SHAPE)
    assert name_models(half, ["resnet18", "resnet34"], image) == [[("resnet18", 1)]]


def test_the_recommended_encoder_maps_unless_another_is_asked_for() -> None:
    sweep = make_sweep({"resnet18": [0.91, 0.92, 0.9], "resnet34": [0.5, 0.51, 0.5]})
    assert choose_encoders(sweep, Predict())[0] == ("resnet18",)
    assert choose_encoders(sweep, Predict(encoder="resnet34"))[0] == ("resnet34",)
    assert choose_encoders(sweep, Predict(encoder="ensemble"))[0] == ("resnet18", "resnet34")
    with pytest.raises(ConfigError, match=r"predict.encoder = 'resnet50'.*did you mean resnet"):
        choose_encoders(sweep, Predict(encoder="resnet50"))


def test_where_no_network_is_recommended_all_of_them_map_and_that_is_said() -> None:
    sweep = make_sweep(
        {"resnet18": [0.5, 0.52, 0.5], "resnet34": [0.5, 0.51, 0.5]},
        {"threshold": [0.95, 0.96, 0.95]},
    )
    encoders, why = choose_encoders(sweep, Predict())
    assert encoders == ("resnet18", "resnet34") and "recommends none" in why
