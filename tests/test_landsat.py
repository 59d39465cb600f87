import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from glacier import landsat
from glacier.geo.raster_files import safe_open
from glacier.landsat import (
    CIRRUS,
    CLEAR,
    CLOUD,
    DILATED,
    FILL,
    MAX_SOLAR_ZENITH_DEG,
    QA_FLAGS,
    SHADOW,
    SNOW,
    WATER,
    band_scale,
    count_qa,
    digital_number,
    is_clear,
    month_interval,
    months_between,
    overpass_time,
    qa_shares,
    reflectance,
    sun_position,
)

# Digital numbers.


def test_every_digital_number_survives_the_round_trip() -> None:
    dn = np.arange(65536).astype(np.uint16)
    values = reflectance(dn)
    assert values.dtype == np.float32
    assert np.isnan(values[0]) and np.isfinite(values[1:]).all()
    back = digital_number(values)
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, dn)


def test_reflectance_in_closed_form() -> None:
    # USGS: reflectance = DN x 0.0000275 - 0.2; valid DN 7273..43636 are 0..1
    found = reflectance(np.array([7273, 14545, 43636, 65535], np.uint16))
    np.testing.assert_allclose(found, [7.5e-6, 0.1999875, 0.99999, 1.6022125], atol=1e-6)


def test_values_outside_the_encoding_are_clipped_and_never_no_data() -> None:
    values = np.array([-5.0, -0.2, 5.0, np.nan, np.inf, -np.inf, 0.0])
    assert digital_number(values).tolist() == [1, 1, 65535, 0, 0, 0, 7273]


def test_scales_of_the_bands() -> None:
    assert band_scale("SR_B2") == band_scale("SR_B7") == (2.75e-5, -0.2)
    assert band_scale("ST_B10") == (0.00341802, 149.0)


# Quality bits: LSDS-1619, table 6-3.


@pytest.mark.parametrize(
    ("bit", "value", "hidden_by"),
    [
        (0, FILL, {"strict", "standard", "ice"}),
        (1, DILATED, {"strict", "standard"}),
        (2, CIRRUS, {"strict"}),
        (3, CLOUD, {"strict", "standard", "ice", "notebook"}),
        (4, SHADOW, {"strict", "standard", "ice", "notebook"}),
        (5, SNOW, set()),
        (6, CLEAR, set()),
        (7, WATER, set()),
        *[(bit, 1 << bit, set()) for bit in range(8, 16)],  # confidences
    ],
)
def test_each_bit_hides_a_pixel_where_its_profile_says_so(
    bit: int, value: int, hidden_by: set[str]
) -> None:
    assert value == 1 << bit
    qa = np.array([[value, 0]], np.uint16)
    for profile in landsat.QA_MASK:
        assert is_clear(qa, profile).tolist() == [[profile not in hidden_by, True]]


def test_the_quality_band_of_a_real_scene_has_the_measured_shares(real_data: Path) -> None:
    (file,) = (real_data / "alaska_qa_pixel").glob("*.TIF")
    with safe_open(file) as source:
        qa = source.read(1)
    qa = qa[qa & np.uint16(FILL) == 0]
    assert qa.size == 40_762_627

    def share(bit: int) -> float:
        return np.count_nonzero(qa & np.uint16(bit)) / qa.size

    found = [share(bit) for bit in (SNOW, CIRRUS, CLOUD, SHADOW)]
    assert found == pytest.approx([0.583, 0.224, 0.045, 0.017], abs=5e-4)
    snow = qa[qa & np.uint16(SNOW) > 0]
    lost = {p: 1 - np.count_nonzero(is_clear(snow, p)) / snow.size for p in ("strict", "ice")}
    assert lost == pytest.approx({"strict": 0.345, "ice": 0.0}, abs=5e-4)


def test_cloud_and_bright_snow_of_the_real_greenland_scene(real_data: Path) -> None:
    folder = real_data / "landsat_c2l2" / "LC08_L2SP_005009_20150710"

    def read(name: str) -> np.ndarray:
        (file,) = folder.glob(f"*_{name}.TIF")
        with safe_open(file) as source:
            return source.read(1)

    qa, green = read("QA_PIXEL"), read("SR_B3")
    seen = qa & FILL == 0
    assert (qa & CLOUD > 0)[seen].mean() == pytest.approx(0.547, abs=5e-4)
    assert (qa & SNOW > 0)[seen].mean() == pytest.approx(0.403, abs=5e-4)
    assert (seen != (green > 0)).sum() == 921
    clear_snow = (qa & SNOW > 0) & (qa & CLOUD == 0)
    assert (reflectance(green)[clear_snow] > 1).mean() == pytest.approx(0.20, abs=5e-3)


# Months.


@pytest.mark.parametrize(
    ("month", "days", "following"),
    [
        (date(2015, 2, 1), 28, (2015, 3)),
        (date(2016, 2, 1), 29, (2016, 3)),
        (date(2100, 2, 1), 28, (2100, 3)),
        (date(2014, 12, 1), 31, (2015, 1)),
        (date(2014, 4, 30), 30, (2014, 5)),
    ],
)
def test_a_month_is_half_open(month: date, days: int, following: tuple[int, int]) -> None:
    start, end = month_interval(month)
    assert start == datetime(month.year, month.month, 1, tzinfo=UTC)
    assert end == datetime(*following, 1, tzinfo=UTC)
    assert end - start == timedelta(days=days)


def test_months_follow_each_other_without_gap_or_overlap() -> None:
    months = months_between(date(2014, 1, 1), date(2023, 12, 1))
    assert len(months) == len(set(months)) == 120
    assert (months[0], months[12], months[-1]) == (
        date(2014, 1, 1), date(2015, 1, 1), date(2023, 12, 1)
    )  # fmt: skip
    edges = [month_interval(month) for month in months]
    assert all(first[1] == second[0] for first, second in pairwise(edges))
    assert months_between(date(2020, 5, 1), date(2020, 5, 31)) == [date(2020, 5, 1)]
    assert months_between(date(2020, 6, 1), date(2020, 5, 1)) == []


# The sun.


def noaa_position(latitude_deg: float, longitude_deg: float, when: datetime) -> tuple:
    """Zenith and azimuth by NOAA's spreadsheet (Meeus, Astronomical Algorithms, chapter 25)."""
    t = (when - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400 / 36525
    sin, cos, tan, rad, deg = math.sin, math.cos, math.tan, math.radians, math.degrees
    mean = rad((280.46646 + t * (36000.76983 + t * 0.0003032)) % 360)
    anomaly = rad(357.52911 + t * (35999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        (1.914602 - t * (0.004817 + 0.000014 * t)) * sin(anomaly)
        + (0.019993 - 0.000101 * t) * sin(2 * anomaly)
        + 0.000289 * sin(3 * anomaly)
    )
    node = rad(125.04 - 1934.136 * t)
    apparent = mean + rad(centre - 0.00569 - 0.00478 * sin(node))
    tilt = rad(23.439291 - t * 0.0130042 + 0.00256 * cos(node))
    declination = math.asin(sin(tilt) * sin(apparent))
    y = tan(tilt / 2) ** 2
    equation_min = 4 * deg(
        y * sin(2 * mean)
        - 2 * eccentricity * sin(anomaly)
        + 4 * eccentricity * y * sin(anomaly) * cos(2 * mean)
        - 0.5 * y**2 * sin(4 * mean)
        - 1.25 * eccentricity**2 * sin(2 * anomaly)
    )
    minutes = when.hour * 60 + when.minute + when.second / 60
    hour = rad((minutes + equation_min + 4 * longitude_deg) / 4 - 180)
    lat = rad(latitude_deg)
    up = sin(lat) * sin(declination) + cos(lat) * cos(declination) * cos(hour)
    east = -cos(declination) * sin(hour)
    north = cos(lat) * sin(declination) - sin(lat) * cos(declination) * cos(hour)
    return deg(math.acos(up)), deg(math.atan2(east, north)) % 360


EQUINOX = datetime(2015, 3, 20, 22, 45, tzinfo=UTC)  # noon at 159.4 W, 7.5 minutes late
JUNE = datetime(2015, 6, 21, 12, 2, tzinfo=UTC)
DECEMBER = datetime(2015, 12, 22, 11, 58, tzinfo=UTC)


@pytest.mark.parametrize(
    ("latitude", "longitude", "when", "zenith"),
    [
        pytest.param(0.0, -159.4, EQUINOX, 0.0, id="equinox_noon_equator"),
        pytest.param(45.0, -159.4, EQUINOX, 45.0, id="equinox_noon_45_north"),
        pytest.param(0.0, -69.4, EQUINOX, 90.0, id="equinox_sunset"),
        pytest.param(90.0, 0.0, EQUINOX, 90.0, id="equinox_pole"),
        pytest.param(23.44, 0.0, JUNE, 0.0, id="june_noon_tropic"),
        pytest.param(58.5, 0.0, JUNE, 58.5 - 23.44, id="june_noon_58_north"),
        pytest.param(-23.44, 0.0, DECEMBER, 0.0, id="december_noon_tropic"),
        pytest.param(66.56, 0.0, DECEMBER, 90.0, id="december_noon_polar_circle"),
    ],
)
def test_known_heights_of_the_sun(
    latitude: float, longitude: float, when: datetime, zenith: float
) -> None:
    assert sun_position(latitude, longitude, when)[0] == pytest.approx(zenith, abs=0.15)


@pytest.mark.parametrize(("hour", "azimuth"), [(6, 90.0), (12, 180.0), (18, 270.0)])
def test_the_sun_goes_from_east_over_the_zenith_line_to_west(hour: int, azimuth: float) -> None:
    when = datetime(2015, 3, 20, hour, 7, 30, tzinfo=UTC)
    assert sun_position(45.0, 0.0, when)[1] == pytest.approx(azimuth, abs=0.6)
    southern = {90.0: 90.0, 180.0: 0.0, 270.0: 270.0}[azimuth]  # noon stands in the north there
    away = (sun_position(-45.0, 0.0, when)[1] - southern + 180) % 360 - 180
    assert abs(away) <= 0.6


def test_the_sun_is_where_noaa_has_it_to_a_tenth_of_a_degree() -> None:
    worst = 0.0
    for year in (2014, 2016, 2019, 2023, 2024):
        for day in range(0, 365, 9):
            when = datetime(year, 1, 1, 19, 55, tzinfo=UTC) + timedelta(days=day)
            zenith, azimuth = sun_position(58.5, -134.5, when)
            wanted_zenith, wanted_azimuth = noaa_position(58.5, -134.5, when)
            turned = (azimuth - wanted_azimuth + 180) % 360 - 180
            across = abs(turned) * math.sin(math.radians(zenith))
            worst = max(worst, abs(zenith - wanted_zenith), across)
    assert worst <= 0.1


def test_the_winter_gate_at_mendenhall() -> None:
    def zeniths(month: int) -> list[float]:
        start, end = month_interval(date(2015, month, 1))
        days = [start.date() + timedelta(k) for k in range((end - start).days)]
        return [sun_position(58.5, -134.5, overpass_time(-134.5, day))[0] for day in days]

    for dark in (12, 1):
        assert min(zeniths(dark)) > MAX_SOLAR_ZENITH_DEG
    assert max(zeniths(7)) < 45
    open_days = {m: sum(z <= MAX_SOLAR_ZENITH_DEG for z in zeniths(m)) for m in (2, 11)}
    assert 0 < open_days[2] < 28 and 0 < open_days[11] < 30  # the gate falls within these


def test_landsat_passes_at_eleven_by_the_local_sun() -> None:
    assert overpass_time(0.0, date(2015, 7, 1)) == datetime(2015, 7, 1, 11, tzinfo=UTC)
    assert overpass_time(-134.5, date(2015, 7, 1)) == datetime(2015, 7, 1, 19, 58, tzinfo=UTC)
    assert overpass_time(179.0, date(2015, 7, 1)).date() == date(2015, 6, 30)


# Quality flags of a scene.


def test_flag_shares_are_those_of_masks_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    values = np.array([1, 8, 64, 2 | 64, 4 | 32, 16, 32 | 64, 128, 65535], np.uint16)
    qa = rng.choice(values, (97, 83))
    found, valid = qa_shares(qa), (qa & 1) == 0
    assert found["fill"] == pytest.approx(1 - valid.mean(), abs=1e-12)
    for bit, flag in enumerate(QA_FLAGS[1:], start=1):
        assert found[flag] == pytest.approx((qa[valid] >> bit & 1).mean(), abs=1e-12)
    assert count_qa(qa).sum() == qa.size and count_qa(qa)[65535] == (qa == 65535).sum()


def test_flags_of_more_pixels_than_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    qa = np.random.default_rng(1).integers(0, 65536, (40, 50)).astype(np.uint16)
    whole = count_qa(qa)
    monkeypatch.setattr(landsat, "COUNT_BLOCK_PX", 7)
    np.testing.assert_array_equal(count_qa(qa), whole)
    every_other = np.bincount(qa[:, ::2].ravel(), minlength=1 << 16)
    np.testing.assert_array_equal(count_qa(qa[:, ::2]), every_other)


def test_a_scene_of_fill_alone_has_no_other_share() -> None:
    found = qa_shares(np.ones((3, 3), np.uint16))
    assert found.pop("fill") == 1 and all(np.isnan(v) for v in found.values())


def test_the_flags_of_a_real_scene_are_those_that_were_published(real_data: Path) -> None:
    (path,) = (real_data / "alaska_qa_pixel").glob("*.[Tt][Ii][Ff]*")
    with safe_open(path) as source:
        qa = source.read(1)
    found, counts = qa_shares(qa), count_qa(qa)
    assert (1 - found["fill"]) * qa.size == pytest.approx(40.8e6, abs=0.05e6)
    percent = {flag: 100 * share for flag, share in found.items()}
    for flag, expected in (("snow", 58.3), ("cirrus", 22.4), ("cloud", 4.5), ("shadow", 1.7)):
        assert percent[flag] == pytest.approx(expected, abs=0.05), flag
    values = np.arange(1 << 16)
    snow = (values & 0b100001) == 0b100000
    hidden = {
        profile: counts[snow & ~is_clear(values.astype(np.uint16), profile)].sum()
        / counts[snow].sum()
        for profile in ("strict", "ice")
    }
    assert 100 * hidden["strict"] == pytest.approx(34.5, abs=0.05)
    assert 100 * hidden["ice"] < 0.05
