"""The page of an explanation: sentences, pictures, numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glacier import __version__
from glacier.config import Config
from glacier.explaining.explanation import Explanation, Layers
from glacier.explaining.words import BANDS, METHODS, show_km2
from glacier.plots.attributions import (
    draw_bands,
    draw_change,
    draw_photograph,
    draw_values,
    draw_walks,
)
from glacier.plots.figures import Picture
from glacier.plots.pictures import CLASSES, FALSE, MISSED
from glacier.reports.templating import open_templates
from glacier.wording import shorten_list

COLOURS = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in (FALSE, MISSED)]
"""Of what would be gained and lost, as on the pictures of it."""

CHANGED = (
    (1, "ice, with the band and without"),
    (2, "would count as ice"),
    (3, "ice that would be lost"),
    (0, "no ice either way"),
    (4, "not looked at"),
)
"""Codes of a picture of change, and what they mean."""


@dataclass(frozen=True)
class Panel:
    """A picture with its heading."""

    name: str
    picture: Picture


def render_explanation(
    config: Config, found: Explanation, layers: Layers, wanted: NDArray[np.bool_]
) -> str:
    """The HTML page, with every picture inside it.

    Args:
        config: The run.
        found: The explanation.
        layers: What its pictures are drawn of.
        wanted: (H, W) bool, the seen pixels of the place.
    """
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in CLASSES]
    place = found.place
    return (
        open_templates()
        .get_template("explain.html.j2")
        .render(
            e=found,
            place=config.place(place.region),
            where=describe_place(found),
            ground=draw_ground(found, layers, wanted),
            maps=draw_maps(layers),
            charts=draw_charts(found),
            changed=[(colours[code], words) for code, words in CHANGED],
            names=BANDS,
            made=list_origin(config, found),
            show_km2=show_km2,
            methods=METHODS,
            synthetic=config.ingest.chosen.knows_truth,
        )
    )


def describe_place(found: Explanation) -> str:
    """The place in words."""
    place = found.place
    if place.point is None or place.side_m is None:
        return "the whole map"
    longitude, latitude = place.point
    return f"{place.side_m:g} m around {latitude:g}, {longitude:g} (latitude, longitude)"


def draw_ground(found: Explanation, layers: Layers, wanted: NDArray[np.bool_]) -> list[Panel]:
    """The image, its map, and the map without each band, cut to the place."""
    rows, cols = (np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0))
    cut = np.s_[..., rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    bands, ice = list(layers.without), layers.is_ice[cut]
    photograph = draw_photograph(
        layers.image[cut], found.bands_seen, f"The place in {found.place.month}, as it was seen."
    )
    panels = [
        Panel("the image", photograph),
        Panel("its map", draw_change(ice, ice, wanted[cut], "The map of the place.")),
    ]
    effects = {effect.band: effect for effect in found.bands}
    for band in bands:
        effect, name = effects[band], BANDS.get(band, band)
        alt = (
            f"Without {name} {show_km2(effect.gained_km2)} more would count as ice, and "
            f"{show_km2(effect.lost_km2)} of the ice would not."
        )
        picture = draw_change(ice, layers.without[band][cut], wanted[cut], alt)
        panels.append(Panel(f"without {name}", picture))
    return panels


def draw_maps(layers: Layers) -> list[Panel]:
    """What each method that draws says of the ground, cut to what the methods looked at."""
    if not layers.values:
        return []
    known = np.any([np.isfinite(values) for values in layers.values.values()], axis=0)
    rows, cols = (np.flatnonzero(known.any(axis=axis)) for axis in (1, 0))
    cut = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return [
        Panel(METHODS[name], draw_values(values[cut], f"What {METHODS[name]} says of the ground."))
        for name, values in layers.values.items()
    ]


def draw_charts(found: Explanation) -> dict[str, Panel]:
    """Charts of bands and of curves."""
    charts = {}
    if found.bands:
        areas = {
            "would count as ice": {e.band: e.gained_km2 for e in found.bands},
            "would no longer": {e.band: e.lost_km2 for e in found.bands},
        }
        charts["areas"] = Panel(
            "", draw_bands("area that would change without a band, km²", areas, COLOURS)
        )
    shares: dict[str, Mapping[str, float]] = {}
    if found.bands:
        shares["replaced alone"] = {e.band: e.strength_drop for e in found.bands}
    shares |= {"Shapley, exact": found.shapley} if found.shapley else {}
    shares |= {"integrated gradients": found.gradients} if found.gradients else {}
    if shares:
        charts["shares"] = Panel("", draw_bands("share of the answer's strength", shares))
    if found.curves:
        random = found.curves[0]
        for kind, title in (("deletion", "patches taken away, %"),
                            ("insertion", "patches put back, %")):  # fmt: skip
            lines = {METHODS[curve.method]: getattr(curve, kind) for curve in found.curves}
            lines["random order"] = getattr(random, f"random_{kind}")
            charts[kind] = Panel("", draw_walks(title, lines))
    return charts


def list_origin(config: Config, found: Explanation) -> list[tuple[str, str]]:
    """Where the numbers come from: names and values."""
    settings, place = found.settings, found.place
    names = [f"{name.encoder}, fold {name.fold}" for name in found.models]
    taken = {
        "mean": "by the mean of the training images, as an unseen pixel is",
        "permuted": "by its own values, dealt out anew among the pixels",
    }[settings.removal]
    credited = {"decision": "what the map shows, ice or not", "ice": "ice"}[settings.of]
    return [
        ("models", shorten_list(names, 4)),
        ("replaced", taken),
        ("strength of the answer", f"mean logit, over the pixels, for {credited}"),
        ("pixels of the place", f"{place.seen_px} seen, of {place.pixel_km2:.4g} km² each"),
        ("pixels of the squares of the slower methods", str(place.sampled_px)),
        ("side of a square", f"{settings.patch_px} pixels"),
        ("steps of integrated gradients", str(settings.steps)),
        ("seed", str(settings.seed)),
        ("time", f"{found.seconds:.0f} s"),
        ("run", f"{config.name}, glacier {__version__}"),
    ]
