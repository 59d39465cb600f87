"""Groups of images: who is served worst, and how sure that is."""

from datetime import date

import pytest

from glacier.evaluation.fairness import compare_groups, name_season
from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore


def make_image(region: str, month: int, tp: int, fp: int = 0, fn: int = 0) -> ImageScore:
    return ImageScore(
        region=region, month=date(2020, month, 1), counts=Counts(tp=tp, fp=fp, fn=fn, tn=10)
    )


IMAGES = [
    make_image("alps", 8, 90, 10),
    make_image("alps", 9, 80, 10, 10),
    make_image("andes", 2, 50, 0, 50),
    make_image("andes", 3, 60, 0, 40),
    make_image("andes", 1, 70, 0, 30),
]


def test_the_worst_group_of_each_kind_comes_first() -> None:
    found = compare_groups(IMAGES, {"andes"}, {})
    assert [(group.kind, group.name) for group in found] == [
        ("region", "andes"), ("region", "alps"),
        ("hemisphere", "south"), ("hemisphere", "north"),
        ("season", "autumn"), ("season", "summer"),
    ]  # fmt: skip
    andes, alps = found[:2]
    assert andes.iou == pytest.approx(0.6) and alps.iou == pytest.approx(170 / 200)
    assert andes.area_error == pytest.approx(-0.4) and alps.area_error == pytest.approx(10 / 180)
    assert andes.images == 3 and andes.iou_interval and andes.area_interval
    assert andes.iou_interval[0] == pytest.approx(0.5) and andes.iou_interval[1] >= 0.65
    assert andes.area_interval[0] < -0.4 < andes.area_interval[1]


def claim(image: ImageScore, pixels: float) -> ImageScore:
    """The image with so many pixels of glacier claimed."""
    return image.model_copy(update={"claimed_px": pixels})


def test_a_group_that_claims_more_than_there_is_has_that_as_its_calibration() -> None:
    images = [claim(image, image.counts.glacier_pixels + 5.5) for image in IMAGES[:2]]
    images += [claim(image, image.counts.glacier_pixels) for image in IMAGES[2:]]
    andes, alps = compare_groups(images, {"andes"}, {})[:2]
    assert andes.calibration == 0 and andes.calibration_interval == (0, 0)
    pixels = sum(image.counts.pixels for image in IMAGES[:2])
    assert alps.calibration == pytest.approx(11 / pixels)
    assert alps.calibration_interval
    assert alps.calibration_interval[0] <= alps.calibration <= alps.calibration_interval[1]


def test_a_method_without_probabilities_has_no_calibration() -> None:
    found = compare_groups([claim(IMAGES[0], 3), *IMAGES[1:]], {"andes"}, {})
    assert [(g.name, g.calibration) for g in found[:2]] == [("andes", None), ("alps", None)]


def test_a_kind_of_one_group_is_no_comparison() -> None:
    assert compare_groups(IMAGES[:1], (), {}) == ()


def test_sensors_count_where_they_are_known() -> None:
    sensors = {"alps/2020-08": "LANDSAT_8", "alps/2020-09": "LANDSAT_7"}
    found = [g for g in compare_groups(IMAGES, {"andes"}, sensors) if g.kind == "sensor"]
    assert [group.name for group in found] == ["LANDSAT_7", "LANDSAT_8"]
    assert found[0].iou_interval is None and found[0].area_interval is None


def test_a_group_without_ice_has_no_error_of_area() -> None:
    (bare, _) = compare_groups([make_image("a", 8, 0, 5), make_image("b", 8, 9)], (), {})
    assert bare.name == "a" and bare.iou == 0 and bare.area_error is None


@pytest.mark.parametrize(
    ("month", "region", "season"),
    [(12, "alps", "winter"), (2, "alps", "winter"), (3, "alps", "spring"), (8, "alps", "summer"),
     (2, "andes", "summer"), (6, "andes", "winter"), (11, "andes", "spring")],
)  # fmt: skip
def test_seasons_are_those_of_the_place(month: int, region: str, season: str) -> None:
    assert name_season(make_image(region, month, 1), {"andes"}) == season
