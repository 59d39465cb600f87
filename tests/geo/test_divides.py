from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from glacier.errors import VectorError
from glacier.geo.divides import Divides, GlacierIds, cut_at_divides, disjoin, read_divides
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 100, 100)
X, Y = GRID.left_m, GRID.top_m
WEST, EAST = box(X, Y - 900, X + 600, Y - 300), box(X + 600, Y - 900, X + 1200, Y - 300)
A, B = GlacierIds("RGI2000-v7.0-G-01-00001", "G1", 11), GlacierIds("RGI2000-v7.0-G-01-00002", "G2")


def inventory(*shapes: shapely.Polygon, ids: tuple[GlacierIds, ...] = (A, B)) -> Divides:
    return Divides(disjoin(np.array([*shapes, None], dtype=object)[:-1]), ids)


def by_glacier(parts) -> dict:
    return {part.ids: part.polygon for part in parts}


def test_an_outline_is_cut_at_the_line_that_two_glaciers_share() -> None:
    outline = box(X + 300, Y - 800, X + 900, Y - 400)
    parts = by_glacier(cut_at_divides(outline, inventory(WEST, EAST), 30))
    assert parts[A].equals(box(X + 300, Y - 800, X + 600, Y - 400))
    assert parts[B].equals(box(X + 600, Y - 800, X + 900, Y - 400))


def test_an_advance_goes_to_the_glacier_that_it_touches() -> None:
    outline = box(X + 300, Y - 1500, X + 500, Y - 400).union(
        box(X + 300, Y - 800, X + 900, Y - 400)
    )
    parts = by_glacier(cut_at_divides(outline, inventory(WEST, EAST), 30))
    assert parts[A].area == pytest.approx(300 * 400 + 200 * 700)
    assert parts[B].area == pytest.approx(300 * 400)


def test_a_rim_around_both_is_cut_where_they_are_equally_near() -> None:
    outline = box(X - 90, Y - 990, X + 1290, Y - 210)
    parts = by_glacier(cut_at_divides(outline, inventory(WEST, EAST), 30))
    assert parts[A].symmetric_difference(box(X - 90, Y - 990, X + 600, Y - 210)).area < 1
    assert parts[A].area + parts[B].area == pytest.approx(outline.area)


def test_one_glacier_has_all_of_an_outline_and_none_has_what_lies_apart() -> None:
    bulge = box(X + 100, Y - 2000, X + 500, Y - 500)
    (part,) = cut_at_divides(bulge, inventory(WEST, EAST), 30)
    assert part.polygon is bulge and part.ids == A
    beside = box(X, Y - 2000, X + 600, Y - 900)  # a line in common is no ground
    (part,) = cut_at_divides(beside, inventory(WEST, EAST), 30)
    assert part.polygon is beside and part.ids == GlacierIds()
    assert cut_at_divides(beside, inventory(ids=()), 30)[0].ids == GlacierIds()


def test_small_parts_stay_with_their_neighbour() -> None:
    outline = box(X + 30, Y - 800, X + 630, Y - 400)
    (part,) = cut_at_divides(outline, inventory(WEST, EAST), 30, min_area_m2=30 * 400 + 1)
    assert part.ids == A and part.polygon.equals(outline)
    assert len(cut_at_divides(outline, inventory(WEST, EAST), 30, min_area_m2=30 * 400 - 1)) == 2


def test_ground_that_two_glaciers_claim_is_the_first_one_s() -> None:
    outline = box(X + 300, Y - 800, X + 900, Y - 400)
    parts = by_glacier(cut_at_divides(outline, inventory(WEST, WEST.union(EAST)), 30))
    assert parts[A].equals(box(X + 300, Y - 800, X + 600, Y - 400))
    assert parts[B].equals(box(X + 600, Y - 800, X + 900, Y - 400))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6))
def test_the_parts_are_the_outline(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    seeds = shapely.MultiPoint(np.array([X, Y - 3000]) + rng.uniform(0, 3000, (count, 2)))
    glaciers = shapely.get_parts(shapely.voronoi_polygons(seeds)) if count > 1 else [WEST]
    hull = shapely.Point(X + 1500, Y - 1500).buffer(1100)
    shapes = [g.intersection(hull) for g in glaciers if g.intersection(hull).area > 1]
    ids = tuple(GlacierIds(f"RGI60-01.{k:05d}") for k in range(len(shapes)))
    outline = shapely.Point(X + 1500, Y - 1400).buffer(1300).difference(WEST)
    parts = cut_at_divides(outline, inventory(*shapes, ids=ids), 30)
    polygons = np.array([part.polygon for part in parts], dtype=object)
    assert shapely.is_valid(polygons).all()
    assert shapely.area(polygons).sum() == pytest.approx(outline.area, abs=5)
    assert shapely.union_all(polygons).symmetric_difference(outline).area < 10
    held = {part.ids for part in parts}
    for shape, own in zip(shapes, ids, strict=True):
        inside = outline.intersection(shape)
        assert (inside.area < 1) or own in held
        for part in parts:
            over = part.polygon.intersection(shape).area
            assert part.ids in (own, GlacierIds()) or over < 10


def write(path: Path, shapes: list, crs: object = GRID.crs, **columns: object) -> VectorFile:
    geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs).to_crs(4326).to_file(path)
    return VectorFile(str(path))


def test_ids_of_both_inventories_are_read(tmp_path: Path) -> None:
    seven = write(tmp_path / "7.gpkg", [WEST, EAST], rgi_id=["a", "b"], glims_id=["G1", None],
                  anlys_id=[11, 12], glac_name=["Mer", ""])  # fmt: skip
    assert read_divides(seven, GRID).ids == (
        GlacierIds("a", "G1", 11, "Mer"), GlacierIds("b", None, 12, None),
    )  # fmt: skip
    six = write(tmp_path / "6.gpkg", [WEST, EAST], RGIId=["a", "b"], GLIMSId=["G1", "G2"],
                Name=["Mer", None])  # fmt: skip
    assert read_divides(six, GRID).ids == (
        GlacierIds("a", "G1", None, "Mer"), GlacierIds("b", "G2"),
    )  # fmt: skip


def test_an_inventory_of_elsewhere_is_refused(tmp_path: Path) -> None:
    far = box(X + 90_000, Y, X + 91_000, Y + 1000)
    with pytest.raises(VectorError, match="none of its 1 rows lies on the region's grid"):
        read_divides(write(tmp_path / "a.gpkg", [far], rgi_id=["a"]), GRID)


def test_glaciers_far_from_the_grid_are_left_out(tmp_path: Path) -> None:
    far = box(X + 90_000, Y, X + 91_000, Y + 1000)
    found = read_divides(write(tmp_path / "a.gpkg", [far, EAST], rgi_id=["a", "b"]), GRID)
    assert found.ids == (GlacierIds("b"),)
    assert found.shapes[0].symmetric_difference(EAST).area < 1


def test_a_file_without_ids_is_no_inventory(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"inventory .*a\.gpkg: of its layers .* and none have"):
        read_divides(write(tmp_path / "a.gpkg", [WEST], kind=["ice"]), GRID)


def test_the_real_inventory(real_data: Path) -> None:
    grid = Grid("EPSG:32645", 488000.0, 3098140.0, 30.0, 60, 80)
    file = VectorFile(str(real_data / "everest_l7_rgi" / "15_rgi60_glacier_outlines.gpkg"))
    divides = read_divides(file, grid)
    outline = shapely.union_all(divides.shapes).buffer(60)
    biggest = max(shapely.get_parts(outline), key=shapely.area)
    parts = cut_at_divides(biggest, divides, 30)
    assert sum(part.polygon.area for part in parts) == pytest.approx(biggest.area, rel=1e-6)
    for part in parts:
        shape = divides.shapes[divides.ids.index(part.ids)]
        assert part.polygon.intersects(shape)
