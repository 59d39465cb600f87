"""Folds that grow: what is new finds its part, and what a fold has tested stays tested there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from glacier.errors import ConfigError, SweepError
from glacier.samples.folds import FoldMasks, Split, group_units


@dataclass(frozen=True)
class Growth:
    """New images, and the folds that there are."""

    splits: tuple[Split, ...]
    masks: FoldMasks
    images: tuple[tuple[str, date], ...]
    """Region and month of all images in folds, old and new."""
    overlaps: tuple[Collection[str], ...] = ()
    """Groups of regions that share ground."""
    share: float = 0.2
    """Of the new units outside a test part, how many choose the checkpoint."""
    seed: int = 0
    """Decides which fold tests a new unit."""

    @property
    def known(self) -> frozenset[str]:
        """Units that the folds hold."""
        (first, *_) = self.splits
        return frozenset((*first.test, *first.validation, *first.train))


def grow_splits(growth: Growth) -> list[Split]:
    """The folds with all new units in them.

    A unit that is one ground with a known unit, the same block of the grid or an overlapping
    region, has that one's part in every fold. Every other is tested by one fold, and trains or
    chooses in the rest.

    Raises:
        ConfigError: A new region shares ground with regions that different folds test.
    """
    twins, others = part_units(growth)
    rng = np.random.default_rng([growth.seed, len(growth.known)])
    order = rng.permutation(len(growth.splits))
    homes = {unit: int(order[at % len(order)]) for at, unit in enumerate(others)}
    grown = []
    for at, split in enumerate(growth.splits):
        rest = [unit for unit in others if homes[unit] != at]
        chosen = rng.choice(len(rest), round(growth.share * len(rest)), replace=False)
        choosing = {rest[k] for k in chosen} if split.validation else set()
        parts = {
            "test": [unit for unit in others if homes[unit] == at],
            "validation": [unit for unit in rest if unit in choosing],
            "train": [unit for unit in rest if unit not in choosing],
        }
        for name, units in parts.items():
            units += [new for new, old in twins.items() if old in getattr(split, name)]
        test, validation, train = (
            (*getattr(split, name), *parts[name]) for name in ("test", "validation", "train")
        )
        grown.append(Split(split.fold, test, validation, train))
    refuse_leaks(growth.splits, grown)
    return grown


def part_units(growth: Growth) -> tuple[dict[str, str], list[str]]:
    """New units that are one ground with a known one, which is named, and all others.

    Raises:
        ConfigError: A new region shares ground with regions that different folds test.
    """
    masks, known = growth.masks, growth.known
    if masks.kind == "by_block" and growth.overlaps:
        raise ConfigError(
            f"sweep.folds.kind = by_block: the frames of {', '.join(sorted(growth.overlaps[0]))} "
            "share ground, which would be trained in one and tested in another"
        )
    groups = group_units(growth.images, masks.kind, masks.blocks, growth.overlaps, masks.southern)
    twins: dict[str, str] = {}
    others: list[str] = []
    blocks = {unit.rpartition("/")[2]: unit for unit in sorted(known)}
    for group in groups:
        old = [unit for unit in group if unit in known]
        for unit in (unit for unit in group if unit not in known):
            if masks.kind == "by_block":
                twins[unit] = blocks[unit.rpartition("/")[2]]
            elif old:
                refuse_bridge(growth.splits, unit, old)
                twins[unit] = old[0]
            else:
                others.append(unit)
    return twins, others


def refuse_bridge(splits: Sequence[Split], unit: str, old: Sequence[str]) -> None:
    """Refuse a new unit that is one ground with units of different parts.

    Raises:
        ConfigError: It is.
    """
    for split in splits:
        for part in (split.test, split.validation, split.train):
            if 0 < len(set(old) & set(part)) < len(old):
                raise ConfigError(
                    f"region {unit} shares ground with {', '.join(sorted(old))}, which lie in "
                    "different parts of the serving model's folds: leave one of them out"
                )


def refuse_leaks(frozen: Sequence[Split], grown: Sequence[Split]) -> None:
    """Hold grown folds against those that they grew from.

    Raises:
        SweepError: A fold would train on, or choose by, what it tests.
    """
    for old, new in zip(frozen, grown, strict=True):
        seen = {*new.train, *new.validation}
        if not set(old.test) <= set(new.test) or seen & set(new.test):
            raise SweepError(f"fold {new.fold} would train on what it tests")


def draw_memory(
    splits: Sequence[Split], old: Mapping[str, Collection[str]], share: float, seed: int
) -> Iterator[frozenset[str]]:
    """Images that each fold shows again of those that were seen before.

    Args:
        splits: The folds.
        old: Key of each image that was seen before to its units.
        share: Of those with training units, rounded, and at least one.
        seed: Decides which.
    """
    for split in splits:
        trains = set(split.train)
        there = sorted(key for key, units in old.items() if trains & set(units))
        count = max(1, round(share * len(there))) if there else 0
        chosen = np.random.default_rng([seed, split.fold]).choice(len(there), count, replace=False)
        yield frozenset(there[k] for k in chosen)
