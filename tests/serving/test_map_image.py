"""One image -> the files of an answer: those of ``glacier predict``, and the area of a series."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import shape

from glacier import store
from glacier.errors import RasterError, WeightsError
from glacier.explaining.image_bands import explain_image
from glacier.geo.outline_json import COLUMNS
from glacier.mapping.assignment import Part
from glacier.mapping.map_plan import MapTask, begin_record
from glacier.mapping.map_worker import MapWorker
from glacier.serving.answer import CLASSES, FILES, OUTLINES, PROBABILITY
from glacier.serving.map_image import LoadedCandidate, load_candidate, map_image, warm_up
from glacier.serving.map_process import obey
from glacier.serving.orders import Order
from glacier.serving.served_models import ModelShelf
from glacier.settings.predict import Predict
from tests.support.served import serve_config, write_image, write_sweep

MOST_PX = 10**6


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedCandidate:
    """A model of two networks that learned nothing."""
    folder = tmp_path_factory.mktemp("storage")
    config = serve_config(folder, write_sweep(folder, "made-00000000"))
    return load_candidate(ModelShelf(config).choose_first())


def with_settings(loaded: LoadedCandidate, **settings: object) -> LoadedCandidate:
    """The model, with other settings of its maps."""
    predict = Predict.model_validate({**dict(loaded.candidate.predict), **settings})
    candidate = loaded.candidate.model_copy(update={"predict": predict})
    return LoadedCandidate(candidate, loaded.models)


def predict_map(loaded: LoadedCandidate, image: Path, folder: Path) -> list[bytes]:
    """The two rasters that ``glacier predict`` makes of an image."""
    candidate = loaded.candidate
    worker = MapWorker(str(folder), candidate.folder, candidate.predict)
    part = Part(rectangles=None, models=candidate.names)
    begun = begin_record("files", "a", store.checksum_file(image))
    task = MapTask(record=begun, image=str(image), parts=(part,))
    assert '"status":"ok"' in worker({"task": task.model_dump_json()})["record"]
    return [(folder / "files" / f"a.{end}").read_bytes() for end in (PROBABILITY, CLASSES)]


def test_what_decides_is_counted_on_the_map_itself(loaded: LoadedCandidate, tmp_path: Path) -> None:
    image = write_image(tmp_path / "i.tif")
    (tmp_path / "out").mkdir()
    order = Order(image=str(image), folder=str(tmp_path / "out"), pixels=MOST_PX, memory_mb=10**6,
                  explain=True)  # fmt: skip
    answer = obey(loaded, order)
    found = answer.explanation
    assert found is not None and not found.reason and found.sentences
    assert [effect.band for effect in found.bands] == ["nir", "red", "green"]
    for effect in found.bands:
        kept = answer.area_km2 + effect.gained_km2 - effect.lost_km2
        assert effect.ice_km2 == pytest.approx(kept)
    resampled = write_image(tmp_path / "fine.tif", pixel_m=15)
    found = explain_image(resampled, loaded.models, loaded.candidate.predict)
    assert "resampled" in found.reason and not found.bands


@pytest.mark.parametrize("settings", [{}, {"resample": True}])
def test_the_rasters_are_those_of_predict_and_the_area_is_theirs(
    loaded: LoadedCandidate, tmp_path: Path, settings: dict[str, object]
) -> None:
    changed = with_settings(loaded, **settings)
    image = write_image(tmp_path / "i.tif", pixel_m=15 if settings else 30)
    (tmp_path / "out").mkdir()
    answer = map_image(changed, image, tmp_path / "out", MOST_PX)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(FILES)
    rasters = [(tmp_path / "out" / name).read_bytes() for name in (PROBABILITY, CLASSES)]
    assert rasters == predict_map(changed, image, tmp_path / "maps")
    with rasterio.open(tmp_path / "out" / CLASSES) as source:
        classes, pixel_km2 = source.read(1), source.res[0] ** 2 / 1e6
    assert answer.area_km2 == pytest.approx((classes == 1).sum() * pixel_km2)
    assert answer.most_km2 == pytest.approx((classes != 0).sum() * pixel_km2)
    assert answer.pixels.glacier == (classes == 1).sum() > 0
    assert answer.pixels.unseen == (classes == 255).sum() > 0
    assert answer.low_km2 < answer.area_km2 < answer.high_km2
    assert "fewer than 3 models" in answer.why
    assert answer.seen_pixel_m == (30 if settings else None)
    assert answer.model == loaded.candidate.served


def test_outlines_are_geojson_in_degrees_with_the_columns_of_an_inventory(
    loaded: LoadedCandidate, tmp_path: Path
) -> None:
    answer = map_image(loaded, write_image(tmp_path / "i.tif"), tmp_path, MOST_PX)
    found = json.loads((tmp_path / OUTLINES).read_text())
    assert found["type"] == "FeatureCollection" and "crs" not in found
    assert len(found["features"]) == answer.outlines > 0
    west, south, east, north = answer.bounds
    for feature in found["features"]:
        polygon = shape(feature["geometry"])
        assert polygon.is_valid and polygon.exterior.is_ccw
        assert shapely.box(west, south, east, north).buffer(1e-6).covers(polygon)
        assert tuple(feature["properties"]) == COLUMNS
        assert feature["properties"]["src_date"] is feature["properties"]["year"] is None
        assert feature["properties"]["model"].count(" ") == 1
    total = sum(feature["properties"]["area_km2"] for feature in found["features"])
    assert 0 < total <= answer.area_km2 * 1.002


def test_bands_are_where_the_run_says(loaded: LoadedCandidate, tmp_path: Path) -> None:
    image = write_image(tmp_path / "i.tif", names=False)
    with pytest.raises(RasterError, match="SR_B3"):
        map_image(loaded, image, tmp_path, MOST_PX)
    placed = with_settings(loaded, bands={"SR_B3": 1, "SR_B4": 2, "SR_B5": 3})
    named = map_image(loaded, write_image(tmp_path / "j.tif"), tmp_path, MOST_PX)
    given = map_image(placed, image, tmp_path, MOST_PX)
    assert given.pixels == named.pixels
    warm_up(placed)


def test_an_image_too_large_of_other_pixels_or_of_nothing_is_refused(
    loaded: LoadedCandidate, tmp_path: Path
) -> None:
    with pytest.raises(RasterError, match=r"80 x 70 px, 5600 together; at most 5599"):
        map_image(loaded, write_image(tmp_path / "i.tif"), tmp_path, 5599)
    with pytest.raises(RasterError, match="pixels of 10 m"):
        map_image(loaded, write_image(tmp_path / "i.tif", pixel_m=10), tmp_path, MOST_PX)
    path = write_image(tmp_path / "i.tif")
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as out:
        out.write(np.zeros((3, 80, 70), np.uint16))
    with pytest.raises(RasterError, match="shows nothing"):
        map_image(loaded, path, tmp_path, MOST_PX)


def test_a_model_whose_networks_were_changed_is_not_the_one_that_was_listed(
    tmp_path: Path,
) -> None:
    config = serve_config(tmp_path, write_sweep(tmp_path, "made-00000000"))
    candidate = ModelShelf(config).choose_first()
    write_sweep(tmp_path, "made-00000000", seed=1)
    with pytest.raises(WeightsError, match="have changed since"):
        load_candidate(candidate)
