"""Sentences follow from the numbers, and say no more."""

import pytest

from glacier.explaining.explanation import (
    BandEffect,
    Curves,
    Explanation,
    PlaceFacts,
    Randomised,
    RegionWorth,
    Sum,
    Worth,
)
from glacier.explaining.words import show_km2, write_sentences
from glacier.settings.explain import Explain


def make_effect(band: str, gained_km2: float, lost_km2: float = 0, **changes) -> BandEffect:
    values = {"band": band, "strength_drop": 1.0, "ice_km2": 5.0, "gained_km2": gained_km2,
              "lost_km2": lost_km2}  # fmt: skip
    return BandEffect(**values | changes)


def make_explanation(*bands: BandEffect, **changes) -> Explanation:
    place = PlaceFacts(region="ridge", month="2020-08", point=None, side_m=None, shape=(9, 9),
                       pixel_km2=0.0009, seen_px=81)  # fmt: skip
    facts = {"place": place, "models": (), "settings": Explain(), "ice_km2": 5.0, "strength": 2.0,
             "bands_seen": tuple(b.band for b in bands), "bands": bands}  # fmt: skip
    return Explanation(**(facts | changes))


def test_the_band_without_which_most_changes_decides() -> None:
    water = make_effect("swir1", 0.9, gained_on={"water": 0.88, "rock": 0.02})
    said = write_sentences(make_explanation(make_effect("nir", 0.1), water))
    assert said == (
        "Shortwave infrared 1 decides here: without it 0.88 km² of lake would count as ice.",
        "Without near infrared, 0.1 km² of other ground would count as ice.",
    )


def test_bands_that_change_alike_do_not_decide_alone() -> None:
    said = write_sentences(make_explanation(make_effect("nir", 0, 0.5), make_effect("red", 0.4)))
    assert said[0] == (
        "Near infrared weighs most here, but not alone: without it 0.5 km² of the mapped ice "
        "would no longer count as ice."
    )


def test_right_and_wrong_changes_are_told_apart_and_small_ones_left_out() -> None:
    both = make_effect("nir", 1.05, 0.01, gained_on={"rock": 0.8, "clean_ice": 0.25},
                       lost_on={"snow": 0.01})  # fmt: skip
    (said,) = write_sentences(make_explanation(both))
    assert said.endswith(
        "without it 0.8 km² of rock would count as ice and 0.25 km² of clean ice would be found."
    )


def test_where_nothing_changes_nobody_decides() -> None:
    said = write_sentences(make_explanation(make_effect("nir", 0.01), make_effect("red", 0)))
    assert said == (
        "No single band decides here: of 5 km² of ice hardly any would change its class without "
        "any one of them.",
    )


def test_surfaces_that_are_lost_are_named() -> None:
    lost = make_effect("nir", 0, 2.0, lost_on={"clean_ice": 1.5, "debris_ice": 0.5})
    (said,) = write_sentences(make_explanation(lost))
    assert said.endswith("1.5 km² of clean ice and 0.5 km² of ice under debris would be missed.")


def test_shares_that_speak_of_another_band_are_told() -> None:
    found = make_explanation(
        make_effect("nir", 1.0), make_effect("red", 0), shapley={"nir": 0.1, "red": -0.7}
    )
    assert "red weighs most" in write_sentences(found)[1]


def test_failed_checks_are_said() -> None:
    flat = (0.0, 0.0)
    curve = Curves(method="cam", deletion=flat, insertion=flat, random_deletion=flat,
                   random_insertion=flat, beaten_deletion=0.4, beaten_insertion=0.5)  # fmt: skip
    said = write_sentences(
        make_explanation(
            sums=(Sum(method="gradients", whole=2.0, gap=0.3),),
            randomised=Randomised(stages=(), left=0.5, random_pairs=0.2, passed=False),
            curves=(curve,),
        )
    )
    assert "they lack +0.3 of +2" in said[0] and "raise explain.steps" in said[0]
    assert said[1].startswith("Do not read the picture of the gradients")
    assert "Grad-CAM names move the answer no more than patches named at random" in said[2]


@pytest.mark.parametrize(
    ("left", "words"),
    [(0.07, "hardly anything of it is left"), (0.04, "than two ignorant models share")],
)
def test_a_picture_that_hangs_on_the_weights_is_said_to(left: float, words: str) -> None:
    test = Randomised(stages=(), left=left, random_pairs=0.05, passed=True)
    (said,) = write_sentences(make_explanation(randomised=test))
    assert words in said


def test_what_bands_are_worth_for_the_region_is_said_where_it_is_more_than_chance() -> None:
    def tell(low: float) -> str:
        worth = Worth(band="swir1", iou_drop=0.21, low=low, high=0.3)
        region = RegionWorth(images=("a", "b"), iou=0.81, units=2, unit="images", bands=(worth,))
        return write_sentences(make_explanation(region=region))[-1]

    assert tell(0.1) == (
        "Over 2 tested images (overlap with the labels 0.81) the map loses most without shortwave "
        "infrared 1 (0.21 of it, 0.10 to 0.30)."
    )
    assert tell(-0.1) == "Over 2 tested images no band is worth more than chance by itself."


def test_areas_have_two_digits_that_count() -> None:
    shown = {12.34: "12 km²", 1.04: "1 km²", 0.9: "0.9 km²", 0.0123: "0.012 km²", 20.0: "20 km²"}
    assert {area: show_km2(area) for area in shown} == shown
