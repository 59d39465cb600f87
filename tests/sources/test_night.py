"""The winter gate: which months cannot have a scene, at which latitudes."""

from datetime import date
from pathlib import Path

import pytest

from glacier.composite import Empty
from glacier.geo.raster import grid_of_region
from glacier.landsat import months_between
from glacier.settings.regions import Region
from glacier.sources.factory import open_source
from glacier.sources.night import predict_night
from tests.support.tiny import tiny_config


def test_a_month_that_is_called_dark_is_empty_at_the_source(tmp_path: Path) -> None:
    """58 degrees north: December of every year, before a scene is made.

    On the last days of January the sun comes within the reserve, at 13 degrees."""
    config = tiny_config(tmp_path)
    (region,), source = config.regions, open_source(config)
    months = months_between(date(2014, 1, 1), date(2023, 12, 1))
    dark = [month for month in months if predict_night(source.grid(region), month)]
    assert dark == [month for month in months if month.month == 12]
    for month in dark:
        result = source.fetch_month(region, month)
        assert isinstance(result, Empty) and result.reason.startswith("solar_zenith")


@pytest.mark.parametrize(
    ("latitude", "dark"),
    [(-57, [6]), (-54.5, []), (-50, []), (0, []), (78, [1, 2, 10, 11, 12])],
)
def test_the_sun_decides_by_latitude(latitude: float, dark: list[int]) -> None:
    """At noon the sun's zenith is latitude less declination, 57 + 22 and more all June."""
    corners = ((15, latitude), (15.2, latitude), (15.2, latitude + 0.1))
    grid = grid_of_region(Region(name="r", polygon=corners))
    assert [m for m in range(1, 13) if predict_night(grid, date(2015, m, 1))] == dark


@pytest.mark.parametrize("sign", [1, -1])
def test_a_tall_region_is_dark_once_its_edge_nearest_the_equator_is(sign: int) -> None:
    def of(south: float, north: float) -> list[int]:
        corners = tuple((lon, sign * lat) for lon, lat in ((15, south), (15.2, south), (15, north)))
        grid = grid_of_region(Region(name="r", polygon=corners, pixel_m=300))
        return [m for m in range(1, 13) if predict_night(grid, date(2015, m, 1))]

    assert of(58, 68) == of(58, 58.2) != of(67.8, 68)


def test_a_region_across_the_equator_has_sun() -> None:
    corners = ((15, -1), (15.2, -1), (15, 1))
    grid = grid_of_region(Region(name="r", polygon=corners, pixel_m=300))
    assert not any(predict_night(grid, date(2015, m, 1)) for m in range(1, 13))
