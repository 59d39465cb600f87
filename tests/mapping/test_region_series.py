"""Months of a region -> areas of its years, on squares of ice whose areas are known."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from glacier import store
from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore
from glacier.geo.centre_lines import CentreLine
from glacier.geo.raster import Grid, encode_cog
from glacier.geo.raster_rows import ByteBand, write_cog
from glacier.landsat import digital_number
from glacier.map_codes import UNSEEN
from glacier.mapping.area_table import AreaRow, FrontRow
from glacier.mapping.change import Change
from glacier.mapping.front import Front
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord, PixelCounts, UsedModel
from glacier.mapping.month_view import MonthView, ViewTask, look_at_month
from glacier.mapping.region_series import (
    list_front_rows,
    list_rows,
    measure_region,
    member_areas,
    write_change,
)
from glacier.mapping.seasons import Season
from glacier.mapping.tested_areas import choose_images, find_tested_errors
from glacier.mapping.uncertainty import AreaErrors
from glacier.settings.series import Series
from tests.support.sweeps import make_card, make_sweep, make_trial

SIDE = 40
GRID = Grid("EPSG:32608", 500_000, 6_500_000, 100, SIDE, SIDE)
SEASON = Season((8, 9))


def draw(ice_px: int, hidden: tuple[slice, slice] | None = None) -> NDArray[np.uint8]:
    """A square of ice in the middle, some of the ground not seen."""
    classes = np.zeros((SIDE, SIDE), np.uint8)
    first = (SIDE - ice_px) // 2
    classes[first : first + ice_px, first : first + ice_px] = 1
    if hidden:
        classes[hidden] = UNSEEN
    return classes


LINE = CentreLine("tongue", np.array([[502_050, 6_498_450], [502_050, 6_496_000]]))
"""From the middle of the ice to the lower edge."""


def view(
    folder: Path, month: str, classes: NDArray[np.uint8], snow: float = 0.0, dem: str | None = None
) -> MonthView:
    """A month as it is looked at, from files; its northern half is bright."""
    probability = np.where(classes == UNSEEN, UNSEEN, np.where(classes == 1, 200, 20))
    files = {}
    for end, values in ((CLASSES, classes), (PROBABILITY, probability.astype(np.uint8))):
        path = folder / f"{month}{end}"
        with write_cog(path, GRID, ByteBand("map", UNSEEN), {}) as out:
            out.write(values)
        files[path.name] = store.checksum_file(path)
    image = folder / f"{month}.tif"
    bright = np.where(np.arange(SIDE)[:, None] < SIDE // 2, 0.7, 0.2) + np.zeros(SIDE)
    bands = {name: digital_number(bright) for name in ("SR_B3", "SR_B4", "SR_B5")}
    image.write_bytes(encode_cog(bands, GRID, {}))
    counts = [int((classes == code).sum()) for code in (1, 0, UNSEEN)]
    record = MapRecord(
        region="a", name=month, month=month, status="ok", grid=GRID, files=files,
        image_sha256=store.checksum_file(image), scene_ids=(f"LC08_L2SP_058019_{month[:4]}0812_x",),
        models=(UsedModel(encoder="resnet18", fold=0, sha256="a" * 64, threshold=0.5,
                          glacier_px=counts[0], asked_px=counts[0] + counts[1]),),
        pixels=PixelCounts(glacier=counts[0], ground=counts[1], unseen=counts[2]),
    )  # fmt: skip
    settings = Series(analyst="a person", dem=dem)
    task = ViewTask(record, str(folder), str(image), snow, settings, lines=(LINE,))
    return look_at_month(task)


def gap(month: str, reason: str) -> MonthView:
    """A month without a map."""
    return MonthView(MapRecord(region="a", name=month, status="empty", reason=reason), None)


def test_a_month_has_its_area_its_outline_and_its_pictures(tmp_path: Path) -> None:
    found = view(tmp_path, "2014-08", draw(10))
    assert found.area is not None and found.area.area_km2 == pytest.approx(1.0)
    (row,) = found.outlines
    assert row.area_km2 == pytest.approx(1.0, rel=0.005)  # on the ellipsoid
    assert (row.year, row.month, row.analyst, row.model) == (2014, 8, "a person", "a" * 64)
    assert row.src_date == date(2014, 8, 12) and row.snow is False
    assert row.probability == pytest.approx(200 / 254)
    ((ring,),) = found.rings
    assert sorted(set(ring)) == [(501_500, 6_497_500), (501_500, 6_498_500),
                                 (502_500, 6_497_500), (502_500, 6_498_500)]  # fmt: skip
    assert set(found.layers) == {"false colour", "probability"}  # of the bands that are there
    assert gap("2014-09", "all_masked").area is None
    assert found.snow.share == pytest.approx(0.5) and found.snow.line_m is None
    assert found.fronts == {"tongue": Front(950.0)}  # of 10 rows of ice 500 m lie above the middle


def test_heights_give_the_snow_line(tmp_path: Path) -> None:
    path = tmp_path / "dem.tif"
    heights = 100 + 10 * np.arange(SIDE, 0, -1, np.int16)[:, None] + np.zeros(SIDE, np.int16)
    with rasterio.open(
        path, "w", driver="GTiff", height=SIDE, width=SIDE, count=1, dtype="int16", crs=GRID.crs,
        transform=GRID.transform,
    ) as out:  # fmt: skip
        out.write(heights.astype(np.int16), 1)
    found = view(tmp_path, "2014-08", draw(20), dem=str(path))
    assert found.snow.share == pytest.approx(0.5)
    assert found.snow.line_m == pytest.approx(305, abs=15)  # bright from the 20th row upwards


def test_years_are_compared_on_what_all_of_them_saw(tmp_path: Path) -> None:
    half = (slice(0, SIDE), slice(0, SIDE // 2))
    views = [
        view(tmp_path, "2016-08", draw(10)),
        view(tmp_path, "2014-09", draw(20)),
        view(tmp_path, "2014-08", draw(24), snow=0.4),
        gap("2015-08", "all_masked"),
        view(tmp_path, "2017-08", draw(8, half)),
    ]
    wide = Season((8, 9), min_seen=0.4)
    found = measure_region(views, str(tmp_path), wide, AreaErrors())
    assert [choice.year for choice in found.choices] == [2014, 2015, 2016, 2017]
    assert [year.choice.year for year in found.years] == [2014, 2016, 2017]
    areas = [year.area.area_km2 for year in found.years]
    assert areas == pytest.approx([2.0, 0.5, 0.32])  # of the eastern half alone
    assert found.years[0].area.seen_share == pytest.approx(0.5)
    assert found.trend is not None and found.trend.slope < 0 and found.trend.p is None
    change = found.change
    assert change is not None and change.unseen_km2 == pytest.approx(8.0)
    assert (change.lost_km2, change.gained_km2) == pytest.approx((2.0 - 0.32, 0.0))
    write_change(found, str(tmp_path), tmp_path / "change.tif")
    with rasterio.open(tmp_path / "change.tif") as source:
        codes, tags = source.read(1), source.tags()
    assert (tags["first"], tags["last"], tags["lost"]) == ("2014-09", "2017-08", "2")
    assert (codes[:, : SIDE // 2] == Change.UNSEEN).all()
    assert 100**2 / 1e6 * (codes == Change.LOST).sum() == pytest.approx(change.lost_km2)


def test_the_table_has_a_row_for_every_month_and_year_and_no_zero_for_a_gap(
    tmp_path: Path,
) -> None:
    views = [view(tmp_path, "2014-08", draw(20)), gap("2015-08", "solar_zenith: dark")]
    rows = list(list_rows(measure_region(views, str(tmp_path), SEASON, AreaErrors())))
    assert [(row.kind, row.year) for row in rows] == [
        ("month", 2014), ("month", 2015), ("year", 2014), ("year", 2015),
    ]  # fmt: skip
    assert all(isinstance(row, AreaRow) for row in rows)
    _, dark, year, lost = rows
    assert dark.area_km2 is None and dark.gap == "empty" and "solar_zenith" in dark.why
    assert lost.area_km2 is None and lost.low_km2 is None and lost.gap == "empty"
    assert year.area_km2 == pytest.approx(4.0) and year.answer == "half_pixel"
    outline_m = 4 * 20 * 100
    assert year.half_pixel_low_km2 == pytest.approx(4.0 - outline_m * 50 / 1e6)
    assert (year.low_km2, year.high_km2) == (year.half_pixel_low_km2, year.half_pixel_high_km2)
    assert year.tested_low_km2 is None and year.ensemble_low_km2 is None


def test_the_table_of_fronts_says_which_months_count_and_why_one_is_not_known(
    tmp_path: Path,
) -> None:
    clouded = draw(20)
    clouded[18] = UNSEEN
    views = [
        view(tmp_path, "2014-08", draw(20)), view(tmp_path, "2014-09", draw(30), snow=0.4),
        view(tmp_path, "2015-08", draw(10)), view(tmp_path, "2016-05", clouded),
        gap("2016-08", "all_masked"),
    ]  # fmt: skip
    series = measure_region(views, str(tmp_path), SEASON, AreaErrors())
    rows = list(list_front_rows(series))
    assert all(isinstance(row, FrontRow) and row.line == "tongue" for row in rows)
    assert [(f"{row.month:%Y-%m}", row.front_m, row.gap, row.stands_for_year) for row in rows] == [
        ("2014-08", 1450.0, "", True), ("2014-09", 1950.0, "snowy", False),
        ("2015-08", 950.0, "", True), ("2016-05", None, "", False),
    ]  # fmt: skip
    assert "a pixel that nobody saw" in rows[-1].why and not rows[0].why
    month = next(iter(list_rows(series)))
    assert month.snow_share == pytest.approx(0.5) and month.snow_line_m is None


def test_errors_of_tested_years_are_the_answer_where_there_are_enough(tmp_path: Path) -> None:
    views = [view(tmp_path, "2014-08", draw(20))]
    tested = AreaErrors(((0.1,), (0.12,), (0.08,)))
    (year,) = measure_region(views, str(tmp_path), SEASON, tested).years
    found = year.uncertainty
    assert found.answer == "tested" and found.interval.high_km2 < 4.0  # it was mapped too large


def test_a_region_without_a_usable_year_has_no_area(tmp_path: Path) -> None:
    found = measure_region(
        [view(tmp_path, "2014-05", draw(20))], str(tmp_path), SEASON, AreaErrors()
    )
    assert found.years == () and found.trend is None and found.change is None
    assert [choice.gap for choice in found.choices] == ["absent"]


def test_models_scale_the_area_by_what_each_of_them_found(tmp_path: Path) -> None:
    found = view(tmp_path, "2014-08", draw(20))
    assert found.area is not None
    one = found.record.models[0]
    more = one.model_copy(update={"fold": 1, "glacier_px": 600})
    record = found.record.model_copy(update={"models": (one, more)})
    assert member_areas(record, found.area) == pytest.approx([4.0, 6.0])
    other = more.model_copy(update={"asked_px": 7})  # of other ground
    record = found.record.model_copy(update={"models": (one, other)})
    assert member_areas(record, found.area) == []


def test_only_labels_that_know_more_than_the_image_tell_errors() -> None:
    sweep = make_sweep({"resnet18": [0.9] * 5}, prepare={"label": {"kind": "truth"}})
    trials = tuple(
        make_trial("resnet18", k, scorecard=make_card(Counts(tp=90 + k, fp=20 - k, fn=10 - k)))
        for k in range(5)
    )
    sweep = sweep.model_copy(update={"trials": trials})
    ((errors,),) = [find_tested_errors(sweep, ["resnet18"], lambda _: SEASON, {}).values()]
    assert errors == pytest.approx((np.log(550 / 500),))  # one region and year
    assert find_tested_errors(sweep, ["resnet18"], lambda _: Season((2, 3)), {}) == {}
    rule = make_sweep({"resnet18": [0.9] * 5}, prepare={"label": {"kind": "ndsi"}})
    assert find_tested_errors(rule, ["resnet18"], lambda _: SEASON, {}) == {}


def test_tests_tell_the_errors_of_months_that_could_stand_for_a_year() -> None:
    """One a year, well seen and without new snow; the parts of its ground stay together."""

    def score(month: str, seen: float, region: str = "a") -> ImageScore:
        first = date.fromisoformat(f"{month}-01")
        return ImageScore(region=region, month=first, counts=Counts(), valid_share=seen)

    parts = [score("2014-08", 1.0), score("2014-08", 0.7)]
    cloudy, snowy, spring = score("2015-08", 0.5), score("2015-09", 1.0), score("2016-05", 1.0)
    other, better = score("2014-08", 0.85, "b"), score("2014-09", 0.9, "b")
    images = [better, *parts, score("2014-09", 0.8), cloudy, snowy, spring, other]
    snow = {("a", snowy.month): 0.3}
    assert choose_images(images, lambda _: SEASON, snow) == [better, *parts]
    assert choose_images(images, lambda _: SEASON, {}) == [better, *parts, snowy]
    autumns = {"a": Season((5,)), "b": SEASON}
    assert choose_images(images, autumns.__getitem__, {}) == [better, spring]
