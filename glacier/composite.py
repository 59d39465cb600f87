"""Scenes of one month -> clear-sky median of digital numbers, and how often each pixel was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

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
    """Band name to (H, W) uint16 median digital number, 0 where no observation was clear."""
    n_obs: NDArray[np.uint16]
    """(H, W) uint16, number of clear observations."""
    scene_ids: list[str] = field(default_factory=list)
    """Scenes that took part, oldest first."""
    sun_elevation_deg: float | None = None
    """Mean over the scenes, degrees; None where the source does not know."""
    truth: NDArray[np.uint8] | None = None
    """(H, W) uint8 class map at mid-month (codes of ``labels.Surface``), where known."""
    saturated_share: float | None = None
    """Share of the seen pixels with a saturated band in some observation, 0..1; None: unknown."""
    skipped: tuple[str, ...] = ()
    """Scenes that could not be used, each with why."""
    repeats: int = 0
    """Requests that had to be sent again."""
    platforms: tuple[str, ...] = ()
    """What took the scenes; empty where their names tell, or nobody knows."""

    def valid_share(self) -> float:
        """Share of pixels with at least one clear observation, 0..1."""
        return float((self.n_obs > 0).mean())


@dataclass(frozen=True)
class Empty:
    """A month that has no usable pixel: a result, not a failure."""

    reason: str
    """``solar_zenith``, ``no_scene``, ``off_scene`` (all lie beside the region), ``no_data`` (all
    fill), ``all_masked`` or ``valid_share``, then details."""
    repeats: int = 0
    """Requests that had to be sent again."""
    platforms: tuple[str, ...] = ()
    """What took the scenes; empty where their names tell, or nobody knows."""


BLOCK_PX = 1 << 16
"""Pixels that are worked on at once: all observations of a band then fit the processor's cache."""


def composite_scenes(
    scenes: Sequence[Scene],
    profile: CloudProfile,
    truth: NDArray[np.uint8] | None = None,
    mask_saturated: bool = False,
) -> Composite | Empty:
    """Median of the clear observations of each pixel and band.

    Args:
        scenes: Scenes of one month on one grid, in any order.
        profile: Cloud profile that decides which observations are clear.
        truth: (H, W) uint8 class map to carry along, if known.
        mask_saturated: An observation with a saturated band is not clear, where that is known.

    Returns:
        The composite, or ``Empty("no_scene")`` or ``Empty("all_masked")``. The order of the
        scenes changes nothing. A band holds the median of the observations that are clear
        and not 0 in that band, the mean of the middle two rounded half up.
    """
    if not scenes:
        return Empty("no_scene")
    ordered = sorted(scenes, key=lambda scene: (scene.acquired, scene.scene_id))
    names = [band for band in BANDS if any(band in scene.bands for scene in ordered)]
    height, width = ordered[0].qa_pixel.shape
    bands = {band: np.empty((height, width), np.uint16) for band in names}
    n_obs = np.empty((height, width), np.uint16)
    step, saturated_px = max(1, BLOCK_PX // width), 0
    for top in range(0, height, step):
        rows = slice(top, top + step)
        block = {band: values[rows] for band, values in bands.items()}
        clear, saturated = judge_observations(ordered, profile, rows, mask_saturated)
        seen = composite_rows(ordered, clear, rows, block)
        np.sum(seen, axis=0, dtype=np.uint16, out=n_obs[rows])
        saturated_px += int((seen & saturated).any(axis=0).sum())
    if not n_obs.any():
        return Empty("all_masked")
    elevation = float(np.mean([scene.sun_elevation_deg for scene in ordered]))
    scene_ids = [scene.scene_id for scene in ordered]
    known = all(scene.qa_radsat is not None for scene in ordered)
    share = saturated_px / int((n_obs > 0).sum()) if known else None
    return Composite(bands, n_obs, scene_ids, elevation, truth, share)


def judge_observations(
    scenes: Sequence[Scene], profile: CloudProfile, rows: slice, mask_saturated: bool
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which observations of some rows are clear, and which are saturated in a reflective band.

    Returns:
        Two (T, h, W) bool; a scene that does not know is not saturated.
    """
    clear = np.stack([is_clear(scene.qa_pixel[rows], profile) for scene in scenes])
    saturated = np.zeros_like(clear)
    for t, scene in enumerate(scenes):
        if scene.qa_radsat is not None:
            bits = scene.qa_radsat[rows] & np.uint16(SATURATED_OPTICAL)
            np.not_equal(bits, 0, out=saturated[t])
    return (clear & ~saturated if mask_saturated else clear), saturated


def composite_rows(
    scenes: Sequence[Scene],
    clear: NDArray[np.bool_],
    rows: slice,
    out: dict[str, NDArray[np.uint16]],
) -> NDArray[np.bool_]:
    """Write the medians of some rows to ``out``, by band.

    Returns:
        (T, h, W) bool, clear observations with data in any band.
    """
    seen = np.zeros_like(clear)
    masked = None
    for band, median in out.items():
        having = [k for k, scene in enumerate(scenes) if band in scene.bands]
        values = [scenes[k].bands[band][rows] for k in having]
        usable = np.stack([numbers != NODATA for numbers in values])
        usable &= clear[having]
        seen[having] |= usable
        if masked is None or not np.array_equal(masked.usable, usable):
            masked = MaskedMedian.of(usable)  # the bands of a scene mostly share their holes
        masked.take_median(values, median)
    return seen


@dataclass(frozen=True)
class MaskedMedian:
    """Which observations to leave out of a median, as bits that move them out of its way.

    Of a pixel's unusable values one half becomes 0 and the other 65535, so that whatever their
    number, the median of the usable ones lies in the middle of all T. Then nothing depends on
    the pixel: the same few minima and maxima serve all, at memory speed.
    """

    usable: NDArray[np.bool_]
    """(T, H, W)."""
    raised: NDArray[np.uint16]
    """(T, H, W), all bits set where the value becomes 65535."""
    kept: NDArray[np.uint16]
    """(T, H, W), no bit set where the value becomes 0."""
    paired: NDArray[np.uint16]
    """(H, W), all bits set where the number of usable observations is even."""

    @classmethod
    def of(cls, usable: NDArray[np.bool_]) -> MaskedMedian:
        """The median that leaves out what is not usable, (T, H, W) bool."""
        hidden = ~usable
        sinks = np.full(usable.shape[1:], len(usable) % 2 == 1)  # whether the next one becomes 0
        sunk = np.empty_like(usable)
        for t in range(len(usable)):
            np.logical_and(hidden[t], sinks, out=sunk[t])
            sinks ^= hidden[t]
        return cls(usable, as_bits(hidden ^ sunk), as_bits(~sunk), as_bits(~sinks))

    def take_median(self, values: Sequence[NDArray[np.uint16]], out: NDArray[np.uint16]) -> None:
        """Write the median of T arrays of (H, W) to ``out``; the arrays are left alone."""
        ranks = [
            (numbers | up) & kept
            for numbers, up, kept in zip(values, self.raised, self.kept, strict=True)
        ]
        spare = np.empty_like(out)
        for low, high, low_counts, high_counts in median_network(len(values)):
            if low_counts:
                np.minimum(ranks[low], ranks[high], out=spare)
            if high_counts:
                np.maximum(ranks[low], ranks[high], out=ranks[high])
            if low_counts:
                ranks[low], spare = spare, ranks[low]
        below, above = middle_ranks(len(values))
        # Rounded half up. Cannot overflow where one is usable, since a usable value is not 0;
        # where none is, 0 and 65535 give 0 by overflowing.
        np.subtract(ranks[above], ranks[below], out=spare)
        spare += np.uint16(1)
        spare >>= np.uint16(1)
        spare &= self.paired
        np.add(ranks[below], spare, out=out)


def as_bits(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """65535 where True, 0 where False."""
    return np.negative(mask.astype(np.uint16))


def middle_ranks(count: int) -> tuple[int, int]:
    """Places of the middle two of a pixel's sorted values, unusable ones at both ends, from 0."""
    below = (count - 1) // 2
    return below, min(below + 1, count - 1)


@cache
def median_network(count: int) -> list[tuple[int, int, bool, bool]]:
    """Comparisons that bring the middle two of some values to their place.

    Returns:
        In order: two places, and whether the lower and the higher of their values is needed
        later on; the lower goes to the first place, the higher to the second.

    Source:
        Batcher 1968, odd-even merge sort, less what does not lead to the middle.
    """
    pairs = [
        (first + k, first + k + step)
        for size in (1 << n for n in range((count - 1).bit_length()))
        for step in (size >> n for n in range(size.bit_length()))
        for first in range(step % size, count - step, 2 * step)
        for k in range(min(step, count - first - step))
        if (first + k) // (2 * size) == (first + k + step) // (2 * size)
    ]
    needed = set(middle_ranks(count))
    network = []
    for low, high in reversed(pairs):
        if needed & {low, high}:
            network.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return network[::-1]
