"""Training windows: which may be cut from the month images, and the draw of an epoch."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glacier.errors import TrainingError
from glacier.indices import INDICES
from glacier.labels import IGNORE
from glacier.samples.month_images import MonthImage
from glacier.settings.sweep import Sweep
from glacier.windows import centred_starts, pad_to, turn

Batch = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""(N, B, size, size) float32 images, NaN unseen; (N, size, size) uint8 labels."""

SQUARES_PX = (2, 4)
"""Sides of squares that windows are averaged over, pixels; sizes of windows are multiples."""

TRIES = 20
"""Draws of a window in search of a labelled pixel before any window is taken."""


@dataclass(frozen=True)
class WindowTable:
    """Which windows are cut one after the other, and how each is turned and lit."""

    image: NDArray[np.int64]
    """(N,) place of the image that a window is cut from."""
    start: NDArray[np.int32]
    """(N, 2) row and column of its upper-left pixel."""
    way: NDArray[np.uint8]
    """(N,) one of the eight flips and quarter turns, see :func:`windows.turn`."""
    factor: NDArray[np.float32]
    """(N,) brightness that it is multiplied by."""
    sizes: tuple[int, ...]
    """Windows of each batch, in order; N together."""
    coarse: NDArray[np.uint8] | None = None
    """(N,) side of the squares that its pixels are averaged over, 1, 2 or 4; None: as they are."""
    hidden: NDArray[np.bool_] | None = None
    """(N, B) bands that are unseen in it; None: none."""

    @classmethod
    def join(cls, parts: Sequence[WindowTable]) -> WindowTable:
        """Tables one after the other, at least one."""
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in COLUMNS
            if getattr(parts[0], name) is not None
        }
        return cls(**columns, sizes=tuple(size for part in parts for size in part.sizes))

    def split(self) -> Iterator[WindowTable]:
        """A table for each batch."""
        there = {name: column for name in COLUMNS if (column := getattr(self, name)) is not None}
        first = 0
        for size in self.sizes:
            part = slice(first, first + size)
            yield WindowTable(**{n: column[part] for n, column in there.items()}, sizes=(size,))
            first += size


COLUMNS = ("image", "start", "way", "factor", "coarse", "hidden")
"""What a table says of each of its windows."""


@dataclass(frozen=True)
class WindowSampler:
    """Where the windows of a trial may lie."""

    size: int
    """Side of a window, pixels."""
    whole: bool
    """Each image is one window (resized samples), taken once an epoch."""
    starts: list[NDArray[np.int32]]
    """Per image (n, 2) upper-left (row, column) of windows wholly in training ground, one for
    each of its pixels; of a whole image one."""
    per_epoch: int
    """Windows an epoch that together have the size of the training ground."""
    indices: tuple[int, ...] = ()
    """Places of bands that are ratios of others, which brightness does not change."""
    regions: tuple[str, ...] = ()
    """Region of each image."""

    @classmethod
    def plan(
        cls,
        images: Iterable[MonthImage],
        masks: Iterable[NDArray[np.bool_]],
        size: int,
        whole: bool,
        bands: Sequence[str] = (),
    ) -> WindowSampler:
        """Find the windows that lie wholly in training pixels.

        Args:
            images: All month images.
            masks: (H, W) bool per image, its training pixels; asked for one after the other.
            size: Side of a window, pixels.
            whole: Each image is one window.
            bands: Names of the images' bands, of which ``ndsi`` is an index.

        Raises:
            TrainingError: No window fits.
        """
        known: dict[bytes, NDArray[np.int32]] = {}
        starts, regions, pixels = [], [], 0
        for image, mask in zip(images, masks, strict=True):
            regions.append(image.region)
            if not mask.any() or (image.label[mask] == IGNORE).all():
                starts.append(np.zeros((0, 2), np.int32))
                continue
            key = hashlib.sha256(np.packbits(mask).tobytes() + str(mask.shape).encode()).digest()
            if key not in known:
                allowed = pad_to(mask, size, True)  # nothing is known beyond a small image's edge
                known[key] = centred_starts(allowed, size)[: 1 if whole else None]
            starts.append(known[key])
            pixels += int(mask.sum()) if len(known[key]) else 0
        if not any(len(found) for found in starts):
            raise TrainingError(
                f"no window of {size} px lies wholly in training ground; lower prepare.size_px, "
                "or use fewer blocks (prepare.blocks)"
            )
        indices = tuple(at for at, name in enumerate(bands) if name in INDICES)
        per_epoch = math.ceil(pixels / size**2)
        return cls(size, whole, starts, per_epoch, indices, tuple(regions))

    @cached_property
    def groups(self) -> NDArray[np.int64]:
        """(images,) number of the region of each image among those that have windows, by name.

        It is -1 where an image has none.
        """
        pairs = zip(self.regions, self.starts, strict=True)
        used = [region if len(found) else "" for region, found in pairs]
        numbers = {region: k for k, region in enumerate(sorted({*used} - {""}))}
        return np.array([numbers.get(region, -1) for region in used], np.int64)

    def draw_table(
        self, images: Sequence[MonthImage], rng: np.random.Generator, settings: Sweep
    ) -> WindowTable:
        """The windows of one epoch, by the same draws as :meth:`draw_batches`."""
        return WindowTable.join(list(self.draw_batches(images, rng, settings)))

    def draw_batches(
        self, images: Sequence[MonthImage], rng: np.random.Generator, settings: Sweep
    ) -> Iterator[WindowTable]:
        """The windows of one epoch, batch by batch, nothing of which is cut.

        Their order and places follow from ``rng`` alone.
        """
        usable = np.array([k for k, found in enumerate(self.starts) if len(found)])
        count = self.count_windows(settings)
        if settings.fairness.is_balanced:
            order = draw_evenly(usable, self.groups[usable], count, rng)
        else:
            order = draw_rounds(usable, count, rng)
        for chosen in split_batches(order, settings.batch_size):
            starts = [self.draw_start(images[k].label, self.starts[k], rng) for k in chosen]
            size, jitter = len(chosen), settings.brightness_jitter
            ways = [int(rng.integers(8)) if settings.flips else 0 for _ in chosen]
            factors = rng.uniform(1 - jitter, 1 + jitter, size) if jitter else np.ones(size)
            yield WindowTable(
                image=chosen,
                start=np.array(starts, np.int32),
                way=np.array(ways, np.uint8),
                factor=factors.astype(np.float32),
                sizes=(size,),
                coarse=draw_squares(size, settings, rng),
                hidden=draw_hidden((size, len(images[0].numbers)), settings, rng),
            )

    def cut_batch(self, images: Sequence[MonthImage], table: WindowTable) -> Batch:
        """The windows of a table as they train: cut, turned and lit."""
        pairs = []
        for k, (row, col), way in zip(table.image, table.start, table.way, strict=True):
            image, label = images[k].window(row, col, self.size)
            pairs.append((turn(image, way), turn(label, way)))
        images_out = np.stack([image for image, _ in pairs])
        if (table.factor != 1).any():
            by_band = np.repeat(table.factor[:, None, None, None], images_out.shape[1], axis=1)
            by_band[:, list(self.indices)] = 1
            images_out *= by_band
        if table.coarse is not None:
            pairs_out = zip(images_out, table.coarse, strict=True)
            images_out = np.stack([coarsen(image, int(side)) for image, side in pairs_out])
        if table.hidden is not None:
            images_out[table.hidden] = np.nan
        return images_out, np.stack([label for _, label in pairs])

    def count_windows(self, settings: Sweep) -> int:
        """Windows of an epoch, two at least, since batch normalisation needs them."""
        if settings.steps_per_epoch is not None:
            return settings.steps_per_epoch * settings.batch_size
        usable = sum(bool(len(found)) for found in self.starts)
        return max(2, usable if self.whole else self.per_epoch)

    def count_steps(self, settings: Sweep) -> int:
        """Batches of an epoch."""
        return len(self.batch_sizes(settings))

    def batch_sizes(self, settings: Sweep) -> tuple[int, ...]:
        """Windows of each batch of an epoch."""
        count = self.count_windows(settings)
        return tuple(map(len, split_batches(np.arange(count), settings.batch_size)))

    def draw_start(
        self, label: NDArray[np.uint8], starts: NDArray[np.int32], rng: np.random.Generator
    ) -> NDArray[np.int32]:
        """Row and column of a window, with a labelled pixel unless none is found soon."""
        for _ in range(TRIES):
            chosen = rng.integers(len(starts))
            row, col = starts[chosen]
            if (label[row : row + self.size, col : col + self.size] != IGNORE).any():
                break
        return np.asarray(starts[chosen], np.int32)


def draw_rounds(
    places: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Some of the places, none twice before each has come."""
    rounds = [rng.permutation(places) for _ in range(math.ceil(count / len(places)))]
    return np.concatenate(rounds)[:count]


def draw_evenly(
    places: NDArray[np.int64], groups: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Some of the places, such that every group comes as often as any other, but for one.

    Args:
        places: (P,) what is drawn.
        groups: (P,) the group of each.
        count: How many.
        rng: What decides the order.

    Source:
        Idrissi et al. 2022, Simple Data Balancing Achieves Competitive Worst-Group Accuracy
        (there RWG); Byrd & Lipton 2019.
    """
    turns = draw_rounds(np.unique(groups), count, rng)
    order = np.zeros(count, np.int64)
    for group in np.unique(turns):
        turn = turns == group
        order[turn] = draw_rounds(places[groups == group], int(turn.sum()), rng)
    return order


def draw_squares(count: int, settings: Sweep, rng: np.random.Generator) -> NDArray[np.uint8] | None:
    """Sides of the squares that windows are averaged over; None where none ever is."""
    if not settings.resolution_jitter:
        return None
    is_coarse = rng.random(count) < settings.resolution_jitter
    return np.where(is_coarse, rng.choice(SQUARES_PX, count), 1).astype(np.uint8)


def draw_hidden(
    shape: tuple[int, int], settings: Sweep, rng: np.random.Generator
) -> NDArray[np.bool_] | None:
    """Which bands of which windows, (N, B), are unseen, never all; None where none ever is."""
    if not settings.band_dropout:
        return None
    draws = rng.random(shape)
    hidden = draws < settings.band_dropout
    hidden[np.arange(shape[0]), draws.argmax(axis=1)] = False
    return np.asarray(hidden)


def coarsen(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """An image as pixels that are larger would show it: the mean of what is seen of each square.

    Args:
        image: (B, H, W) float32, NaN where unseen; H and W multiples of the side.
        side: Of the squares, pixels; one that is less than half seen is unseen.
    """
    if side == 1:
        return image
    seen = np.isfinite(image)
    values = np.where(seen, image, np.float32(0))
    parts = [np.s_[..., row::side, col::side] for row in range(side) for col in range(side)]
    total, count = values[parts[0]], seen[parts[0]].astype(np.int64)
    for part in parts[1:]:
        total, count = total + values[part], count + seen[part]
    mean = total / np.maximum(count, 1).astype(np.float32)
    mean[2 * count < side**2] = np.nan
    return np.asarray(mean.repeat(side, axis=-2).repeat(side, axis=-1), np.float32)


def split_batches(order: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Batches in order; a last batch of one joins the one before, for batch normalisation."""
    parts = [order[at : at + batch] for at in range(0, len(order), batch)]
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [np.concatenate(parts[-2:])]
    return parts
