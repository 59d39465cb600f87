"""One month's samples: images, labels, windows, and what only scores read."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from glacier import store
from glacier.archive.records import MonthRecord
from glacier.errors import SampleError
from glacier.geo.raster import Grid, encode_cog, read_named
from glacier.geo.vectors import encode_outlines
from glacier.labels import Surface, label_truth
from glacier.landsat import digital_number, reflectance
from glacier.samples.image import ImageRecipe, make_image
from glacier.samples.month import (
    MonthTask,
    extra_bands,
    make_extra,
    measure_clipped,
    prepare_month,
)
from glacier.settings.prepare import Prepare
from glacier.training.baselines import threshold_prediction
from tests.support.months import put_together
from tests.support.tiny import make_task, tiny_config


def read_rows(task: MonthTask) -> list[dict]:
    """The rows, by plain pyarrow."""
    return pq.read_table(task.address.replace(".json", ".parquet")).to_pylist()


CHIPS = {"layout": "chips", "size_px": 32, "stride_px": 32, "blocks": [2, 2]}


def test_windows_hold_every_pixel_of_image_and_label(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path, prepare=CHIPS))
    made = prepare_month(task)
    rows = read_rows(task)
    assert made.rows == len(rows) == 4 * 3
    bands, _ = read_named(f"{task.archive}/2014-07.tif")
    truth, _ = read_named(f"{task.archive}/2014-07.truth.tif")
    month = put_together(rows, 3, 32, made.shape)
    for layer, band in zip(month.image, ("SR_B5", "SR_B4", "SR_B3"), strict=True):
        np.testing.assert_array_equal(layer, np.clip(reflectance(bands[band]), 0, 1))
    seen = bands["n_obs"] > 0
    np.testing.assert_array_equal(month.label == 255, ~seen)
    ice = label_truth(truth["surface"]) == 1
    np.testing.assert_array_equal((month.label == 1)[seen], ice[seen])
    assert {row["month"] for row in rows} == {date(2014, 7, 1)}
    assert len({row["sample_id"] for row in rows}) == len(rows)


def test_a_window_names_the_blocks_that_it_touches(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path, prepare=CHIPS))
    prepare_month(task)
    blocks = {(row["row_px"], row["col_px"]): row["block"] for row in read_rows(task)}
    assert blocks[0, 0] == "r0c0"
    assert blocks[0, 32] == "r0c0+r0c1"  # over the middle of 127 x 80 pixels
    assert blocks[95, 48] == "r1c1"


def test_bands_come_in_the_order_asked_for_and_clipped() -> None:
    values = {"SR_B3": 0.3, "SR_B5": 1.3, "SR_B6": 0.1, "SR_B2": -0.1}
    bands = {name: digital_number(np.full((2, 2), value)) for name, value in values.items()}
    bands["SR_B6"][0, 0] = 0
    image = make_image(bands, ImageRecipe.of(Prepare(image=("nir", "ndsi", "blue"))))
    np.testing.assert_allclose(image[:, 1, 1], [1.0, 0.5, 0.0], atol=1e-4)
    assert np.isnan(image[:, 0, 0]).all()  # one unseen band makes the pixel unseen


def test_pixels_at_the_top_of_the_range_are_counted_where_they_are_labelled() -> None:
    image = np.array([[[1.0, 0.2, 1.0, 0.3]], [[0.1, 0.9, 1.0, 0.4]], [[1.0] * 4]], np.float32)
    label = np.array([[1, 0, 255, 0]], np.uint8)
    settings = Prepare(image=("nir", "red", "ndsi"))
    assert measure_clipped(image, label, settings) == pytest.approx(1 / 3, abs=1e-4)
    wide = settings.model_copy(update={"reflectance_range": (0.0, 0.4)})
    assert measure_clipped(np.clip(image, 0, 0.4), label, wide) == 1
    kept = reflectance(digital_number(image))  # 1.0 is no number of the archive
    assert kept.max() < 1 and measure_clipped(kept, label, settings) == pytest.approx(1 / 3, 1e-3)
    assert measure_clipped(image, np.full_like(label, 255), settings) is None
    assert measure_clipped(image, label, Prepare(scale="own_maximum")) is None


def test_own_maximum_is_each_bands_own() -> None:
    bands = {
        name: digital_number(np.array([[0.1, top]]))
        for name, top in (("SR_B5", 0.8), ("SR_B4", 0.5), ("SR_B3", 0.2))
    }
    image = make_image(bands, ImageRecipe.of(Prepare(scale="own_maximum")))
    np.testing.assert_allclose(image[:, 0, 1], 1, atol=1e-4)
    np.testing.assert_allclose(image[:, 0, 0], [0.125, 0.2, 0.5], atol=1e-3)


def test_a_missing_band_is_named() -> None:
    with pytest.raises(SampleError, match="swir1 needs band SR_B6"):
        make_image({"SR_B3": np.ones((2, 2), np.uint16)}, ImageRecipe.of(Prepare(image=("ndsi",))))


def test_bands_that_only_baselines_read_are_kept_as_reflectance(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path, prepare=CHIPS))
    made = prepare_month(task)
    bands, _ = read_named(f"{task.archive}/2014-07.tif")
    assert extra_bands(task.settings) == ("swir1",)
    month = put_together(read_rows(task), 3, 32, made.shape, 1)
    np.testing.assert_array_equal(month.extra, reflectance(bands["SR_B6"])[None])
    published = Prepare(scale="own_maximum")
    assert extra_bands(published) == ("green", "red", "nir", "swir1")
    assert extra_bands(Prepare(image=("nir", "swir1", "red", "green"))) == ()


def test_an_archive_that_lacks_such_a_band_costs_no_pixel() -> None:
    bands = {name: np.full((4, 4), 9000, np.uint16) for name in ("SR_B3", "SR_B4", "SR_B5")}
    assert np.isnan(make_extra(bands, ("swir1",))).all()
    assert np.isfinite(make_extra(bands, ("red",))).all()
    assert make_extra(bands, ()).shape == (0, 4, 4)


@pytest.mark.parametrize("bands", [["nir", "red", "green"], ["nir", "red", "green", "swir1"]])
def test_such_bands_are_resized_with_the_image(tmp_path: Path, bands: list[str]) -> None:
    task = make_task(tiny_config(tmp_path, prepare={"image": bands}))
    prepare_month(task)
    extras = 4 - len(bands)
    month = put_together(read_rows(task), len(bands), 32, (32, 32), extras)
    assert month.extra is not None and month.extra.shape == (extras, 32, 32)
    for band in month.extra:
        np.testing.assert_array_equal(np.isfinite(band), np.isfinite(month.image[0]))


@pytest.mark.parametrize("kind", ["truth", "ndsi", "threshold"])
def test_every_label_kind_knows_what_it_has_not_seen(tmp_path: Path, kind: str) -> None:
    task = make_task(tiny_config(tmp_path, prepare={"label": {"kind": kind}} | CHIPS))
    made = prepare_month(task)
    bands, _ = read_named(f"{task.archive}/2014-07.tif")
    assert made.label_pixels.unknown == int((bands["n_obs"] == 0).sum())
    assert made.label_pixels.glacier > 0


@pytest.mark.parametrize(
    "changes", [{}, {"reflectance_range": [0.1, 0.6]}, {"scale": "own_maximum"}]
)
def test_the_threshold_baseline_answers_threshold_labels_exactly(
    tmp_path: Path, changes: dict
) -> None:
    """Rule and label are one, however bands are scaled; a window at native resolution."""
    prepare = {"label": {"kind": "threshold"}} | CHIPS | changes
    task = make_task(tiny_config(tmp_path, prepare=prepare))
    made = prepare_month(task)
    coding = ImageRecipe.of(task.settings).coding
    extras = len(extra_bands(task.settings))
    month = put_together(read_rows(task), 3, 32, made.shape, extras, coding)
    low, high = (0, 1) if "scale" in changes else task.settings.reflectance_range
    found = threshold_prediction(month.image, ["nir", "red", "green"], (low, high), 128)
    known = month.label != 255
    assert 0 < month.label[known].mean() < 1
    np.testing.assert_array_equal(found[known], month.label[known] == 1)


def test_outlines_are_labels_wherever_the_ground_was_seen(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path / "first"))
    label = {"kind": "outlines", "outlines": f"{task.archive}/2014-07.truth.gpkg"}
    parts = []
    for settings in (label, {"kind": "truth"}):
        other = make_task(tiny_config(tmp_path / "first", prepare={"label": settings} | CHIPS))
        parts.append(prepare_month(other).label_pixels)
    assert parts[0] == parts[1]


@pytest.mark.parametrize(("snowy", "kept"), [(0.25, True), (0.5, False)])
def test_a_month_of_seasonal_snow_is_left_out_with_its_reason(
    tmp_path: Path, snowy: float, kept: bool
) -> None:
    """Left half glacier by its outlines; of the ground, a share has the colour of snow."""
    grid = Grid("EPSG:32608", 522075.0, 6494565.0, 30.0, 64, 64)
    glacier = np.zeros((64, 64), bool)
    glacier[:, :32] = True
    store.write_bytes(f"{tmp_path}/ice.gpkg", encode_outlines(glacier, grid, {}))
    white = glacier.copy()
    white[: int(64 * snowy)] = True
    bands = {
        name: digital_number(np.where(white, snow, rock))
        for name, snow, rock in (
            ("SR_B3", 0.8, 0.2), ("SR_B4", 0.8, 0.2), ("SR_B5", 0.7, 0.25), ("SR_B6", 0.1, 0.3),
        )
    }  # fmt: skip
    sha256 = store.write_bytes(f"{tmp_path}/2014-07.tif", encode_cog(bands, grid, {}))
    for most in (0.3, 1.0):
        label = {"kind": "ndsi", "outlines": f"{tmp_path}/ice.gpkg", "max_snow_outside": most}
        config = tiny_config(tmp_path, prepare={"label": label, "size_px": 64})
        record = MonthRecord("mendenhall", "2014-07", "ok", sha256=sha256)
        made = prepare_month(MonthTask(record, str(tmp_path), str(tmp_path), config.prepare))
        assert made.snow_outside == snowy
        assert made.status == ("ok" if kept or most == 1 else "empty")
        assert made.reason.startswith("seasonal_snow: on 50%") is (made.status == "empty")


def test_the_notebooks_way_counts_clouds_as_ground(tmp_path: Path) -> None:
    config = tiny_config(
        tmp_path,
        sweep={"protocol": "notebook"},
        prepare={"label": {"kind": "threshold", "unseen": "background"}, "scale": "own_maximum"},
    )
    task = make_task(config)
    made = prepare_month(task)
    (row,) = read_rows(task)
    assert made.label_pixels.unknown == 0
    assert np.isfinite(np.frombuffer(row["image"], "<f4")).all()


def test_a_damaged_raster_is_one_failed_row(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path))
    path = Path(task.archive, "2014-07.tif")
    path.write_bytes(path.read_bytes()[:1000])
    made = prepare_month(task)
    (row,) = read_rows(task)
    assert made.status == row["status"] == "failed"
    assert "2014-07.tif is damaged" in row["reason"]
    assert row["image"] is None and row["label"] is None


def test_an_empty_month_is_an_empty_row(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path), "2014-12")
    made = prepare_month(task)
    (row,) = read_rows(task)
    assert made.status == row["status"] == "empty" and row["reason"].startswith("solar_zenith")


def test_a_region_smaller_than_a_window_is_a_window_with_an_unseen_margin(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path, prepare={"layout": "chips", "size_px": 96}))
    month = prepare_month(task)
    assert (month.status, month.rows, month.shape) == ("ok", 2, (127, 80))


def test_a_month_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path))
    assert prepare_month(task).sha256 == prepare_month(task).sha256


def test_quick_looks_show_the_month_and_clear_where_unseen(tmp_path: Path) -> None:
    task = make_task(tiny_config(tmp_path))
    prepare_month(task)
    bands, _ = read_named(f"{task.archive}/2014-07.tif")
    folder = Path(task.samples, "quicklooks", "mendenhall")
    assert sorted(p.name for p in folder.iterdir()) == [
        f"2014-07_{kind}.png" for kind in ("false", "ndsi", "true")
    ]
    for kind in ("false", "ndsi", "true"):
        picture = cv2.imread(str(folder / f"2014-07_{kind}.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(picture[..., 3] == 255, bands["n_obs"] > 0)
    nir = np.clip(np.nan_to_num(reflectance(bands["SR_B5"])), 0, 1) * 255
    false = cv2.imread(str(folder / "2014-07_false.png"))
    np.testing.assert_array_equal(false[..., 2], nir.astype(np.uint8))  # OpenCV reads BGR


@pytest.mark.parametrize("kind", ["truth", "outlines", "ndsi", "threshold"])
@pytest.mark.parametrize("image", [["nir", "red", "green"], ["ndsi", "blue"], ["swir2"]])
def test_reading_only_the_bands_that_are_needed_changes_no_sample(
    tmp_path: Path, kind: str, image: list[str]
) -> None:
    """Pictures need every band; without them fewer are read, and the rows are the same."""
    task = make_task(tiny_config(tmp_path, prepare=CHIPS))
    label = {"kind": kind, "outlines": f"{task.archive}/2014-07.truth.gpkg"}
    rows = []
    for pictures in (True, False):
        settings = Prepare(**{**CHIPS, "image": image, "label": label, "quick_looks": pictures})
        prepare_month(replace(task, settings=settings))
        rows.append(read_rows(task))
        assert rows[-1][0]["status"] == "ok"
    assert rows[0] == rows[1]


def test_classes_come_with_the_samples_whatever_the_label(tmp_path: Path) -> None:
    for layout in (CHIPS, {"layout": "resize", "size_px": 32}):
        task = make_task(tiny_config(tmp_path, prepare={**layout, "label": {"kind": "ndsi"}}))
        made = prepare_month(task)
        shape = made.shape
        month = put_together(read_rows(task), 3, 32, shape, 1)
        truth = read_named(f"{task.archive}/2014-07.truth.tif")[0]["surface"]
        if shape != truth.shape:
            truth = cv2.resize(truth, shape, interpolation=cv2.INTER_NEAREST_EXACT)
        np.testing.assert_array_equal(month.surface, truth)


def test_polygons_of_debris_part_the_labels_glacier(tmp_path: Path) -> None:
    """Debris outlines that reach over bare ground count only on glacier."""
    task = make_task(tiny_config(tmp_path, prepare=CHIPS))
    outlines = f"{task.archive}/2014-07.truth.gpkg"
    _, grid = read_named(f"{task.archive}/2014-07.tif")
    debris = np.zeros((grid.height, grid.width), np.uint8)
    debris[:, : grid.width // 2] = 1
    store.write_bytes(f"{tmp_path}/debris.gpkg", encode_outlines(debris, grid, {}))
    label = {"kind": "outlines", "outlines": outlines, "debris": f"{tmp_path}/debris.gpkg"}
    task = replace(task, settings=Prepare(**CHIPS, label=label))
    made = prepare_month(task)
    month = put_together(read_rows(task), 3, 32, made.shape, 1)
    ice = month.label == 1
    expected = np.where(ice, np.where(debris == 1, Surface.DEBRIS_ICE, Surface.CLEAN_ICE), 0)
    np.testing.assert_array_equal(month.surface, expected)
