"""Outlines to people and back: what was not edited is the same to the last pixel."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from scipy.ndimage import gaussian_filter

from glacier.errors import VectorError
from glacier.geo.correction_files import (
    GLACIER,
    MONTHS,
    OfferedMonth,
    burn_returned,
    encode_package,
    is_true,
    read_package,
    read_region,
)
from glacier.geo.polygonise import Strip, polygonise
from glacier.geo.raster import Grid

GRID = Grid("EPSG:32608", 500_010, 6_499_990, 30, 60, 80)


def make_mask(seed: int) -> np.ndarray:
    """Patches with holes, islands in them, and corners that touch."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=GRID.shape), 2)
    return noise > 0.02


MASKS = {"2019-08": make_mask(0), "2020-08": make_mask(1)}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    months = []
    for rank, (month, mask) in enumerate(MASKS.items(), 1):
        patches = list(polygonise([Strip(mask, np.full(GRID.shape, 200, np.uint8))], GRID))
        polygons = [patch.polygon for patch in patches]
        months.append(OfferedMonth(month, rank, "doubt", polygons, [0.8] * len(polygons)))
    path = tmp_path / "ridge.gpkg"
    path.write_bytes(encode_package("ridge", GRID, months))
    return path


def edit(path: Path, layer: str, change: Callable[[geopandas.GeoDataFrame], object]) -> None:
    """Change the rows of a layer."""
    table = geopandas.read_file(path, layer=layer)
    changed = change(table)
    (table if changed is None else changed).to_file(path, layer=layer, driver="GPKG")


def check_whole(path: Path) -> None:
    found = read_package(str(path), GRID)
    assert [month.month for month in found] == list(MASKS)
    for month in found:
        assert (burn_returned(month, GRID) == MASKS[month.month]).all()
        assert (month.looked, month.minutes, month.note, month.mended) == (False, None, "", ())


def test_what_nobody_edited_is_the_same_to_the_last_pixel(package: Path) -> None:
    assert read_region(str(package)) == "ridge"
    check_whole(package)


@pytest.mark.skipif(shutil.which("ogr2ogr") is None, reason="ogr2ogr is not there")
@pytest.mark.parametrize("way", [(), ("-f", "SQLite")])
def test_other_programs_change_nothing(package: Path, tmp_path: Path, way: tuple[str, ...]) -> None:
    once, back = tmp_path / "once.sqlite", tmp_path / "back.gpkg"
    once = once if way else once.with_suffix(".gpkg")
    subprocess.run(["ogr2ogr", *way, once, package], check=True, capture_output=True)
    subprocess.run(["ogr2ogr", "-f", "GPKG", back, once], check=True, capture_output=True)
    check_whole(back)


def test_outlines_may_come_back_in_degrees(package: Path) -> None:
    edit(package, GLACIER, lambda table: table.to_crs("EPSG:4326"))
    check_whole(package)


def test_what_a_person_filled_in_is_read(package: Path) -> None:
    def fill(table: geopandas.GeoDataFrame) -> None:
        table["looked"] = ["yes", "0"]
        table["minutes"] = [7.5, -1.0]
        table["note"] = [None, "cloud in the north"]

    edit(package, MONTHS, fill)
    first, second = read_package(str(package), GRID)
    assert (first.looked, first.minutes, first.note) == (True, 7.5, "")
    assert (second.looked, second.minutes, second.note) == (False, None, "cloud in the north")


def test_a_month_whose_outlines_are_all_gone_has_no_glacier(package: Path) -> None:
    edit(package, GLACIER, lambda table: table[table["month"] == "2020-08"])
    first, second = read_package(str(package), GRID)
    assert not burn_returned(first, GRID).any()
    assert (burn_returned(second, GRID) == MASKS["2020-08"]).all()


def test_a_ring_over_itself_is_said_and_is_the_ground_it_goes_round(package: Path) -> None:
    x, y = GRID.left_m, GRID.top_m
    bow = shapely.Polygon([(x, y), (x + 300, y - 300), (x + 300, y), (x, y - 300)])

    def draw(table: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
        rows = table[table["month"] == "2020-08"].iloc[:1].copy()
        rows.geometry = [bow]
        return rows

    edit(package, GLACIER, draw)
    second = read_package(str(package), GRID)[1]
    (said,) = second.mended
    assert said.startswith("outline 1 of 2020-08: self-intersection") and "taken as all" in said
    assert burn_returned(second, GRID)[:10, :10].sum() == pytest.approx(50, abs=10)


LINE = shapely.LineString([(GRID.left_m, GRID.top_m), (GRID.left_m + 99, GRID.top_m)])


def drop(name: str) -> Callable[[geopandas.GeoDataFrame], geopandas.GeoDataFrame]:
    return lambda table: table.drop(columns=name)


def set_month(table: geopandas.GeoDataFrame) -> None:
    table.loc[0, "month"] = "August"


def set_line(table: geopandas.GeoDataFrame) -> None:
    table.loc[1, "geometry"] = LINE


def set_region(table: geopandas.GeoDataFrame) -> None:
    table.loc[0, "region"] = "other"


@pytest.mark.parametrize(
    ("layer", "change", "said"),
    [
        (MONTHS, drop("minutes"), "layer months has no column minutes; keep the columns"),
        (GLACIER, drop("month"), "layer glacier has no column month"),
        (GLACIER, set_month, "outlines of month August, which layer months does not; write"),
        (GLACIER, set_line, "is a LineString, which has no area; draw a polygon or remove it"),
    ],
)
def test_what_cannot_be_used_is_named(
    package: Path, layer: str, change: Callable, said: str
) -> None:
    edit(package, layer, change)
    with pytest.raises(VectorError, match=said):
        read_package(str(package), GRID)


def test_a_package_is_of_one_region(package: Path) -> None:
    edit(package, MONTHS, set_region)
    with pytest.raises(VectorError, match=r"names the regions \['other', 'ridge'\]; wanted one"):
        read_region(str(package))


@pytest.mark.parametrize("value", [True, 1, 1.0, "yes", "TRUE", " y "])
def test_yes_is_written_in_many_ways(value: object) -> None:
    assert is_true(value)


@pytest.mark.parametrize("value", [False, 0, None, float("nan"), "no", ""])
def test_all_else_is_no(value: object) -> None:
    assert not is_true(value)


def test_all_outlines_of_all_months_may_be_gone(package: Path) -> None:
    edit(package, GLACIER, lambda table: table.iloc[:0])
    assert not any(burn_returned(month, GRID).any() for month in read_package(str(package), GRID))
