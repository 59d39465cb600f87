from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from shapely.geometry import box

from glacier.geo.divides import Divides, GlacierIds
from glacier.geo.outline_files import read_outline_rows, write_outlines
from glacier.geo.polygonise import Strip
from glacier.geo.raster import Grid, encode_cog
from glacier.mapping.outlines import (
    OutlineFacts,
    OutlineOptions,
    SourceDates,
    date_scenes,
    outline_map,
    outline_strips,
)  # fmt: skip

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 60, 80)
FACTS = OutlineFacts(
    region="mendenhall", month=date(2014, 7, 1),
    scene_ids=["LC08_058019_20140704", "LC08_058019_20140720"],
    model="ab" * 32, analyst="glacier", snow=False, debris_share=0.1,
)  # fmt: skip


def ice_with_a_hole() -> np.ndarray:
    mask = np.zeros(GRID.shape, bool)
    mask[10:50, 10:70] = True
    mask[20:24, 20:24] = False
    mask[22, 22] = True  # a nunatak's own patch of ice
    mask[55, 5:8] = True
    return mask


def strip_of(mask: np.ndarray, chance: int = 200) -> list[Strip]:
    return [Strip(mask, np.full(mask.shape, chance, np.uint8))]


def burn_back(rows) -> np.ndarray:
    from glacier.geo.raster import burn

    shapes = geopandas.GeoSeries([row.geometry for row in rows], crs=4326).to_crs(GRID.crs)
    return burn(shapes, GRID).astype(bool)


def test_outlines_are_the_map_without_what_is_too_small() -> None:
    mask = ice_with_a_hole()
    rows = outline_strips(strip_of(mask), GRID, FACTS).rows
    assert len(rows) == 1
    mask[22, 22] = mask[55, 5:8] = False
    np.testing.assert_array_equal(burn_back(rows), mask)
    every = outline_strips(strip_of(ice_with_a_hole()), GRID, FACTS, OutlineOptions(0.0)).rows
    np.testing.assert_array_equal(burn_back(every), ice_with_a_hole())


def test_small_holes_are_filled_where_that_is_asked_for() -> None:
    options = OutlineOptions(0.0, fill_holes_km2=17 * GRID.pixel_km2)
    rows = outline_strips(strip_of(ice_with_a_hole()), GRID, FACTS, options).rows
    mask = ice_with_a_hole()
    mask[20:24, 20:24] = True
    np.testing.assert_array_equal(burn_back(rows), mask)
    assert len(rows) == 2  # the ice in the hole is no outline of its own


def test_what_a_row_says() -> None:
    (row,) = outline_strips(strip_of(ice_with_a_hole()), GRID, FACTS).rows
    ground = pyproj.Proj(GRID.crs).get_factors(row.cenlon, row.cenlat).areal_scale
    assert row.area_km2 == pytest.approx((2400 - 16) * GRID.pixel_km2 / ground, rel=1e-5)
    assert row.uncertainty_km2 == pytest.approx((200 + 16) * 0.03 * 0.015, rel=1e-3)
    assert row.probability == pytest.approx(200 / 254)
    assert shapely.Point(row.cenlon, row.cenlat).within(row.geometry)
    assert (row.utm_zone, row.year, row.month, row.region) == (8, 2014, 7, "mendenhall")
    assert (row.src_date, row.src_date_max) == (date(2014, 7, 4), date(2014, 7, 20))
    assert (row.rgi_id, row.o1region, row.conn_lvl, row.primeclass) == (None, None, None, None)
    assert (row.surge_type, row.term_type, row.snow, row.debris_share) == (9, 9, False, 0.1)
    assert row.scene_ids == "LC08_058019_20140704 LC08_058019_20140720"
    assert row.geometry.is_valid and not row.geometry.has_z


def test_smooth_outlines_keep_their_area() -> None:
    disc = np.hypot(*(np.indices(GRID.shape) - np.array([30, 40])[:, None, None])) < 25
    (steps,), (smooth,) = (
        outline_strips(strip_of(disc), GRID, FACTS, OutlineOptions(smooth=flag)).rows
        for flag in (False, True)
    )
    assert smooth.area_km2 == pytest.approx(steps.area_km2, rel=1e-3)
    assert smooth.uncertainty_km2 < 0.85 * steps.uncertainty_km2


def test_outlines_cut_at_divides_carry_the_inventory_s_ids() -> None:
    x, y = GRID.left_m, GRID.top_m
    west, east = box(x, y - 1800, x + 1200, y), box(x + 1200, y - 1800, x + 2400, y)
    ids = (
        GlacierIds("RGI60-01.00002", "G2"),
        GlacierIds("RGI60-01.00001", "G1", None, "Mendenhall"),
    )
    divides = Divides(np.array([west, east], dtype=object), ids)
    strips = strip_of(ice_with_a_hole())
    strips[0].values[:, 40:] = 250
    rows = outline_strips(strips, GRID, FACTS, divides=divides).rows
    assert [row.probability for row in rows] == pytest.approx([250 / 254, 200 / 254])
    assert [row.rgi_id for row in rows] == ["RGI60-01.00001", "RGI60-01.00002"]
    assert [row.glac_name for row in rows] == ["Mendenhall", None]
    assert {(row.o1region, row.conn_lvl) for row in rows} == {("01", 0)}
    (whole,) = outline_strips(strip_of(ice_with_a_hole()), GRID, FACTS).rows
    assert sum(row.area_km2 for row in rows) == pytest.approx(whole.area_km2, rel=1e-6)
    assert {shapely.get_precision(row.geometry) for row in rows} == {0}  # as the files hold them
    assert rows[0].area_km2 == pytest.approx(whole.area_km2 * 1200 / 2384, rel=1e-3)


def test_a_map_on_disk_by_any_strips_gives_the_same_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    mask = ice_with_a_hole() & (rng.random(GRID.shape) < 0.9)
    chances = rng.integers(0, 255, GRID.shape, dtype=np.uint8)
    for name, band in (("class", mask.astype(np.uint8)), ("probability", chances)):
        (tmp_path / f"{name}.tif").write_bytes(encode_cog({name: band}, GRID, {}))
    rows = outline_map(tmp_path / "class.tif", tmp_path / "probability.tif", FACTS).rows
    cuts = [3, 11, 12, 40]
    strips = [
        Strip(m, v) for m, v in zip(np.split(mask, cuts), np.split(chances, cuts), strict=True)
    ]  # fmt: skip
    assert outline_strips(strips, GRID, FACTS).rows == rows and rows
    write_outlines(str(tmp_path), "outlines", rows)
    assert read_outline_rows(str(tmp_path / "outlines.gpkg")) == rows


def test_no_ice_is_no_outline() -> None:
    assert outline_strips(strip_of(np.zeros(GRID.shape, bool)), GRID, FACTS).rows == []


@pytest.mark.parametrize(
    ("scenes", "dates"),
    [
        (["LC08_L2SP_058019_20140704_20200911_02_T1"], (4, 4, 4)),
        (["LC08_L2SP_058019_20140704_02_T1", "LE07_L2SP_058019_20140712_02_T1"], (4, 4, 12)),
        (["LC08_058019_20140720", "LC08_058019_20140704", "LC09_059018_20140711"], (11, 4, 20)),
        (["LC08_058019_20140720", "composite-7"], (15, 1, 31)),
        (["LC08_058019_20149920"], (15, 1, 31)),
        ([], (15, 1, 31)),
    ],
)
def test_the_date_of_an_outline_is_that_of_its_middle_scene(scenes: list[str], dates) -> None:
    expected = SourceDates(*(date(2014, 7, day) for day in dates))
    assert date_scenes(scenes, date(2014, 7, 1)) == expected
