"""Rows of inventories by their own columns: ice, cut out, left out."""

import pytest

from glacier.errors import VectorError
from glacier.geo.inventories import sort_rows

GLIMS = ["glac_bound", "intrnl_rock", "pro_lake", "GLAC_BOUND ", None, "basin", "supra_lake"]


def test_glims_says_which_rows_are_ice_rock_and_neither() -> None:
    rows = sort_rows({"LINE_TYPE": GLIMS}, 7, "glacier", "a.shp")
    assert rows.roles.tolist() == ["ice", "hole", "", "ice", "ice", "", ""]
    assert rows.reasons[1] == "line_type intrnl_rock" and rows.reasons[2] == "line_type pro_lake"
    assert rows.reasons[0] == rows.reasons[4] == ""


def test_debris_is_that_of_its_own_rows() -> None:
    kinds = ["glac_bound", "debris_cov", "intrnl_rock"]
    assert sort_rows({"line_type": kinds}, 3, "debris", "a").roles.tolist() == ["", "ice", ""]
    assert sort_rows({"line_type": kinds}, 3, "glacier", "a").roles.tolist() == ["ice", "", "hole"]


@pytest.mark.parametrize("theme", ["glacier", "debris"])
def test_a_file_without_such_a_column_is_what_it_is_given_for(theme) -> None:
    assert sort_rows({"Name": ["a", "b"]}, 2, theme, "a").roles.tolist() == ["ice", "ice"]


def test_rows_of_the_randolph_inventory_that_are_no_outlines() -> None:
    ids = {"RGIId": ["a", "b", "c", "d"]}
    table = ids | {"Status": [0, 2.0, 9, 0], "Form": [0, 0, 1, 3]}
    rows = sort_rows(table, 4, "glacier", "a")
    assert rows.roles.tolist() == ["ice", "", "ice", ""]
    assert "nominal" in rows.reasons[1] and "snowfield" in rows.reasons[3]
    strange = {"Status": [2, 2, 2, 2]}  # of somebody else's table it says nothing
    assert sort_rows(strange, 4, "glacier", "a").roles.tolist() == ["ice"] * 4


def test_glaciers_drawn_for_several_dates_are_said() -> None:
    table = {
        "line_type": ["glac_bound", "glac_bound", "glac_bound", "intrnl_rock"],
        "glac_id": ["G1", "G1", "G2", "G2"],
        "src_date": ["1990-08-01T00:00:00", "2015-08-14T00:00:00", "2015-08-14T00:00:00", "1980"],
    }
    said = sort_rows(table, 4, "glacier", "a").dates
    assert said.startswith("1 of 2 glaciers have outlines of several dates")
    assert "(src_date 1990-08-01 to 2015-08-14), which are united" in said
    once = table | {"src_date": ["2015-08-14"] * 4}
    assert sort_rows(once, 4, "glacier", "a").dates == ""


def test_glaciers_that_are_gone() -> None:
    table = {"line_type": ["glac_bound"] * 2, "glac_stat": ["exists", "gone"]}
    assert sort_rows(table, 2, "glacier", "a").roles.tolist() == ["ice", ""]


def test_a_column_by_which_nothing_is_wanted_is_refused_with_its_values() -> None:
    with pytest.raises(VectorError, match=r"a\.shp: no row has line_type glac_bound; there are x"):
        sort_rows({"line_type": ["x", "x"]}, 2, "glacier", "a.shp")
    with pytest.raises(VectorError, match="no row has line_type debris_cov"):
        sort_rows({"line_type": ["glac_bound"]}, 1, "debris", "a")
    assert len(sort_rows({"line_type": []}, 0, "glacier", "a").roles) == 0
