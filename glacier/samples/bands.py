"""Bands that images and labels are made of, by their Landsat names."""

from __future__ import annotations

from collections.abc import Iterable

from glacier.landsat import BAND_OF
from glacier.settings.labels import Label
from glacier.settings.prepare import Prepare

LABEL_BANDS = {
    "outlines": {"green", "nir", "swir1"},
    "ndsi": {"green", "nir", "swir1"},
    "threshold": {"nir", "red", "green"},
}
"""What a label reads, by its kind; outlines only to see whether snow lies around them."""


def image_bands(settings: Prepare) -> set[str]:
    """Bands without which there is no image, by their Landsat names."""
    return name_bands(settings.image)


def label_bands(settings: Label) -> set[str]:
    """Bands without which there is no label, by their Landsat names.

    Outlines do without: theirs only tell snow, where they are there; but beside debris alone they
    tell what may be ice.
    """
    if settings.kind == "outlines" and not settings.debris_alone:
        return set()
    return name_bands(LABEL_BANDS.get(settings.kind, ()))


def name_bands(colours: Iterable[str]) -> set[str]:
    """Landsat's names of the bands that colours and indices are made of."""
    plain = set(colours)
    if "ndsi" in plain:
        plain = plain - {"ndsi"} | {"green", "swir1"}
    return {BAND_OF[name] for name in plain}
