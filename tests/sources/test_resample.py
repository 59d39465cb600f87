"""Areas that pixels share, against polygons that are cut; how pixels are found on each other."""

import dataclasses

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from glacier.geo.raster import Grid
from glacier.sources import resample
from glacier.sources.resample import OwnPixels, place_layers, weigh_own_pixels

OWN = OwnPixels(CRS.from_epsg(32645), rasterio.Affine(30, 0, 480_015, 0, -30, 3_105_015), 80, 70)


@given(
    middle=st.tuples(st.floats(-1, 9), st.floats(-1, 9)),
    side=st.floats(0.2, 4),
    turn=st.floats(0, 2 * np.pi),
    skew=st.lists(st.floats(-0.05, 0.05), min_size=8, max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_weights_are_the_areas_of_cut_polygons(
    middle: tuple[float, float], side: float, turn: float, skew: list[float]
) -> None:
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2
    turned = square @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    quad = turned + middle + np.reshape(skew, (4, 2)) * side
    found = weigh_own_pixels(quad[None], 8, 8).toarray().reshape(8, 8)
    whole = shapely.Polygon(quad)
    for row, column in np.ndindex(8, 8):
        cell = shapely.box(column, row, column + 1, row + 1)
        expected = whole.intersection(cell).area / whole.area
        assert found[row, column] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("crs", ["EPSG:32645", "EPSG:32644"])
def test_strips_and_what_is_remembered_change_nothing(
    monkeypatch: pytest.MonkeyPatch, crs: str
) -> None:
    own = dataclasses.replace(OWN, crs=CRS.from_user_input(crs))
    grid = Grid("EPSG:32645", 480_000.0, 3_105_100.0, 47.0, 50, 45)
    if crs == "EPSG:32644":
        own = dataclasses.replace(
            own, transform=rasterio.Affine(30, 0, 1_070_115, 0, -30, 3_118_605)
        )
    layers = {
        name: np.random.default_rng(k).integers(0, 3, (80, 70)).astype(np.uint16) * (9000 + k)
        for k, name in enumerate("abc")
    }
    found = place_layers(layers, own, grid)
    assert any(values.any() for values in found.values())
    again = place_layers(layers, own, grid)
    monkeypatch.setattr(resample, "MAX_KEPT_ENTRIES", 0)
    monkeypatch.setattr(resample, "STRIP_ENTRIES", 1000)
    strips = place_layers(layers, own, grid)
    for name in layers:
        np.testing.assert_array_equal(found[name], again[name])
        np.testing.assert_array_equal(found[name], strips[name])


@pytest.mark.parametrize(("columns", "rows"), [(-5, -3), (0, 0), (65, 78), (10, 20)])
def test_pixels_that_coincide_are_found_wherever_the_grid_lies(columns: int, rows: int) -> None:
    grid = Grid("EPSG:32645", 480_015.0 + 30 * columns, 3_105_015.0 - 30 * rows, 30.0, 12, 9)
    assert OWN.offset_of(grid) == (columns, rows)
    layer = (1 + np.arange(80 * 70)).reshape(80, 70).astype(np.uint16)
    (found,) = place_layers({"a": layer}, OWN, grid).values()
    wide = np.pad(layer, 20)
    expected = wide[20 + rows : 32 + rows, 20 + columns : 29 + columns]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("beside", [(-300, 0), (80 * 30, 0), (0, 300), (0, -90 * 30)])
def test_a_grid_beside_a_scene_shares_nothing(beside: tuple[int, int]) -> None:
    grid = Grid("EPSG:32645", 480_015.0 + beside[0], 3_105_015.0 + beside[1], 30.0, 10, 10)
    assert OWN.window_over(grid) is None


def test_the_window_covers_the_grid_and_stays_inside() -> None:
    grid = Grid("EPSG:32645", 480_015.0 + 300, 3_105_015.0 - 600, 60.0, 10, 40)
    window = OWN.window_over(grid)
    assert window is not None
    rows, columns = window.toslices()
    assert rows.start <= 20 and rows.stop >= 40 and rows.stop <= 80
    assert columns.start <= 10 and columns.stop == 70
    cut = OWN.cut(window)
    assert (cut.transform.c, cut.transform.f) == (
        480_015 + 30 * columns.start, 3_105_015 - 30 * rows.start,
    )  # fmt: skip


def test_pixels_that_are_turned_are_refused() -> None:
    with rasterio.MemoryFile() as memory:
        place = rasterio.Affine(30, 1, 0, 1, -30, 0)
        with memory.open(
            driver="GTiff", height=2, width=2, count=1, dtype="uint16", crs="EPSG:32645",
            transform=place,
        ) as out:  # fmt: skip
            out.write(np.ones((1, 2, 2), np.uint16))
        with memory.open() as source, pytest.raises(OSError, match="north up"):
            OwnPixels.of(source)
