"""What a run reads is looked at before its first byte, and refused with a sentence."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
from shapely.geometry import box

from glacier import machine
from glacier.checks import find_refusals
from glacier.geo import vectors
from glacier.geo.raster import Grid, grid_of_region
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import read_outlines
from glacier.input_checks import explain_undrawable
from glacier.samples.month import BASELINE_BANDS
from tests.support.tiny import tiny_config, tiny_values
from tests.support.user_files import GRID, write_image, write_month

FRAME = tiny_values(Path("/"))["regions"][0]
FILES = [{"name": "mendenhall"}]
"""Regions that bring their own grid."""


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(machine, "may_have_gpu", lambda: False)


def refusals(folder: Path, **changes: Any) -> list[str]:
    return find_refusals(tiny_config(folder, **changes), "pipeline")


def write_outlines(folder: Path, name: str = "o.shp", at: int = 0) -> Path:
    """A polygon over the tiny region, or so many metres beside it."""
    grid = grid_of_region(tiny_config(folder).regions[0])
    left, bottom, right, top = grid.bounds
    shape = box(left + at, bottom, right + at, top)
    geopandas.GeoDataFrame({"n": [1]}, geometry=[shape], crs=grid.crs).to_file(folder / name)
    return folder / name


def without_crs(path: Path) -> dict[str, Any]:
    path.with_suffix(".prj").unlink()
    return {}


def of_another_layer(path: Path) -> dict[str, Any]:
    return {"layer": "glaciers"}


def in_a_crs_that_is_none(path: Path) -> dict[str, Any]:
    path.with_suffix(".prj").unlink()
    return {"crs": "EPSG:99999"}


def elsewhere(path: Path) -> dict[str, Any]:
    write_outlines(path.parent, at=90_000)
    return {}


def cut_short(path: Path) -> dict[str, Any]:
    path.write_bytes(path.read_bytes()[:20])
    return {}


def without_rows(path: Path) -> dict[str, Any]:
    path.with_suffix(".dbf").unlink()
    return {}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_crs, "no CRS"),
        (of_another_layer, "no layer 'glaciers'"),
        (in_a_crs_that_is_none, "there is no such CRS"),
        (elsewhere, "none of its 1 features lies on the region's grid"),
        (cut_short, "cannot be read"),
        (without_rows, "no .dbf"),
    ],
)
@pytest.mark.parametrize("of", ["outlines", "debris"])
def test_outlines_that_no_label_could_be_made_of_are_refused(
    tmp_path: Path, spoil: Any, words: str, of: str
) -> None:
    path = write_outlines(tmp_path)
    prefix = "" if of == "outlines" else "debris_"
    label = {"kind": "truth", of: str(path)}
    assert refusals(tmp_path, prepare={"label": label}) == []
    label |= {prefix + name: value for name, value in spoil(path).items()}
    (said,) = refusals(tmp_path, prepare={"label": label})
    assert said.startswith("region mendenhall: ") and words in said


def test_one_reason_of_many_regions_is_said_once(tmp_path: Path) -> None:
    path = write_outlines(tmp_path, at=90_000)
    regions = [FRAME | {"name": f"r{k}"} for k in range(6)]
    said = refusals(tmp_path, regions=regions, prepare={"label": {"outlines": str(path)}})
    assert len(said) == 1 and said[0].startswith("region r0, r1, r2 and 3 more: outlines ")


@pytest.mark.parametrize(("side_m", "refused"), [(60, False), (30, False), (6, True)])
def test_a_small_glacier_in_a_large_region_is_met_or_refused_as_its_pixels_say(
    tmp_path: Path, side_m: float, refused: bool
) -> None:
    """The grid is looked at with larger pixels first, between whose centres it lies."""
    grid = Grid("EPSG:32608", 500_000.0, 6_500_000.0, 30.0, 3000, 2500)
    x, y = 530_000.0 + 20, 6_480_000.0 + 20
    shape = box(x - side_m / 2, y - side_m / 2, x + side_m / 2, y + side_m / 2)
    geopandas.GeoDataFrame(geometry=[shape], crs=grid.crs).to_file(tmp_path / "o.gpkg")
    outlines = read_outlines(VectorFile(str(tmp_path / "o.gpkg")))
    assert bool(explain_undrawable(outlines, grid)) == refused


def test_a_large_region_is_not_drawn_pixel_by_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid("EPSG:32608", 500_000.0, 6_500_000.0, 30.0, 9000, 2500)
    geopandas.GeoDataFrame(geometry=[box(*grid.bounds)], crs=grid.crs).to_file(tmp_path / "o.gpkg")
    outlines, drawn = read_outlines(VectorFile(str(tmp_path / "o.gpkg"))), []
    plain = vectors.burn
    monkeypatch.setattr(vectors, "burn", lambda s, g: (drawn.append(g.shape), plain(s, g))[1])
    assert explain_undrawable(outlines, grid) == ""
    assert drawn == [(1000, 277)]


def test_outlines_in_a_store_are_not_fetched_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyogrio, "list_layers", lambda *_: pytest.fail("read"))
    assert refusals(tmp_path, prepare={"label": {"outlines": "memory://nowhere/o.gpkg"}}) == []


def image_of(folder: Path, *bands: str) -> dict[str, Any]:
    write_image(folder / "a.tif", np.ones((len(bands), GRID.height, GRID.width), np.uint16))
    places = {name: {"file": "a.tif", "band": k} for k, name in enumerate(bands, 1)}
    image = {"month": "2014-07", "bands": places}
    return {"source": "folder", "folder": {"path": str(folder), "images": [image]}}


def months_of(folder: Path, *bands: str) -> dict[str, Any]:
    ones = np.ones(GRID.shape, np.uint16)
    for name in ("2014-06.tif", "2014-07.tif", "2014-08.tif"):
        write_month(folder, name, dict.fromkeys(bands, ones))
    return {"source": "folder", "folder": {"path": str(folder)}}


def scenes_of(folder: Path, *bands: str) -> dict[str, Any]:
    ones = np.ones((1, GRID.height, GRID.width), np.uint16)
    for band in (*bands, "QA_PIXEL"):
        name = f"LC08_L2SP_057019_20140705_20200912_02_T1_{band}.TIF"
        write_image(folder / name, ones)
    return {"source": "folder", "folder": {"path": str(folder), "holds": "scenes"}}


COLOURS = {"green": "SR_B3", "red": "SR_B4", "nir": "SR_B5", "swir1": "SR_B6"}


@pytest.mark.parametrize("write", [image_of, months_of, scenes_of])
@pytest.mark.parametrize(
    ("image", "kind", "lacking", "askers"),
    [
        (["nir", "red", "green"], "threshold", [], []),
        (["nir", "swir1"], "threshold", ["swir1"], ["prepare.image = nir, swir1"]),
        (["ndsi"], "threshold", ["swir1"], ["prepare.image = ndsi"]),
        (["nir", "red"], "ndsi", ["swir1"], ["prepare.label.kind = ndsi"]),
        (["swir1"], "ndsi", ["swir1"], ["prepare.image = swir1 and prepare.label.kind = ndsi"]),
    ],
)
def test_bands_that_the_files_lack_are_refused(
    tmp_path: Path, write: Any, image: list[str], kind: str, lacking: list[str], askers: list[str]
) -> None:
    there = [COLOURS[name] for name in BASELINE_BANDS if name != "swir1"]
    ingest = write(tmp_path, *there)
    prepare = {"image": image, "label": {"kind": kind}, "layout": "chips", "blocks": [1, 3]}
    sweep = {"folds": {"kind": "by_block", "count": 3, "validation_share": 0}}
    months = {"first": "2014-06", "last": "2014-08"}
    said = refusals(
        tmp_path, regions=FILES, ingest=ingest, prepare=prepare, sweep=sweep, months=months
    )
    bands = [line for line in said if "lack" in line]
    assert len(bands) == len(askers)
    for line, asker, name in zip(bands, askers, lacking, strict=True):
        assert line.startswith(f"{asker}: the files of region mendenhall lack SR_B6 ({name});")


def test_bands_that_only_tell_snow_around_outlines_may_lack(tmp_path: Path) -> None:
    path = tmp_path / "o.gpkg"
    geopandas.GeoDataFrame(geometry=[box(*GRID.bounds)], crs=GRID.crs).to_file(path)
    ingest = image_of(tmp_path, "SR_B5", "SR_B4", "SR_B3")
    label = {"kind": "outlines", "outlines": str(path)}
    said = refusals(
        tmp_path, regions=FILES, ingest=ingest, prepare={"label": label}, months={"last": "2014-07"}
    )
    assert not [line for line in said if "lack" in line or "outlines" in line]


def test_one_month_that_has_a_band_is_enough_and_a_damaged_one_says_nothing(
    tmp_path: Path,
) -> None:
    ingest = months_of(tmp_path, "SR_B3", "SR_B4", "SR_B5")
    (tmp_path / "2014-06.tif").write_bytes(b"II*\0 not much more")
    ones = np.ones(GRID.shape, np.uint16)
    write_month(tmp_path, "2014-08.tif", dict.fromkeys(COLOURS.values(), ones))
    said = refusals(tmp_path, regions=FILES, ingest=ingest, prepare={"label": {"kind": "ndsi"}})
    assert not [line for line in said if "lack" in line]
