"""Coordinate systems that would read a file are told from those that read none."""

import pyproj
import pytest

from glacier.geo.grid_files import find_grid_file


@pytest.mark.parametrize("code", [4326, 32608, 3857, 3413, 2056, 27700, 4267, 2193])
def test_registered_systems_read_none(code: int) -> None:
    for version in ("WKT1_GDAL", "WKT1_ESRI", "WKT2_2019"):
        assert find_grid_file(pyproj.CRS(code).to_wkt(version)) == ""


@pytest.mark.parametrize(
    ("crs", "file"),
    [
        ("+proj=utm +zone=8 +nadgrids=/etc/passwd +units=m", "/etc/passwd"),
        ("+proj=utm +zone=8 +nadgrids=@null,@../x.gsb", "@null,@../x.gsb"),
        ("+proj=utm +zone=8 +geoidgrids=http://127.0.0.1/x.gtx", "http://127.0.0.1/x.gtx"),
        ("+proj=pipeline +step +proj=defmodel +file=/x +inv", "/x"),
        ('X[PARAMETERFILE["Latitude and longitude difference file", "/etc/x.gsb"]]', "/etc/x.gsb"),
        ("+proj=merc +a=6378137 +nadgrids=@null +wktext", ""),
        ("+proj=utm +zone=8 +nadgrids=conus", ""),
    ],
)
def test_files_by_a_path_are_found(crs: str, file: str) -> None:
    assert find_grid_file(crs) == file
