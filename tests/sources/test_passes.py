"""Versions of a scene and rows of a pass, by names as files, catalogues and Earth Engine have."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glacier.sources.passes import Product, choose_versions, group_passes, read_product

SCENE = "LC08_L2SP_057019_20140705"
WHEN = datetime(2014, 7, 5, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "made", "tier", "level"),
    [
        (f"{SCENE}_20200912_02_T1", "20200912", "T1", "L2SP"),
        (f"{SCENE}_20200912_02_T2_SR", "20200912", "T2", "L2SP"),
        (f"{SCENE}_02_T2", "", "T2", "L2SP"),
        ("LC08_L2SR_057019_20140705_02_T1", "", "T1", "L2SR"),
        ("LC08_057019_20140705", "", "T1", "L2SP"),
    ],
)
def test_names_tell_satellite_place_day_and_version(
    name: str, made: str, tier: str, level: str
) -> None:
    assert read_product(name) == Product(8, 57, 19, date(2014, 7, 5), tier, made, level)


@pytest.mark.parametrize("name", ["LC08_SYNTHETIC_x_20140705", "x", "LC08_L2SP_057019_20141305"])
def test_other_names_tell_nothing(name: str) -> None:
    assert read_product(name) is None


@given(st.permutations(range(5)))
def test_of_versions_the_better_tier_wins_then_the_later_then_the_thermal(order: list[int]) -> None:
    names = [
        f"{SCENE}_20210101_02_T2", f"{SCENE}_20150101_02_T1", f"{SCENE}_20200101_02_T1",
        "LC08_L2SR_057019_20140705_20200101_02_T1", "LC08_L2SP_057020_20140705_20150101_02_T2",
    ]  # fmt: skip
    found = choose_versions((read_product(names[k]), names[k]) for k in order)
    assert set(found) == {names[2], names[4]}
    others = choose_versions([(None, "a"), (None, "b")])
    assert others == ["a", "b"]


def group(*scenes: tuple[str, float]) -> list[list[str]]:
    """Passes of scenes by name and minutes after ``WHEN``."""
    return group_passes(
        (read_product(name), WHEN + timedelta(minutes=minutes), name) for name, minutes in scenes
    )


def test_rows_of_a_path_within_the_hour_are_one_pass() -> None:
    rows = [f"LC08_L2SP_0570{row}_20140705_02_T1" for row in (18, 19, 20)]
    assert group(*zip(reversed(rows), (0.8, 0.4, 0), strict=True)) == [rows]


def test_a_pass_over_midnight_is_one_and_sixteen_days_later_is_another() -> None:
    first, second = "LC08_L2SP_057018_20140705_02_T1", "LC08_L2SP_057019_20140706_02_T1"
    assert group((first, 239.9), (second, 240.3)) == [[first, second]]
    later = "LC08_L2SP_057018_20140721_02_T1"
    assert group((first, 0), (later, 16 * 24 * 60)) == [[first], [later]]


def test_the_better_tier_of_a_pass_shows_first() -> None:
    rows = ["LC08_L2SP_057019_20140705_02_T1", "LC08_L2SP_057018_20140705_02_T2"]
    assert group((rows[1], 0), (rows[0], 0.4)) == [rows]
