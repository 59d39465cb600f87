"""Where a method errs: sums over folds with answers in closed form."""

from datetime import date

import pytest

from glacier.evaluation.breakdown import (
    ClassScore,
    GroupScore,
    LateSummer,
    SizeScore,
    SummerOutlines,
    TruthComparison,
    TruthDice,
    break_down,
    compare_with_truth,
    late_summer_months,
    measure_late_summer,
    name_share,
)
from glacier.evaluation.metrics import ClassPixels, Counts
from glacier.evaluation.scorecard import (
    ImageScore,
    MaskScore,
    OutlineScore,
    Scorecard,
    TruthScore,
)
from tests.support.sweeps import make_image


def seen(month: str, tp: int, fp: int, share: float = 1.0, metres: float = 10.0) -> ImageScore:
    """A test image without missed ice."""
    return make_image(
        Counts(tp, fp, 0, 5),
        date.fromisoformat(f"{month}-01"),
        valid_share=share,
        outline=OutlineScore(mean_m=metres),
    )


def card_of(*images: ImageScore) -> Scorecard:
    return Scorecard(images=images)


def test_classes_and_sizes_add_up_over_the_folds() -> None:
    cards = [
        Scorecard(
            classes={"rock": ClassPixels(30, 3)},
            sizes={"small": Counts(tp=1, fp=1, fn=0, tn=9)},
        ),
        Scorecard(
            classes={"rock": ClassPixels(10, 1), "water": ClassPixels(5, 0)},
            sizes={
                "large": Counts(tp=8, fp=0, fn=2, tn=0),
                "small": Counts(tp=1, fp=0, fn=1, tn=0),
            },
        ),
    ]
    found = break_down(cards)
    assert found.by_class == {
        "rock": ClassScore(pixels=40, predicted=4, share=0.1),
        "water": ClassScore(pixels=5, predicted=0, share=0.0),
    }
    assert found.by_size == {
        "small": SizeScore(iou=0.5, pixels=3),
        "large": SizeScore(iou=0.8, pixels=10),
    }
    assert found.against_truth is None


def test_the_same_month_of_all_years_and_folds_counts_together() -> None:
    cards = [
        card_of(seen("2015-03", 1, 2), seen("2015-08", 4, 0)),
        card_of(seen("2016-08", 2, 0), seen("2016-08", 0, 4, share=0.1)),
    ]
    found = break_down(cards)
    assert found.by_month == {
        3: GroupScore(dice=0.5, images=1, iou=1 / 3),
        8: GroupScore(dice=12 / 16, images=2, iou=6 / 10),
    }
    assert found.by_region == {"a": GroupScore(dice=14 / 20, images=3, iou=7 / 13)}
    assert list(found.by_seen) == ["below 50 %", "95 % and more"]
    assert found.by_seen["below 50 %"] == GroupScore(dice=0.0, images=1, iou=None)


@pytest.mark.parametrize(
    ("share", "name"),
    [(0.0, "below 50 %"), (0.5, "50 to 80 %"), (0.8, "80 to 95 %"), (0.95, "95 % and more"),
     (1.0, "95 % and more")],
)  # fmt: skip
def test_shares_belong_to_the_class_that_they_begin(share: float, name: str) -> None:
    assert name_share(make_image(Counts(), valid_share=share)) == name


def test_labels_and_predictions_are_weighed_against_the_truth_year_by_year() -> None:
    def mask(tp: int, fp: int, metres: float) -> MaskScore:
        return MaskScore(counts=Counts(tp, fp), outline=OutlineScore(mean_m=metres))

    def row(year: int, prediction: MaskScore, label: MaskScore) -> TruthScore:
        return TruthScore(region="a", month=date(year, 8, 1), prediction=prediction, label=label)

    rows = [
        row(2014, mask(5, 0, 20), mask(5, 0, 0)),
        row(2023, mask(5, 2, 40), mask(5, 10, 90)),
    ]
    assert compare_with_truth(rows) == TruthComparison(
        prediction=20 / 22,
        label=20 / 30,
        prediction_boundary_m=30,
        label_boundary_m=45,
        years={
            "2014": TruthDice(prediction=1.0, label=1.0),
            "2023": TruthDice(prediction=10 / 12, label=0.5),
        },
    )


@pytest.mark.parametrize(
    ("regions", "months"),
    [("n", (8, 9)), ("s", (2, 3)), ("nm", (8, 9)), ("ns", None), ("", None)],
)
def test_late_summer_follows_the_side_of_the_equator(
    regions: str, months: tuple[int, int] | None
) -> None:
    assert late_summer_months(regions, southern=("s", "t")) == months


def test_late_summer_is_clear_and_where_the_sun_is() -> None:
    cards = [
        card_of(seen("2015-08", 1, 0, metres=20), seen("2015-09", 1, 0, share=0.9, metres=500)),
        card_of(seen("2015-09", 1, 0, metres=40), seen("2015-02", 1, 0, metres=70)),
    ]
    snow = {("a", date(2015, 8, 1)): 0.01, ("a", date(2015, 9, 1)): 0.2,
            ("a", date(2015, 2, 1)): None}  # fmt: skip
    assert measure_late_summer(cards, (8, 9), snow) == LateSummer(
        images=2, boundary_mean_m=30, snowless=SummerOutlines(images=1, boundary_mean_m=20)
    )
    assert measure_late_summer(cards, (2, 3), snow) == LateSummer(
        images=1, boundary_mean_m=70, snowless=None
    )
    assert measure_late_summer(cards[:0], (8, 9), snow) is None
