"""Where a method errs: sums over folds with answers in closed form."""

import pytest

from glacier.evaluation.breakdown import (
    break_down,
    compare_with_truth,
    late_summer_months,
    measure_late_summer,
    name_share,
)


def row(month: str, tp: int, fp: int, seen: float = 1.0, metres: float = 10.0) -> dict:
    """A test image without missed ice."""
    return {
        "region": "a", "month": f"{month}-01", "tp": tp, "fp": fp, "fn": 0, "tn": 5,
        "valid_share": seen, "boundary_mean_m": metres,
    }  # fmt: skip


def test_classes_and_sizes_add_up_over_the_folds() -> None:
    parts = [
        {
            "classes": {"rock": {"pixels": 30, "called": 3}},
            "sizes": {"small": {"tp": 1, "fp": 1, "fn": 0, "tn": 9}},
        },
        {
            "classes": {"rock": {"pixels": 10, "called": 1}, "water": {"pixels": 5, "called": 0}},
            "sizes": {
                "large": {"tp": 8, "fp": 0, "fn": 2, "tn": 0},
                "small": {"tp": 1, "fp": 0, "fn": 1, "tn": 0},
            },
        },
    ]
    found = break_down(parts)
    assert found["by_class"] == {
        "rock": {"pixels": 40, "called": 4, "share": 0.1},
        "water": {"pixels": 5, "called": 0, "share": 0.0},
    }
    assert found["by_size"] == {
        "small": {"iou": 0.5, "pixels": 3},
        "large": {"iou": 0.8, "pixels": 10},
    }
    assert found["against_truth"] is None


def test_the_same_month_of_all_years_and_folds_counts_together() -> None:
    parts = [
        {"tested": [row("2015-03", 1, 2), row("2015-08", 4, 0)]},
        {"tested": [row("2016-08", 2, 0), row("2016-08", 0, 4, seen=0.1)]},
    ]
    found = break_down(parts)
    assert found["by_month"] == {
        3: {"dice": 0.5, "images": 1},
        8: {"dice": pytest.approx(12 / 16), "images": 2},
    }
    assert found["by_region"] == {"a": {"dice": pytest.approx(14 / 20), "images": 3}}
    assert list(found["by_seen"]) == ["below 50 %", "95 % and more"]
    assert found["by_seen"]["below 50 %"] == {"dice": 0.0, "images": 1}


@pytest.mark.parametrize(
    ("share", "name"),
    [(0.0, "below 50 %"), (0.5, "50 to 80 %"), (0.8, "80 to 95 %"), (0.95, "95 % and more"),
     (1.0, "95 % and more")],
)  # fmt: skip
def test_shares_belong_to_the_class_that_they_begin(share: float, name: str) -> None:
    assert name_share({"valid_share": share}) == name


def test_labels_and_answers_are_weighed_against_the_truth_year_by_year() -> None:
    def mask(tp: int, fp: int, metres: float) -> dict:
        return {"tp": tp, "fp": fp, "fn": 0, "tn": 0, "boundary_mean_m": metres}

    rows = [
        {"month": "2014-08-01", "answer": mask(5, 0, 20), "label": mask(5, 0, 0)},
        {"month": "2023-08-01", "answer": mask(5, 2, 40), "label": mask(5, 10, 90)},
    ]
    found = compare_with_truth(rows)
    assert found == {
        "answer": pytest.approx(20 / 22), "label": pytest.approx(20 / 30),
        "answer_boundary_m": 30, "label_boundary_m": 45,
        "years": {
            "2014": {"answer": 1.0, "label": 1.0},
            "2023": {"answer": pytest.approx(10 / 12), "label": pytest.approx(0.5)},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("latitudes", "months"),
    [([46.0], (8, 9)), ([-43.5], (2, 3)), ([46.0, -43.5], None), ([46.0, None], None), ([], None)],
)
def test_late_summer_follows_the_side_of_the_equator(
    latitudes: list[float | None], months: tuple[int, int] | None
) -> None:
    regions = [
        {"polygon": None if lat is None else [[7, lat], [8, lat], [8, lat + 1]]}
        for lat in latitudes
    ]
    assert late_summer_months(regions) == months


def test_late_summer_is_clear_and_where_the_sun_is() -> None:
    parts = [
        {"tested": [row("2015-08", 1, 0, metres=20), row("2015-09", 1, 0, seen=0.9, metres=500)]},
        {"tested": [row("2015-09", 1, 0, metres=40), row("2015-02", 1, 0, metres=70)]},
    ]
    snow = {("a", "2015-08-01"): 0.01, ("a", "2015-09-01"): 0.2, ("a", "2015-02-01"): None}
    assert measure_late_summer(parts, (8, 9), snow) == {
        "images": 2, "boundary_mean_m": 30, "snowless": {"images": 1, "boundary_mean_m": 20},
    }  # fmt: skip
    assert measure_late_summer(parts, (2, 3), snow) == {
        "images": 1, "boundary_mean_m": 70, "snowless": None,
    }  # fmt: skip
    assert measure_late_summer(parts[:0], (8, 9), snow) is None
