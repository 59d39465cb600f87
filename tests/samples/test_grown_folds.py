"""Folds that grow: nothing that a fold has tested is ever trained there."""

from dataclasses import replace
from datetime import date

import pytest

from glacier.errors import ConfigError, SweepError
from glacier.samples.folds import FoldMasks, Split, make_splits
from glacier.samples.grown_folds import Growth, draw_memory, grow_splits, refuse_leaks
from glacier.settings.folds import FoldKind, Folds

BLOCKS = (3, 4)
OLD = [(region, date(year, 7, 1)) for region in "abcd" for year in (2014, 2015, 2016, 2017)]
NEW = [*OLD, *((region, date(2018 + k, 7, 1)) for region in "abcdef" for k in range(3))]
KINDS: tuple[FoldKind, ...] = ("shuffled", "by_year", "by_region", "by_block")


def begin(kind: FoldKind, images: list[tuple[str, date]] = NEW, **changes: object) -> Growth:
    folds = Folds(kind=kind, count=3)
    splits, _ = make_splits(OLD, folds, BLOCKS, 1)
    growth = Growth(tuple(splits), FoldMasks(kind, BLOCKS), tuple(images), seed=5)
    return replace(growth, **changes)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_tested_stays_tested_and_every_unit_has_one_test(kind: FoldKind) -> None:
    growth = begin(kind)
    grown = grow_splits(growth)
    for old, new in zip(growth.splits, grown, strict=True):
        for part in ("test", "validation", "train"):
            assert set(getattr(old, part)) <= set(getattr(new, part))
        parts = [*new.test, *new.validation, *new.train]
        assert len(parts) == len(set(parts))
        assert not set(new.test) & {*new.train, *new.validation}
    tested = [unit for split in grown for unit in split.test]
    everything = {
        unit for split in grown for unit in (*split.test, *split.validation, *split.train)
    }
    assert sorted(tested) == sorted(everything)
    assert len(everything) > len(growth.known)


@pytest.mark.parametrize("kind", KINDS)
def test_without_anything_new_nothing_changes_and_growth_is_the_same_each_time(
    kind: FoldKind,
) -> None:
    growth = begin(kind, OLD)
    assert tuple(grow_splits(growth)) == growth.splits
    assert grow_splits(begin(kind)) == grow_splits(begin(kind))


def test_new_months_of_blocks_that_are_known_need_no_new_unit() -> None:
    growth = begin("by_block", [*OLD, *(("a", date(2020, k, 1)) for k in (6, 7))])
    assert tuple(grow_splits(growth)) == growth.splits


def test_blocks_of_a_new_region_are_tested_where_their_column_is() -> None:
    for split in grow_splits(begin("by_block")):
        tested = [unit.partition("/") for unit in split.test]
        columns = {region: {n for r, _, n in tested if r == region} for region in "af"}
        assert columns["a"] == columns["f"] != set()


def test_a_region_that_shares_ground_goes_where_the_other_went() -> None:
    for split in grow_splits(begin("by_region", overlaps=({"b", "f"},))):
        for part in (split.test, split.validation, split.train):
            assert ("b" in part) == ("f" in part)


def test_a_region_between_two_that_are_parted_is_refused() -> None:
    growth = begin("by_region")
    first, second = (split.test[0] for split in growth.splits[:2])
    with pytest.raises(
        ConfigError, match=f"region f shares ground with {first}, {second}|f shares"
    ):
        grow_splits(replace(growth, overlaps=({first, second, "f"},)))


def test_blocks_that_share_ground_are_refused() -> None:
    with pytest.raises(ConfigError, match="the frames of a, f share ground"):
        grow_splits(begin("by_block", overlaps=({"a", "f"},)))


def test_one_new_unit_trains_and_does_not_choose() -> None:
    grown = grow_splits(begin("by_year", [*OLD, ("a", date(2018, 7, 1))]))
    assert sum("2018" in split.test for split in grown) == 1
    assert sum("2018" in split.train for split in grown) == 2


def test_a_leak_is_refused() -> None:
    old, leaking = Split(0, ("x",), (), ("y",)), Split(0, ("x",), (), ("y", "x"))
    for new in (leaking, Split(0, ("z",), (), ("y",))):
        with pytest.raises(SweepError, match="fold 0 would train on what it tests"):
            refuse_leaks([old], [new])


def test_the_memory_is_bounded_drawn_by_seed_and_of_training_images_alone() -> None:
    splits = [Split(0, ("k0",), (), tuple(f"k{n}" for n in range(1, 41)))]
    old = {f"k{n}": [f"k{n}"] for n in range(41)}
    (kept,) = draw_memory(splits, old, 0.1, 3)
    assert len(kept) == 4 and "k0" not in kept
    assert (
        list(draw_memory(splits, old, 0.1, 3)) == [kept] != list(draw_memory(splits, old, 0.1, 4))
    )
    assert [len(each) for each in draw_memory(splits, old, 0.001, 3)] == [1]
    assert [len(each) for each in draw_memory(splits, {}, 0.5, 3)] == [0]
