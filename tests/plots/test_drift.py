"""The picture of a watch: which alarms it names."""

from datetime import date

from glacier.plots.drift import NAMED, ScoredMonth, choose_named, draw_drift


def alarm(month: date, score: float) -> ScoredMonth:
    return ScoredMonth(month, score, 3.0, is_reference=False)


def test_of_alarms_that_lie_near_the_farthest_is_named() -> None:
    far, near, later = (
        alarm(date(2020, 8, 1), 9), alarm(date(2020, 7, 1), 8), alarm(date(2021, 8, 1), 4),
    )  # fmt: skip
    assert choose_named([far, near, later]) == [far, later]
    many = [alarm(date(1990 + k, 8, 1), 50 - k) for k in range(20)]
    assert choose_named(many) == many[:NAMED]


def test_the_picture_says_all_alarms_in_words() -> None:
    months = [alarm(date(2020, month, 1), 1.0 + 4 * (month == 8)) for month in range(1, 13)]
    assert draw_drift("Aletsch", months).alt == "Aletsch: 12 months; alarms: 2020-08"
