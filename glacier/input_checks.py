"""What a run reads, looked at before its first byte: outlines on each grid, bands of the files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from glacier.config import Config
from glacier.errors import GlacierError, VectorError
from glacier.geo.raster import Grid
from glacier.landsat import BAND_OF
from glacier.progress import Progress
from glacier.samples.bands import image_bands, label_bands
from glacier.sources.source import Source
from glacier.wording import join_words, shorten_list

if TYPE_CHECKING:
    from glacier.geo.vector_layers import VectorFile
    from glacier.geo.vectors import Outlines

MOST_PX = 1000
"""Side of a grid that outlines are drawn on just to see whether they can be, pixels."""

SHOWN = 3
"""Regions that a sentence names; it counts the others."""


def refuse_outlines(config: Config, grids: Mapping[str, Grid]) -> Iterator[str]:
    """Why outlines that lie here cannot be drawn on the regions, each reason once.

    Those of an object store are not fetched for it, nor is a file that is not there said again.
    """
    label = config.prepare.label
    if not any(label.list_files()):
        return
    # geopandas takes a second, which most runs do without
    from glacier.geo.vectors import read_outlines
    from glacier.samples.outlines import debris_file, glacier_file

    reasons: dict[str, list[str]] = {}
    regions: dict[VectorFile, list[str]] = {}
    for name in grids:
        own = label.of(name)
        for file in (glacier_file(own), debris_file(own)):
            if file and "://" not in file.address and os.access(file.address, os.R_OK):
                regions.setdefault(file, []).append(name)
    for file, names in regions.items():
        try:
            outlines = read_outlines(file)
        except GlacierError as error:
            reasons[str(error)] = names
            continue
        with Progress(f"looking at {file.name}", len(names), is_brief=True) as progress:
            for name, grid in ((name, grids[name]) for name in names):
                if reason := explain_undrawable(outlines, grid):
                    reasons.setdefault(reason, []).append(name)
                progress.advance(name)
    for reason, names in reasons.items():
        yield f"region {shorten_list(names, SHOWN)}: {reason}"


def explain_undrawable(outlines: Outlines, grid: Grid) -> str:
    """Why outlines cannot be drawn on a grid; nothing where they can.

    A large grid is tried with larger pixels first, so that no driver holds one of a large region;
    what these miss, such as a glacier smaller than they are, its own may meet.
    """
    from glacier.geo.vectors import burn_outlines

    step = math.ceil(max(grid.shape) / MOST_PX)
    height, width = max(1, grid.height // step), max(1, grid.width // step)
    coarse = replace(grid, pixel_m=grid.pixel_m * step, height=height, width=width)
    reason = ""
    for tried in (coarse, grid):
        try:
            burn_outlines(outlines, tried)
        except VectorError as error:
            reason = str(error)
        else:
            return ""
    return reason


def refuse_bands(config: Config, source: Source) -> Iterator[str]:
    """Why the samples of a region could not be made: its source lacks a band that they need."""
    image, label = image_bands(config.prepare), label_bands(config.prepare.label)
    colours = {band: name for name, band in BAND_OF.items()}
    regions: dict[frozenset[str], list[str]] = {}
    for region in config.regions:
        try:
            found = frozenset(source.find_lacking(region, image | label))
        except GlacierError:  # said with the region's grid
            continue
        if found:
            regions.setdefault(found, []).append(region.name)
    for lacking, names in regions.items():
        bands = join_words([f"{band} ({colours[band]})" for band in sorted(lacking)])
        askers = [f"prepare.image = {', '.join(config.prepare.image)}"] if lacking & image else []
        askers += [f"prepare.label.kind = {config.prepare.label.kind}"] if lacking & label else []
        yield (
            f"{join_words(askers)}: the files of region {shorten_list(names, SHOWN)} lack {bands}; "
            "ask for bands that they hold, or add those to the files"
        )
