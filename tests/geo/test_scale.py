"""Metres of projections against metres on the ground."""

import math
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.warp import transform_bounds

from glacier.errors import RasterError
from glacier.geo.raster import grid_of
from glacier.geo.raster_files import safe_open
from glacier.geo.scale import measure_scale


def place(crs: str, lon: float, lat: float) -> tuple[float, float]:
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)


@pytest.mark.parametrize("lat", [-60, -20, 0, 46.5, 58.5, 70])
def test_web_mercator_stretches_by_the_cosine(lat: float) -> None:
    factor, area, lon, found = measure_scale("EPSG:3857", *place("EPSG:3857", 10, lat))
    assert factor == pytest.approx(1 / math.cos(math.radians(lat)), rel=0.008)
    assert area == pytest.approx(factor**2, rel=0.01)
    assert (lon, found) == (pytest.approx(10), pytest.approx(lat))


@pytest.mark.parametrize("crs", ["EPSG:32608", "EPSG:32645", "EPSG:3035", "EPSG:2056", "EPSG:2193"])
def test_the_library_says_the_same_of_other_projections(crs: str) -> None:
    """Against PROJ's own factors, at the middle of the area that a system is for."""
    area = pyproj.CRS(crs).area_of_use
    assert area is not None
    lon, lat = (area.west + area.east) / 2, min((area.south + area.north) / 2, 60)
    if crs == "EPSG:2193":
        lon, lat = 171.0, -43.5
    factors = pyproj.Proj(crs).get_factors(lon, lat)
    found, scale, *_ = measure_scale(crs, *place(crs, lon, lat))
    assert scale == pytest.approx(factors.areal_scale, rel=1e-3)
    assert abs(found - 1) < 0.01


def write(path: Path, crs: str, lon: float, lat: float, pixel: float = 30) -> Path:
    """A GeoTIFF of 40 x 50 pixels around a place."""
    x, y = place(crs, lon, lat)
    where = rasterio.Affine(pixel, 0, x - 25 * pixel, 0, -pixel, y + 20 * pixel)
    profile = {"driver": "GTiff", "height": 40, "width": 50, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", crs=crs, transform=where, **profile) as out:
        out.write(np.ones((1, 40, 50), np.uint16))
    return path


def read_grid(path: Path):
    with safe_open(path) as source:
        return grid_of(source)


@pytest.mark.parametrize(
    ("crs", "lon", "lat", "said"),
    [
        ("EPSG:3857", -134.5, 58.5, r"1\.91. m in EPSG:3857 .*58\.50 N 134\.50 W.* 3\.6. times "
         r"the true ones; .* EPSG:32608"),
        ("EPSG:3857", 170.0, -43.5, r"43\.50 S 170\.00 E.*EPSG:32659"),
        ("EPSG:3395", 86.9, 28.0, r"1\.13. m in EPSG:3395.*EPSG:32645"),  # World Mercator
        ("EPSG:3413", -50.0, 60.0, r"1\.0\d\d m in EPSG:3413"),
        ("EPSG:32608", -110.0, 58.5, r"1\.0\d\d m in EPSG:32608.*EPSG:32612"),  # four zones away
        ("+proj=eqc +lat_ts=0 +datum=WGS84 +units=m", 8.0, 46.5, r"1\.45. m in .*EPSG:32632"),
    ],
)  # fmt: skip
def test_metres_that_are_none_on_the_ground_are_refused(
    tmp_path: Path, crs: str, lon: float, lat: float, said: str
) -> None:
    with pytest.raises(RasterError, match=said):
        read_grid(write(tmp_path / "a.tif", crs, lon, lat))


@pytest.mark.parametrize(
    ("crs", "lon", "lat"),
    [("EPSG:32608", -134.5, 58.5), ("EPSG:32645", 83.9, 28.0), ("EPSG:3413", -50.0, 70.0),
     ("EPSG:3031", 160.0, -72.0), ("EPSG:2056", 8.0, 46.5), ("EPSG:3857", 32.5, 0.5),
     ("EPSG:32759", 170.0, -43.5), ("EPSG:3338", -150.0, 61.0)],
)  # fmt: skip
def test_metres_of_the_ground_pass(tmp_path: Path, crs: str, lon: float, lat: float) -> None:
    path = write(tmp_path / "a.tif", crs, lon, lat)
    grid = read_grid(path)
    assert grid.crs == crs
    west, _, east, _ = transform_bounds(crs, "EPSG:4326", *grid.bounds)
    assert west < lon < east


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2263", "EPSG:6434"])
def test_degrees_and_feet_are_refused(tmp_path: Path, crs: str) -> None:
    lon, lat = (-74.0, 40.7) if crs == "EPSG:2263" else (-105.9, 39.5)
    path = write(tmp_path / "a.tif", crs, lon, lat, 0.0003 if crs == "EPSG:4326" else 100)
    with pytest.raises(RasterError, match=f"CRS {crs}.*wanted square, north-up pixels in a proj"):
        read_grid(path)


def test_places_that_are_not_on_earth(tmp_path: Path) -> None:
    where = rasterio.Affine(30, 0, 1e9, 0, -30, 9e9)
    profile = {"driver": "GTiff", "height": 4, "width": 5, "count": 1, "dtype": "uint16"}
    with rasterio.open(tmp_path / "a.tif", "w", crs="EPSG:3413", transform=where, **profile) as out:
        out.write(np.ones((1, 4, 5), np.uint16))
    with pytest.raises(RasterError, match=r"no place on Earth|m on the ground"):
        read_grid(tmp_path / "a.tif")
    assert math.isnan(measure_scale("EPSG:32645", 1e12, 1e12)[0])
