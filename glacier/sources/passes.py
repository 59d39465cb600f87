"""One overpass counts once: which scenes are one scene made twice, and which are rows of one pass.

The rule, for every source: a scene is a satellite, path, row and day. Of one that was made more
than once the better tier is read, then the later processing, then the product with a thermal band.
Rows of one pass (the same satellite and path within an hour, while a path comes back after 16 days)
overlap, and see the ground there at the same moment: they are laid together before anything is
counted, and where both are clear the better tier, then the lower row shows. What a row hides as
cloud the next may show, since each was judged by itself.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol, TypeVar

import numpy as np

from glacier.composite import Scene
from glacier.landsat import BANDS, NODATA
from glacier.satellites import LETTER

T = TypeVar("T")

PASS_TIME = timedelta(hours=1)
"""Rows of a pass are taken within so long: a whole path from pole to pole takes 50 minutes."""

NAME = re.compile(
    r"^L[A-Z]0(?P<platform>[45789])_(?:(?P<level>L2S[PR])_)?(?P<path>\d{3})(?P<row>\d{3})_"
    r"(?P<day>\d{8})(?:_(?P<made>\d{8}))?(?:_02_(?P<tier>T[12]))?",
    re.IGNORECASE,
)
"""USGS product identifier, whole or as catalogues and Earth Engine shorten it.

Source: Landsat Collection 2 Level 2 Science Product Guide (LSDS-1619), naming convention.
"""


@dataclass(frozen=True)
class Product:
    """What tells a scene from others, and its versions apart."""

    platform: int
    """8 for Landsat 8."""
    path: int
    row: int
    day: date
    """Of the observation, by UTC."""
    tier: str = "T1"
    """``T1`` or ``T2``; what does not say is taken for the first."""
    made: str = ""
    """When it was processed, digits of a date or time; empty where unknown."""
    level: str = "L2SP"
    """``L2SP``, or ``L2SR`` for one without a thermal band."""

    @property
    def scene(self) -> tuple[int, int, int, date]:
        """The scene that it is a version of."""
        return self.platform, self.path, self.row, self.day

    @property
    def name(self) -> str:
        """Its USGS name without processing date, as catalogues have it."""
        return (
            f"L{LETTER[self.platform]}0{self.platform}_{self.level}_{self.path:03}{self.row:03}_{self.day:%Y%m%d}_02_"
            f"{self.tier}"
        )

    @property
    def rank(self) -> tuple[bool, str, bool]:
        """The best version of a scene has the highest."""
        return self.tier == "T1", self.made, self.level == "L2SP"

    @property
    def track(self) -> tuple[str, int]:
        """What its rows share in a pass: satellite and path."""
        return str(self.platform), self.path

    @property
    def order(self) -> tuple[str, int | str]:
        """Of rows of a pass, what shows where both are clear: the better tier, the lower row."""
        return self.tier, self.row


TILES = (
    re.compile(
        r"^(?P<mission>S2[A-D])_MSIL2A_(?P<day>\d{8})T\d{6}_(?:N\d{4}_)?R\d{3}_"
        r"T(?P<tile>\d{2}[A-Z]{3})(?:_(?P<made>\d{8}T\d{6}))?"
    ),
    re.compile(
        r"^(?P<mission>S2[A-D])_T?(?P<tile>\d{2}[A-Z]{3})_(?P<day>\d{8})(?:T\d{6})?"
        r"(?:_(?P<made>\d+))?_L2A"
    ),
    re.compile(r"^HLS\.(?P<mission>[LS]30)\.T(?P<tile>\d{2}[A-Z]{3})\.(?P<day>\d{7})T\d{6}"),
)
"""Names of scenes that come in tiles: Sentinel-2's own, Earth Search's, and the harmonised data's.

Source: ESA, Sentinel-2 naming convention since 2016; Earth Search v1; HLS Product User Guide 2.0.
"""


@dataclass(frozen=True)
class Tile:
    """What tells a scene from others that comes in tiles."""

    mission: str
    """``S2A``, or ``L30`` and ``S30`` of the harmonised data."""
    tile: str
    """Of the military grid, such as ``32TLR``."""
    day: date
    """Of the observation, by UTC."""
    made: str = ""
    """When it was processed, or how often; empty where unknown."""

    @property
    def scene(self) -> tuple[str, str, date]:
        """The scene that it is a version of."""
        return self.mission, self.tile, self.day

    @property
    def rank(self) -> tuple[int, str]:
        """The latest version of a scene has the highest."""
        return len(self.made), self.made

    @property
    def track(self) -> tuple[str, int]:
        """What its tiles share in a pass: an orbit takes longer than a pass over a place."""
        return self.mission, 0

    @property
    def order(self) -> tuple[str, int | str]:
        """Of tiles of a pass, which shows where both are clear: they were made alike."""
        return "", self.tile


def read_tile(name: str) -> Tile | None:
    """What the name of a scene in tiles tells; None where it is none, or its day is none."""
    match = next((found for pattern in TILES if (found := pattern.match(name))), None)
    if match is None:
        return None
    try:
        day = datetime.strptime(match["day"], "%Y%m%d" if len(match["day"]) == 8 else "%Y%j")
    except ValueError:
        return None
    return Tile(match["mission"], match["tile"], day.date(), match.groupdict().get("made") or "")


def read_product(name: str) -> Product | None:
    """What a name tells; None where it is no Landsat name, or its day is none."""
    if not (match := NAME.match(name)):
        return None
    try:
        day = datetime.strptime(match["day"], "%Y%m%d").date()
    except ValueError:
        return None
    return Product(
        int(match["platform"]), int(match["path"]), int(match["row"]), day,
        (match["tier"] or "T1").upper(), match["made"] or "", (match["level"] or "L2SP").upper(),
    )  # fmt: skip


class Version(Protocol):
    """One version of a scene, whatever tells it from others."""

    @property
    def scene(self) -> Hashable:
        """The scene that it is a version of."""

    @property
    def rank(self) -> Any:
        """The best version of a scene has the highest."""

    @property
    def track(self) -> tuple[str, int]:
        """What all scenes of a pass share."""

    @property
    def order(self) -> Any:
        """The place of a scene in its pass; the first shows where two are clear."""


def choose_versions(found: Iterable[tuple[Version | None, T]]) -> list[T]:
    """The best version of each scene, in the order in which the scenes came first.

    Args:
        found: Versions, each with what tells it apart; None: a scene of its own.
    """
    best: dict[object, tuple[Version | None, T]] = {}
    for at, (product, value) in enumerate(found):
        key = at if product is None else product.scene
        known = best[key][0] if key in best else None
        if product is None or known is None or product.rank > known.rank:
            best[key] = product, value
    return [value for _, value in best.values()]


def group_passes(found: Iterable[tuple[Version | None, datetime, T]]) -> list[list[T]]:
    """Rows, or tiles, of each pass together: the better tier first, then the lower row.

    Args:
        found: Scenes, each with what tells it apart and its time; None: a pass of its own.

    Returns:
        Passes by satellite, path and time; those whose scenes nothing is known of last.
    """
    named: list[tuple[Version, datetime, T]] = []
    passes: list[list[T]] = []
    for product, when, value in found:
        if product is None:
            passes.append([value])
        else:
            named.append((product, when, value))
    groups: list[list[tuple[Version, datetime, T]]] = []
    for entry in sorted(named, key=lambda e: (e[0].track, e[1], e[0].order)):
        product, when, _ = entry
        last = groups[-1][-1] if groups else None
        same = last is not None and last[0].track == product.track
        if last is not None and same and when - groups[-1][0][1] <= PASS_TIME:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    ordered = [sorted(group, key=lambda e: e[0].order) for group in groups]
    return [[value for *_, value in group] for group in ordered] + passes


def merge_scenes(scenes: Sequence[Scene]) -> list[Scene]:
    """Scenes of one grid as one observation a pass, named by its first row."""
    found = [
        (read_product(scene.scene_id) or read_tile(scene.scene_id), scene.acquired, scene)
        for scene in scenes
    ]
    return [merge_rows(rows) for rows in group_passes(found)]


def merge_rows(rows: Sequence[Scene]) -> Scene:
    """Rows of a pass as one scene: of each pixel and band the first row that has it.

    Args:
        rows: Scenes whose bands are 0 wherever they are not clear.
    """
    merged = rows[0]
    for row in rows[1:]:
        seen = np.any([band != NODATA for band in merged.bands.values()], axis=0)
        empty = np.zeros(seen.shape, np.uint16)
        bands = {}
        for name in BANDS:
            if name in merged.bands or name in row.bands:
                upper, lower = merged.bands.get(name, empty), row.bands.get(name, empty)
                bands[name] = np.where(upper == NODATA, lower, upper)
        qa_pixel = np.where(seen, merged.qa_pixel, row.qa_pixel)
        radsat = None
        if merged.qa_radsat is not None and row.qa_radsat is not None:
            radsat = np.where(seen, merged.qa_radsat, row.qa_radsat)
        merged = replace(merged, bands=bands, qa_pixel=qa_pixel, qa_radsat=radsat)
    return merged
