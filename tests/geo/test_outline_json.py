"""Outlines as GeoJSON: whole on both sides of the date line, rings the right way round."""

import json
from datetime import date

import shapely
from shapely.geometry import shape

from glacier.geo.outline_json import COLUMNS, UNDATED, describe_shape, encode_outlines
from glacier.geo.outline_rows import OutlineRow


def make_row(polygon: shapely.Polygon) -> OutlineRow:
    day = date(2020, 8, 15)
    return OutlineRow(
        polygon, "RGI2000-v7.0-G-01-00001", "01", None, None, day, day, day, 1.0, 2.0, 31, 3.5,
        None, 0, 9, 9, "Fox", 2020, 8, "files", 0.75, 0.1, None, None, "", "0" * 64, "glacier",
    )  # fmt: skip


def test_a_feature_has_the_columns_of_the_other_files_of_outlines() -> None:
    row = make_row(shapely.box(0, 0, 1, 1))
    (feature,) = json.loads(encode_outlines([row]))["features"]
    assert tuple(feature["properties"]) == COLUMNS
    assert feature["properties"]["src_date"] == "2020-08-15"
    assert feature["properties"]["glac_name"] == "Fox"
    (feature,) = json.loads(encode_outlines([row], UNDATED))["features"]
    assert {feature["properties"][name] for name in UNDATED} == {None}


def test_outer_rings_run_anticlockwise_and_inner_ones_clockwise() -> None:
    ring = shapely.box(0, 0, 3, 3).exterior.coords[::-1]
    hole = shapely.box(1, 1, 2, 2).exterior.coords
    for corners in (ring, ring[::-1]):
        outer, inner = describe_shape(shapely.Polygon(corners, [hole]))["coordinates"]
        assert shapely.LinearRing(outer).is_ccw and not shapely.LinearRing(inner).is_ccw
        assert outer[0] == outer[-1]


def test_what_crosses_the_date_line_is_cut_at_it() -> None:
    found = shape(describe_shape(shapely.box(179, 60, 182, 61)))
    assert found.geom_type == "MultiPolygon" and found.area == 3
    assert found.bounds == (-180, 60, 180, 61)
    beyond = shape(describe_shape(shapely.box(181, 60, 182, 61)))
    assert beyond.geom_type == "Polygon" and beyond.bounds == (-179, 60, -178, 61)
