"""An explanation in sentences for people who do not read saliency, computed from its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from glacier.explaining.explanation import BandEffect, Explanation, RegionWorth
from glacier.labels import GLACIER

BANDS = {
    "blue": "blue",
    "green": "green",
    "red": "red",
    "nir": "near infrared",
    "swir1": "shortwave infrared 1",
    "swir2": "shortwave infrared 2",
    "ndsi": "the snow index NDSI",
}
"""Bands as people call them."""

SURFACES = {
    "rock": "rock",
    "vegetation": "plants",
    "water": "lake",
    "snow": "seasonal snow",
    "clean_ice": "clean ice",
    "debris_ice": "ice under debris",
    "snow_on_ice": "ice under snow",
}
"""Surfaces likewise."""

METHODS = {
    "patches": "squares replaced",
    "gradients": "integrated gradients",
    "cam": "Grad-CAM",
    "shap": "SHAP",
    "lime": "LIME",
}
"""Methods that draw, as people call them."""

ICE = {surface.name.lower() for surface in GLACIER}
"""Surfaces that are glacier."""

UNKNOWN = {
    "would count as ice": "other ground",
    "would no longer count as ice": "the mapped ice",
}
"""What changes its class where no surface is known."""

LITTLE = 0.01
"""Share of the ice whose change is not worth a word."""

AHEAD = 2.0
"""How many times the next one's change a band's must be for it to decide alone."""

NAMED = 0.1
"""Share of a change from which a part of it is named."""

GOOD_SUM = 0.05
"""Share of a difference that integrated gradients may lack."""


def write_sentences(found: Explanation) -> tuple[str, ...]:
    """All that is said of an explanation, the most important first."""
    parts = (
        tell_bands(found.bands, found.ice_km2, found.shapley),
        tell_checks(found),
        tell_region(found.region),
    )
    return tuple(sentence for part in parts for sentence in part)


def name_band(band: str) -> str:
    """A band at the beginning of a sentence."""
    name = BANDS.get(band, band)
    return name[0].upper() + name[1:]


def tell_bands(
    effects: Sequence[BandEffect], ice_km2: float, shapley: Mapping[str, float]
) -> Iterator[str]:
    """Which band decides, by the area that would change without it, and what of the others.

    Args:
        effects: Of all bands; none: nothing is said.
        ice_km2: Of the map as it is.
        shapley: Band to its Shapley value; empty: nobody knows.
    """
    if not effects:
        return
    first, *others = sorted(effects, key=lambda effect: -effect.changed_km2)
    if first.changed_km2 <= LITTLE * ice_km2:
        yield (
            f"No single band decides here: of {show_km2(ice_km2)} of ice hardly any would "
            "change its class without any one of them."
        )
        return
    alone = not others or first.changed_km2 >= AHEAD * others[0].changed_km2
    role = "decides here" if alone else "weighs most here, but not alone"
    yield f"{name_band(first.band)} {role}: without it {tell_change(first)}."
    for effect in others:
        if effect.changed_km2 >= LITTLE * ice_km2 and effect.changed_km2:
            yield f"Without {BANDS.get(effect.band, effect.band)}, {tell_change(effect)}."
    if shapley:
        most = max(shapley, key=lambda band: abs(shapley[band]))
        if most != first.band:
            yield (
                f"Asked for the strength of the answer instead of the area, "
                f"{BANDS.get(most, most)} weighs most: bands that say the same share their weight "
                "in one count and hide each other in the other."
            )


def tell_change(effect: BandEffect) -> str:
    """What would change without a band, as a clause."""
    clauses = (
        *split_surfaces(
            effect.gained_on, effect.gained_km2, "would count as ice", "would be found"
        ),
        *split_surfaces(
            effect.lost_on, effect.lost_km2, "would no longer count as ice", "would be missed"
        ),
    )
    told = [(area, clause) for area, clause in clauses if area >= NAMED * effect.changed_km2 > 0]
    return " and ".join(clause for _, clause in told) or "nothing would change its class"


def split_surfaces(
    areas: Mapping[str, float], whole_km2: float, wrong: str, right: str
) -> Iterator[tuple[float, str]]:
    """What becomes of ground that is no glacier, and of ground that is one: area and clause.

    Args:
        areas: Surface to its area, km2; empty where no surface is known.
        whole_km2: Of all of them.
        wrong: What becomes of ground that is no glacier, or of which nobody knows.
        right: What becomes of glacier.
    """
    if not areas:
        yield whole_km2, f"{show_km2(whole_km2)} of {UNKNOWN[wrong]} {wrong}"
        return
    for is_ice, clause in ((False, wrong), (True, right)):
        own = {name: area for name, area in areas.items() if (name in ICE) == is_ice}
        if own:
            yield sum(own.values()), f"{list_surfaces(own)} {clause}"


def list_surfaces(areas: Mapping[str, float]) -> str:
    """Surfaces that make up much of an area."""
    whole_km2 = sum(areas.values())
    shown = [
        f"{show_km2(area)} of {SURFACES[name]}"
        for name, area in areas.items()
        if area >= NAMED * whole_km2
    ]
    return ", ".join(shown[:-1]) + (" and " if len(shown) > 1 else "") + shown[-1]


def show_km2(area_km2: float) -> str:
    """An area with two digits that count: ``0.9 km²``."""
    digits = 0 if area_km2 >= 10 else 1 if area_km2 >= 0.95 else 2 if area_km2 >= 0.095 else 3
    text = f"{area_km2:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} km²"


def tell_checks(found: Explanation) -> Iterator[str]:
    """Whether the pictures are to be believed."""
    for each in found.sums:
        if each.method == "gradients" and abs(each.gap) > GOOD_SUM * abs(each.whole):
            yield (
                "The parts that integrated gradients name do not add up to the answer (they lack "
                f"{each.gap:+.2g} of {each.whole:+.2g}): raise explain.steps before you read them."
            )
    if found.randomised is not None:
        if found.randomised.passed:
            little = found.randomised.left > found.randomised.random_pairs
            left = "hardly anything of it is left" if little else (
                "no more of it is left than two ignorant models share"
            )  # fmt: skip
            yield (
                "The picture of the gradients hangs on what the model learned: with its weights "
                f"dealt out anew {left}."
            )
        else:
            yield (
                "Do not read the picture of the gradients here: models whose weights were dealt "
                "out anew still draw much of it."
            )
    weak = [
        METHODS[curve.method]
        for curve in found.curves
        if max(curve.beaten_deletion, curve.beaten_insertion) <= 0.5
    ]
    if weak:
        verb = "names" if len(weak) == 1 else "name"
        yield (
            f"The patches that {' and '.join(weak)} {verb} move the answer no more than patches "
            "named at random."
        )


def tell_region(worth: RegionWorth | None) -> Iterator[str]:
    """What the bands are worth beyond this one map."""
    if worth is None:
        return
    ranked = sorted(worth.bands, key=lambda band: -band.iou_drop)
    shown = [band for band in ranked if band.low > 0]
    count = f"{len(worth.images)} tested image{'s' if len(worth.images) > 1 else ''}"
    if not shown:
        yield f"Over {count} no band is worth more than chance by itself."
        return
    yield (
        f"Over {count} (overlap with the labels {worth.iou:.2f}) the map loses most without "
        + join_worths([f"{BANDS.get(w.band, w.band)} ({w.iou_drop:.2f} of it, {w.low:.2f} to "
                       f"{w.high:.2f})" for w in shown[:3]])
        + "."
    )  # fmt: skip


def join_worths(texts: Sequence[str]) -> str:
    """One after the other: ``a, then b``."""
    return ", then ".join(texts)
