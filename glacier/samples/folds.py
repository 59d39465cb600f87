"""Test, validation and training parts, made of whole units so that nothing leaks.

A unit is what folds keep whole: a month image, a year, a region, or a block of ground. A fold
is its test units; of the rest a share is set aside to choose the checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier.errors import ConfigError
from glacier.samples.month_images import MonthImage
from glacier.samples.units import Rectangle, block_index, unit_rectangles
from glacier.settings.folds import FoldKind, Folds


@dataclass(frozen=True)
class Split:
    """The parts of one fold, as unit names."""

    fold: int
    test: tuple[str, ...]
    validation: tuple[str, ...]
    """Empty where nothing chooses the checkpoint, and where the test part does (notebook)."""
    train: tuple[str, ...]


@dataclass(frozen=True)
class FoldMasks:
    """Which pixels of an image belong to which units."""

    kind: FoldKind
    """What the folds keep whole."""
    blocks: tuple[int, int]
    """Rows and columns of the grid of ground blocks."""
    held_out: tuple[str, ...] = ()
    """Keys of images that are in no fold, and so hold no unit."""
    southern: tuple[str, ...] = ()
    """Regions south of the equator, whose years are those of :func:`units.glaciological_year`."""

    def rectangles(self, image: MonthImage) -> dict[str, Rectangle]:
        """Units that an image holds, and the pixels of each."""
        if image.key in self.held_out:
            return {}
        height, width = image.label.shape
        return unit_rectangles(
            self.kind, image.region, image.month, (height, width), self.blocks, self.southern
        )

    def mask(self, image: MonthImage, units: Collection[str]) -> NDArray[np.bool_]:
        """Pixels of an image that belong to any of some units: (H, W) bool."""
        mask = np.zeros(image.label.shape, bool)
        for name, (top, bottom, left, right) in self.rectangles(image).items():
            if name in units:
                mask[top:bottom, left:right] = True
        return mask


def text_order(month: date) -> str:
    """Sort key of the published experiment: the name with an unpadded month number.

    2014-10 comes before 2014-2.
    """
    return f"{month.year}-{month.month}"


def make_splits(
    images: Iterable[tuple[str, date]],
    settings: Folds,
    blocks: tuple[int, int],
    seed: int,
    overlaps: Sequence[Collection[str]] = (),
    southern: Collection[str] = (),
) -> tuple[list[Split], list[tuple[str, date]]]:
    """Part the images of a run into folds.

    Args:
        images: (region, month) of every usable image.
        settings: Kind and number of folds, validation share, whether the last is held out.
        blocks: Grid of ground blocks, rows and columns.
        seed: Decides the shuffle and where validation units lie.
        overlaps: Groups of regions that share ground, as :func:`frames.find_overlaps` gives
            them: ``by_region`` keeps each in one part.
        southern: Regions south of the equator.

    Returns:
        The splits with a validation part, and the held-out images (none, or those of the last
        month in text order). In every split test, validation and training are disjoint and hold
        every unit; every unit is in exactly one test part.

    Raises:
        ConfigError: There are fewer units than the folds need, or blocks of regions that share
            ground.
    """
    if settings.kind == "by_block" and overlaps:
        raise ConfigError(
            f"sweep.folds.kind = by_block: the frames of {', '.join(sorted(overlaps[0]))} share "
            "ground, which would be trained in one and tested in another; use by_region, which "
            "keeps them together, or give them as one region"
        )
    ordered, held_out = hold_out(images, settings.hold_out_last)
    overlaps = join_groups([*overlaps, *settings.together])
    groups = group_units(ordered, settings.kind, blocks, overlaps, southern)
    if len(groups) < settings.count:
        shared = " (regions whose frames share ground count as one)" if overlaps else ""
        raise ConfigError(
            f"sweep.folds.count = {settings.count}: {settings.kind} has only {len(groups)} "
            f"unit(s) to part{shared}; lower the count, or give more months, regions or blocks"
        )
    pool = groups
    if settings.kind == "by_block":  # row-major, so that even steps run down diagonals
        units = [unit for group in groups for unit in group]
        units.sort(key=lambda unit: (unit.rpartition("/")[0], block_index(unit)))
        pool = [[unit] for unit in units]
    splits = [
        split_fold(fold, {unit for k in chosen for unit in groups[k]}, pool, settings, seed)
        for fold, chosen in enumerate(part_groups(len(groups), settings, seed))
    ]
    return splits, held_out


def add_training(
    splits: Sequence[Split],
    images: Iterable[tuple[str, date]],
    kind: FoldKind,
    blocks: tuple[int, int],
) -> list[Split]:
    """Folds that all train on some more images, of regions that none of them tests.

    Args:
        splits: The folds.
        images: (region, month) of each.
        kind: What the folds keep whole; not years, which all regions share.
        blocks: Grid of ground blocks, rows and columns.
    """
    groups = group_units(sorted(images), kind, blocks)
    more = tuple(unit for group in groups for unit in group)
    return [replace(split, train=(*split.train, *more)) for split in splits]


def join_groups(groups: Sequence[Collection[str]]) -> list[set[str]]:
    """Groups of names, of which those that share a name are one."""
    joined: list[set[str]] = []
    for group in groups:
        touching = [other for other in joined if not other.isdisjoint(group)]
        joined = [other for other in joined if other not in touching]
        joined.append(set(group).union(*touching))
    return joined


def hold_out(
    images: Iterable[tuple[str, date]], last: bool
) -> tuple[list[tuple[str, date]], list[tuple[str, date]]]:
    """Images in text order of their months, and those of the last month if it is held out."""
    ordered = sorted(images, key=lambda image: (text_order(image[1]), image[0]))
    month = ordered[-1][1] if last and ordered else None
    kept = [image for image in ordered if image[1] != month]
    return kept, [image for image in ordered if image[1] == month]


def split_fold(
    fold: int, test: Collection[str], pool: Sequence[list[str]], settings: Folds, seed: int
) -> Split:
    """The units outside a test part in validation and training.

    Args:
        fold: Its number.
        test: Units of the test part.
        pool: All units, in the groups that validation takes whole.
        settings: Validation share.
        seed: Decides where validation units lie.

    Raises:
        ConfigError: None is left for training.
    """
    tested = frozenset(test)
    rest = [group for group in pool if tested.isdisjoint(group)]
    share, rng = settings.validation_share, np.random.default_rng([seed, fold])
    validation = {unit for group in pick_evenly(rest, share, rng) for unit in group}
    train = [unit for group in rest for unit in group if unit not in validation]
    if not train:
        raise ConfigError(
            f"sweep.folds.count = {settings.count}: fold {fold} has {len(rest)} unit(s) "
            "outside its test part, too few for validation and training"
        )
    return Split(fold, tuple(sorted(test)), tuple(sorted(validation)), tuple(train))


def group_units(
    images: Sequence[tuple[str, date]],
    kind: FoldKind,
    blocks: tuple[int, int],
    overlaps: Sequence[Collection[str]] = (),
    southern: Collection[str] = (),
) -> list[list[str]]:
    """Units in the groups that a fold takes whole.

    A group is a block column, or the regions that share ground, else each unit by itself.
    """
    names: dict[str, None] = {}
    for region, month in images:
        names |= dict.fromkeys(unit_rectangles(kind, region, month, blocks, blocks, southern))
    if kind == "by_region":
        first = {name: min(group) for group in overlaps for name in group}
        together: dict[str, list[str]] = {}
        for name in names:
            together.setdefault(first.get(name, name), []).append(name)
        return list(together.values())
    if kind != "by_block":
        return [[unit] for unit in names]
    columns: dict[int, list[str]] = {}
    for unit in names:
        columns.setdefault(block_index(unit)[1], []).append(unit)
    return [columns[col] for col in sorted(columns)]


def part_groups(groups: int, settings: Folds, seed: int) -> list[list[int]]:
    """Indices of the groups in each test part.

    Years and block columns stay in order (neighbours together); months and regions are
    shuffled as scikit-learn's ``KFold`` does.
    """
    indices = np.arange(groups)
    if settings.kind in ("by_year", "by_block"):
        return [part.tolist() for part in np.array_split(indices, settings.count)]
    from sklearn.model_selection import KFold  # a second that no worker needs

    parter = KFold(settings.count, shuffle=True, random_state=seed)
    return [test.tolist() for _, test in parter.split(indices)]


def pick_evenly(units: Sequence[Any], share: float, rng: np.random.Generator) -> list[Any]:
    """A share of the units, evenly spaced from a random start; none at 0, else at least one."""
    if not share or not units:
        return []
    count = max(1, round(share * len(units)))
    places = np.floor((np.arange(count) + rng.random()) * len(units) / count).astype(int)
    return [units[k] for k in places]
