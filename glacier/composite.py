"""Scenes of one month -> clear-sky median of digital numbers and the count of clear looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from glacier.landsat import BANDS, NODATA, SATURATED_OPTICAL, CloudProfile, is_clear


@dataclass(frozen=True)
class Scene:
    """One Landsat Level-2 scene on the region's grid."""

    scene_id: str
    """USGS product identifier, or what the source calls the image."""
    acquired: datetime
    """Time of observation, UTC."""
    bands: dict[str, NDArray[np.uint16]]
    """Band name to (H, W) uint16 digital numbers, 0 where there is no data."""
    qa_pixel: NDArray[np.uint16]
    """(H, W) uint16 QA_PIXEL."""
    sun_elevation_deg: float
    """Height of the sun over the horizon at the scene's centre, degrees."""
    qa_radsat: NDArray[np.uint16] | None = None
    """(H, W) uint16 QA_RADSAT, bit n - 1 for a saturated band n; None where unknown."""


@dataclass(frozen=True)
class Composite:
    """One month of one region."""

    bands: dict[str, NDArray[np.uint16]]
    """Band name to (H, W) uint16 median digital number, 0 where no look was clear."""
    n_obs: NDArray[np.uint16]
    """(H, W) uint16, number of clear looks."""
    scene_ids: list[str] = field(default_factory=list)
    """Scenes that took part, oldest first."""
    sun_elevation_deg: float | None = None
    """Mean over the scenes, degrees; None where the source does not know."""
    truth: NDArray[np.uint8] | None = None
    """(H, W) uint8 class map at mid-month (codes in ``sources.synthetic``), where known."""
    saturated_share: float | None = None
    """Share of the seen pixels with a saturated band in some look, 0..1; None where unknown."""
    skipped: tuple[str, ...] = ()
    """Scenes that could not be used, each with why."""
    repeats: int = 0
    """Requests that had to be sent again."""

    def valid_share(self) -> float:
        """Share of pixels with at least one clear look, 0..1."""
        return float((self.n_obs > 0).mean())


@dataclass(frozen=True)
class Empty:
    """A month that has no usable pixel: a result, not a failure."""

    reason: str
    """``solar_zenith``, ``no_scene``, ``all_masked`` or ``valid_share``, then details."""
    repeats: int = 0
    """Requests that had to be sent again."""


def composite_scenes(
    scenes: Sequence[Scene],
    profile: CloudProfile,
    truth: NDArray[np.uint8] | None = None,
    mask_saturated: bool = False,
) -> Composite | Empty:
    """Median of the clear looks of each pixel and band.

    Args:
        scenes: Scenes of one month on one grid, in any order.
        profile: Cloud profile that decides which looks are clear.
        truth: (H, W) uint8 class map to carry along, if known.
        mask_saturated: A look with a saturated band is not clear, where that is known.

    Returns:
        The composite, or ``Empty("no_scene")`` or ``Empty("all_masked")``. The order of the
        scenes changes nothing. A band holds the median of the looks that are clear and not 0
        in that band, the mean of the middle two rounded half up.
    """
    if not scenes:
        return Empty("no_scene")
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.scene_id))
    clear = np.stack([is_clear(scene.qa_pixel, profile) for scene in ordered])
    saturated = [find_saturated(scene) for scene in ordered]
    if mask_saturated:
        for looks, bright in zip(clear, saturated, strict=True):
            looks &= True if bright is None else ~bright
    names = [band for band in BANDS if any(band in scene.bands for scene in ordered)]
    bands = {}
    seen = np.zeros(clear.shape, bool)
    for band in names:
        having = [k for k, scene in enumerate(ordered) if band in scene.bands]
        stack = np.stack([ordered[k].bands[band] for k in having])
        usable = clear[having] & (stack != NODATA)
        seen[having] |= usable
        bands[band] = masked_median(stack, usable)
    n_obs = seen.sum(axis=0, dtype=np.uint16)
    if not n_obs.any():
        return Empty("all_masked")
    elevation = float(np.mean([scene.sun_elevation_deg for scene in ordered]))
    names = [scene.scene_id for scene in ordered]
    share = share_saturated(seen, saturated)
    return Composite(bands, n_obs, names, elevation, truth, share)


def find_saturated(scene: Scene) -> NDArray[np.bool_] | None:
    """Where a scene is saturated in a band of reflectance, (H, W); None where unknown."""
    if scene.qa_radsat is None:
        return None
    return np.asarray((scene.qa_radsat & np.uint16(SATURATED_OPTICAL)) != 0)


def share_saturated(
    seen: NDArray[np.bool_], saturated: Sequence[NDArray[np.bool_] | None]
) -> float | None:
    """Share of the seen pixels with a saturated clear look; None unless all scenes know.

    Args:
        seen: (T, H, W) bool, clear looks.
        saturated: (H, W) bool of each scene.
    """
    known = [bright for bright in saturated if bright is not None]
    if len(known) < len(saturated):
        return None
    dazzled = (seen & np.stack(known)).any(axis=0)
    return float(dazzled.sum() / max(int(seen.any(axis=0).sum()), 1))


def masked_median(stack: NDArray[np.uint16], usable: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Median over T of the usable values of each pixel.

    Sorts with a network of element-wise minima and maxima, which runs at memory speed for the
    few looks that a month has; unusable values are moved behind every usable one.

    Args:
        stack: (T, H, W) uint16.
        usable: (T, H, W) bool.

    Returns:
        (H, W) uint16; the mean of the middle two rounded half up where their number is even;
        0 where nothing is usable.
    """
    looks = len(stack)
    rows = [np.where(usable[t], stack[t], np.uint16(65535)) for t in range(looks)]
    for phase in range(looks):
        for t in range(phase % 2, looks - 1, 2):
            low = np.minimum(rows[t], rows[t + 1])
            np.maximum(rows[t], rows[t + 1], out=rows[t + 1])
            rows[t] = low
    count = usable.sum(axis=0)
    median = np.zeros(stack.shape[1:], np.uint16)
    for n in range(1, looks + 1):
        low, high = rows[(n - 1) // 2], rows[n // 2]
        middle = low + (high - low + 1) // 2  # cannot overflow: usable values are 1 or more
        np.copyto(median, middle, where=count == n)
    return median
