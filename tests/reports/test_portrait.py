from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from glacier.config import Config
from glacier.reports.portrait import (
    draw_portrait,
    find_seen,
    list_models,
    predict_parts,
    rank_month,
)
from glacier.samples.sample_set import LabelPixels, SampleMonth
from glacier.training import saved
from glacier.training.saved import find_sweep
from tests.support.saved_sweeps import RECORDS, make_config, write_sweep


@pytest.fixture
def make_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(saved, "read_records", lambda config: {"archive": RECORDS})

    def make(**settings):
        config = make_config(tmp_path, **settings)
        return config, write_sweep(config)

    return make


def make_month(month: str, seen: float = 1.0, glacier: int = 400) -> SampleMonth:
    unknown = round(1000 * (1 - seen))
    pixels = LabelPixels(glacier=glacier, ground=1000 - glacier - unknown, unknown=unknown)
    day = date.fromisoformat(f"{month}-01")
    return SampleMonth(region="ridge", month=day, status="ok", label_pixels=pixels)


def best_of(months: list[SampleMonth], late: tuple[int, ...] | None = (8, 9)) -> str:
    return max(months, key=lambda month: rank_month(month, late)).key.partition("/")[2]


def test_the_image_shown_is_clear_of_late_summer_and_recent():
    months = [make_month("2014-08"), make_month("2016-08"), make_month("2016-11"),
              make_month("2017-09", seen=0.5)]  # fmt: skip
    assert best_of(months) == "2016-08"
    assert best_of(months, (2, 3)) == "2016-11"
    assert best_of(months, None) == "2016-11"
    assert best_of([make_month("2014-06"), make_month("2015-01")]) == "2014-06"
    assert best_of([make_month("2014-08", 0.95), make_month("2016-02")]) == "2014-08"


def test_of_cloudy_images_the_clearest_is_shown_and_ice_goes_first():
    assert best_of([make_month("2014-08", 0.5), make_month("2014-02", 0.7)]) == "2014-02"
    assert best_of([make_month("2014-08", glacier=0), make_month("2014-02", 0.7)]) == "2014-02"


def test_each_part_is_predicted_by_the_model_that_did_not_see_it(make_saved):
    config, result = make_saved()
    sweep = find_sweep(config)
    month = sweep.samples.usable[0]
    (image,) = sweep.read_images({month.key})
    models = list_models(result, "resnet34")
    parts = predict_parts(sweep, image, models)
    assert len(parts) == 3
    for fold, part in enumerate(parts):
        assert (np.isfinite(part) == (sweep.test_mask(image, fold) & find_seen(image))).all()
    known = np.sum([np.isfinite(part) for part in parts], axis=0)
    assert (known == find_seen(image)).all()  # the whole frame, each pixel once


def test_the_outline_is_that_of_the_scored_prediction(make_saved):
    config, result = make_saved()
    sweep = find_sweep(config)
    trial = result.by_encoder["resnet50"][1]
    counts = trial.scorecard.images[0].counts
    (image,) = sweep.read_images({trial.scorecard.images[0].key})
    (part,) = predict_parts(sweep, image, [("resnet50", 1)])
    assert int(((part > 0) & (image.label == 1)).sum()) == counts.tp
    assert int(((part > 0) & (image.label == 0)).sum()) == counts.fp


def test_the_ensemble_is_the_mean_of_all_encoders_of_a_fold(make_saved):
    config, result = make_saved()
    sweep = find_sweep(config)
    assert len(list_models(result, "ensemble")) == 6
    portrait = draw_portrait(sweep, "ensemble")
    assert "outline by the ensemble" in portrait.caption
    assert portrait.picture.svg and "Ridge, July 2016" in portrait.picture.alt


def test_without_a_prediction_there_is_no_picture(make_saved):
    config, _ = make_saved()
    assert draw_portrait(find_sweep(config), "nobody") is None


def test_made_up_scenes_are_named_so(make_saved):
    config, result = make_saved()
    corners = [[-134.6, 58.4], [-134.4, 58.4], [-134.4, 58.5]]
    values = config.model_dump(mode="json") | {"ingest": {"source": "synthetic"}}
    values["regions"][0]["polygon"] = corners
    made_up = result.model_copy(update={"config": Config.model_validate(values)})
    portrait = draw_portrait(replace(find_sweep(config), result=made_up), "resnet34")
    assert "Synthetic Ridge" in portrait.picture.alt and "made up" in portrait.caption


def test_the_outline_of_an_inventory_is_called_by_its_name(make_saved):
    """The samples know only what changes their bytes; the run knows where its outlines are from."""
    config, result = make_saved()
    provenance = {"source": "RGI 7.0", "years": [2000, 2001], "owner": "RGI", "licence": "CC BY"}
    values = config.model_dump(mode="json")
    values["prepare"]["label"] = {"kind": "outlines", "outlines": "x/rgi.gpkg"}
    for given, name in ((provenance, "outline of the RGI 7.0"), (None, "outline of the inventory")):
        values["prepare"]["label"]["provenance"] = given
        told = result.model_copy(update={"config": Config.model_validate(values)})
        portrait = draw_portrait(replace(find_sweep(config), result=told), "resnet34")
        assert f"Dashed: {name}." in portrait.caption


def test_a_place_is_called_as_people_call_it(make_saved):
    config, result = make_saved()
    values = config.model_dump(mode="json")
    values["regions"][0]["title"] = "Großer Aletschgletscher"
    told = result.model_copy(update={"config": Config.model_validate(values)})
    portrait = draw_portrait(replace(find_sweep(config), result=told), "resnet34")
    assert portrait.picture.alt.startswith("Großer Aletschgletscher, July 2016 from above")
