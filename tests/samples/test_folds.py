from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from glacier.errors import ConfigError
from glacier.landsat import months_between
from glacier.samples.folds import FoldMasks, Split, make_splits, pick_evenly, text_order
from glacier.samples.month_images import MonthImage
from glacier.samples.units import block_rectangles, unit_rectangles
from glacier.settings.folds import Folds
from glacier.windows import free_starts
from tests.support.months import make_month

DECADE = [("mendenhall", month) for month in months_between(date(2014, 1, 1), date(2023, 12, 1))]
KINDS = ("shuffled", "by_year", "by_region", "by_block")


def blank(shape: tuple[int, int]) -> MonthImage:
    """An image of the first month that shows nothing."""
    return make_month(*DECADE[0], np.zeros((1, *shape), np.float32), np.zeros(shape, np.uint8))


def check_parts(splits: list[Split], units: set[str]) -> None:
    """What holds for folds of every kind."""
    assert sorted(unit for split in splits for unit in split.test) == sorted(units)
    for fold, split in enumerate(splits):
        assert split.fold == fold
        assert split.test and split.validation and split.train
        parts = [*split.test, *split.validation, *split.train]
        assert len(parts) == len(set(parts)) and set(parts) == units


def units_of(images: list, kind: str, blocks: tuple[int, int]) -> set[str]:
    return {
        unit
        for region, month in images
        for unit in unit_rectangles(kind, region, month, (100, 90), blocks)
    }


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    kind=st.sampled_from(KINDS),
    regions=st.integers(1, 9),
    months=st.integers(1, 40),
    count=st.integers(2, 9),
    blocks=st.tuples(st.integers(1, 6), st.integers(1, 9)),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_unit_is_tested_once_and_parts_never_overlap(
    kind: str, regions: int, months: int, count: int, blocks: tuple[int, int], share: float,
    seed: int,
) -> None:  # fmt: skip
    images = [(f"r{k}", month) for k in range(regions) for _, month in DECADE[:months]]
    settings = Folds(kind=kind, count=count, validation_share=share)
    units = units_of(images, kind, blocks)
    try:
        splits, held_out = make_splits(images, settings, blocks, seed)
    except ConfigError as error:  # so few units that a part would be empty
        assert f"sweep.folds.count = {count}" in str(error)
        groups = blocks[1] if kind == "by_block" else len(units)
        smallest_rest = len(units) - -(-groups // count) * (len(units) // groups)
        validation = max(1, round(share * smallest_rest))
        assert groups < count or smallest_rest - validation < 1
    else:
        assert held_out == [] and len(splits) == count
        check_parts(splits, units)
        sizes = [len(split.test) for split in splits]
        step = blocks[0] * regions if kind == "by_block" else 1
        assert max(sizes) - min(sizes) <= step
        again = make_splits(list(reversed(images)), settings, blocks, seed)[0]
        assert again == splits  # neither chance nor the order of the images decides


def test_the_published_experiment_has_its_sizes() -> None:
    settings = Folds(kind="shuffled", count=5, hold_out_last=True)
    splits, held_out = make_splits(DECADE[:82], settings, (5, 5), seed=42)
    assert len(held_out) == 1
    check_parts(splits, units_of([i for i in DECADE[:82] if i != held_out[0]], "shuffled", (1, 1)))
    assert sorted(len(s.test) for s in splits) == [16, 16, 16, 16, 17]
    assert {len(s.validation) for s in splits} == {13}
    assert {len(s.train) for s in splits} == {51, 52}


def test_without_a_validation_share_all_that_is_not_tested_trains() -> None:
    settings = Folds(kind="by_block", count=5, validation_share=0)
    splits, _ = make_splits(DECADE[:1], settings, (5, 5), seed=1)
    units = units_of(DECADE[:1], "by_block", (5, 5))
    for split in splits:
        assert split.validation == ()
        assert {*split.train, *split.test} == set(units) and len(split.train) == 20


def test_text_order_is_the_published_one() -> None:
    assert text_order(date(2014, 10, 1)) < text_order(date(2014, 2, 1))
    ordered = sorted((month for _, month in DECADE), key=text_order)
    assert [m.month for m in ordered[:12]] == [1, 10, 11, 12, 2, 3, 4, 5, 6, 7, 8, 9]
    assert text_order(ordered[-1]) == "2023-9"


@pytest.mark.parametrize(
    ("images", "last"),
    [(DECADE, date(2023, 9, 1)), (DECADE[:117], date(2023, 9, 1)), (DECADE[:110], date(2023, 2, 1)),
     (DECADE[:10], date(2014, 9, 1)), (DECADE[9:14], date(2015, 2, 1))],
)  # fmt: skip
def test_the_last_in_text_order_is_held_out(images: list, last: date) -> None:
    settings = Folds(kind="shuffled", count=2, hold_out_last=True, validation_share=0.5)
    splits, held_out = make_splits(images, settings, (1, 1), seed=0)
    assert held_out == [("mendenhall", last)]
    name = f"mendenhall/{last:%Y-%m}"
    assert all(name not in (*s.test, *s.validation, *s.train) for s in splits)


def test_the_last_month_is_held_out_of_every_region() -> None:
    images = [(region, month) for region in ("ridge", "col") for _, month in DECADE[:24]]
    settings = Folds(kind="by_region", count=2, hold_out_last=True, validation_share=0)
    _, held_out = make_splits(images, settings, (1, 1), seed=0)
    assert sorted(held_out) == [("col", date(2015, 9, 1)), ("ridge", date(2015, 9, 1))]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 0.5), regions=st.integers(6, 12))
def test_regions_that_share_ground_stand_on_one_side(seed: int, share: float, regions: int) -> None:
    images = [(f"r{k:02d}", date(2020, 7, 1)) for k in range(regions)]
    overlaps = [{"r00", "r03"}]
    chosen = Folds(kind="by_region", count=2, validation_share=share)
    splits, _ = make_splits(images, chosen, (1, 1), seed, overlaps)
    assert sorted(unit for split in splits for unit in split.test) == [name for name, _ in images]
    for split in splits:
        assert sum(overlaps[0] <= set(p) for p in (split.test, split.validation, split.train)) == 1
        assert bool(split.validation) == (share > 0)


def test_blocks_of_regions_that_share_ground_are_refused() -> None:
    images = [(name, date(2020, 7, 1)) for name in ("a", "b")]
    with pytest.raises(ConfigError, match="by_block: the frames of a, b share ground"):
        make_splits(images, Folds(kind="by_block", count=2), (3, 3), 0, [{"b", "a"}])
    with pytest.raises(ConfigError, match=r"only 1 unit\(s\) to part \(regions whose frames"):
        make_splits(images, Folds(kind="by_region", count=2), (3, 3), 0, [{"b", "a"}])


def test_shuffled_folds_are_scikit_learns_on_the_text_order() -> None:
    images = DECADE[:82]
    settings = Folds(kind="shuffled", count=5, hold_out_last=True)
    splits, _ = make_splits(images, settings, (5, 5), seed=42)
    ordered = sorted((month for _, month in images), key=text_order)[:-1]
    names = np.array([f"mendenhall/{month:%Y-%m}" for month in ordered])
    parter = KFold(n_splits=5, shuffle=True, random_state=42)
    for split, (rest, test) in zip(splits, parter.split(names), strict=True):
        assert set(split.test) == set(names[test])
        assert {*split.validation, *split.train} == set(names[rest])


def test_the_seed_decides() -> None:
    settings = Folds(kind="shuffled", count=5)
    first, again, other = (make_splits(DECADE, settings, (1, 1), s)[0] for s in (1, 1, 2))
    assert first == again
    assert [s.test for s in first] != [s.test for s in other]
    blocks = [make_splits(DECADE[:1], Folds(), (5, 5), s)[0] for s in range(6)]
    assert len({splits[0].validation for splits in blocks}) > 1
    assert len({splits[0].test for splits in blocks}) == 1


def test_years_are_whole_and_neighbours_together() -> None:
    splits, _ = make_splits(DECADE, Folds(kind="by_year", count=5), (1, 1), seed=42)
    assert [s.test for s in splits] == [(str(y), str(y + 1)) for y in range(2014, 2023, 2)]
    assert unit_rectangles("by_year", "r", date(2014, 7, 1), (9, 8), (2, 2)) == {
        "2014": (0, 9, 0, 8)
    }


def test_regions_are_whole() -> None:
    images = [(f"r{k}", month) for k in range(7) for _, month in DECADE[:3]]
    splits, _ = make_splits(images, Folds(kind="by_region", count=3), (1, 1), seed=42)
    check_parts(splits, {f"r{k}" for k in range(7)})


# Blocks of ground.


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    blocks=st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_rectangles_part_the_image(shape: tuple[int, int], blocks: tuple[int, int]) -> None:
    rectangles = block_rectangles(shape, blocks)
    assert len(rectangles) == blocks[0] * blocks[1]
    count = np.zeros(shape, int)
    for top, bottom, left, right in rectangles.values():
        count[top:bottom, left:right] += 1
    assert (count == 1).all()
    heights = {bottom - top for top, bottom, _, _ in rectangles.values()}
    assert max(heights) - min(heights) <= 1
    units = dict(sorted(rectangles.items()))
    image = blank(shape)
    masks = FoldMasks("by_block", blocks)
    assert masks.mask(image, {f"mendenhall/{name}" for name in units}).all()
    assert not masks.mask(image, set()).any()
    held_out = replace(masks, held_out=(image.key,))
    assert not held_out.mask(image, {f"mendenhall/{name}" for name in units}).any()


def test_a_fold_is_a_column_of_blocks_in_every_region_and_month() -> None:
    images = [(region, month) for region in ("a", "b") for _, month in DECADE[:2]]
    splits, _ = make_splits(images, Folds(kind="by_block", count=5), (4, 5), seed=42)
    for k, split in enumerate(splits):
        assert set(split.test) == {f"{r}/r{i}c{k}" for r in "ab" for i in range(4)}


def test_validation_blocks_are_spread_over_the_columns() -> None:
    for seed in range(10):
        splits, _ = make_splits(DECADE[:1], Folds(kind="by_block", count=5), (5, 5), seed)
        for split in splits:
            assert len(split.validation) == 4
            assert len({unit.rpartition("r")[2][0] for unit in split.validation}) >= 3  # rows
            assert len({unit[-1] for unit in split.validation}) >= 3  # columns


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [8, 32])
def test_training_windows_never_touch_test_or_validation_ground(seed: int, size: int) -> None:
    shape, blocks = (200, 180), (5, 5)
    splits, _ = make_splits(DECADE[:1], Folds(kind="by_block"), blocks, seed)
    image, masks = blank(shape), FoldMasks("by_block", blocks)
    for split in splits:
        train = masks.mask(image, split.train)
        kept = masks.mask(image, {*split.test, *split.validation})
        assert (train ^ kept).all()  # every pixel in one of them
        starts = np.argwhere(free_starts(train, size))
        assert len(starts) > 0
        for row, col in starts[:: max(1, len(starts) // 200)]:
            assert not kept[row : row + size, col : col + size].any()


# Too few units.


@pytest.mark.parametrize(
    ("kind", "images", "blocks", "has"),
    [
        ("shuffled", DECADE[:4], (5, 5), 4),
        ("by_year", DECADE[:40], (5, 5), 4),
        ("by_region", DECADE, (5, 5), 1),
        ("by_block", DECADE, (5, 3), 3),
        ("shuffled", [], (5, 5), 0),
    ],
)
def test_too_few_units_are_refused_with_the_numbers(
    kind: str, images: list, blocks: tuple[int, int], has: int
) -> None:
    with pytest.raises(ConfigError, match=rf"count = 5: {kind} has only {has} unit"):
        make_splits(images, Folds(kind=kind, count=5), blocks, seed=42)


def test_two_units_leave_nothing_to_train_on() -> None:
    with pytest.raises(ConfigError, match=r"fold 0 has 1 unit\(s\) outside its test part"):
        make_splits(DECADE[:2], Folds(kind="shuffled", count=2), (1, 1), seed=42)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(count=st.integers(1, 80), share=st.floats(0.01, 0.99), seed=st.integers(0, 999))
def test_validation_units_are_spread_evenly(count: int, share: float, seed: int) -> None:
    units = [str(k) for k in range(count)]
    chosen = [int(unit) for unit in pick_evenly(units, share, np.random.default_rng(seed))]
    assert len(chosen) == len(set(chosen)) == max(1, round(share * count))
    gaps = np.diff(chosen)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_a_southern_summer_is_in_one_year() -> None:
    """December 2018 to March 2019 are of one year, April 2019 of the next; not in the north."""
    months = months_between(date(2018, 12, 1), date(2019, 4, 1))
    masks = FoldMasks("by_year", (1, 1), southern=("south",))
    years = {
        region: [next(iter(masks.rectangles(replace(blank((4, 4)), region=region, month=month))))
                 for month in months]
        for region in ("south", "north")
    }  # fmt: skip
    assert years["south"] == ["2019", "2019", "2019", "2019", "2020"]
    assert years["north"] == ["2018", "2019", "2019", "2019", "2019"]
    images = [("south", month) for month in months_between(date(2016, 4, 1), date(2019, 3, 1))]
    folds = Folds(kind="by_year", count=3, validation_share=0)
    splits, _ = make_splits(images, folds, (1, 1), 0, southern=("south",))
    assert [split.test for split in splits] == [("2017",), ("2018",), ("2019",)]


def test_neighbours_are_kept_in_one_part_and_join_those_that_share_ground() -> None:
    images = [(name, date(2020, 7, 1)) for name in "abcdefg"]
    folds = Folds(kind="by_region", count=4, together=(("a", "g"), ("b", "c")), validation_share=0)
    splits, _ = make_splits(images, folds, (1, 1), 0, overlaps=[{"c", "d"}])
    tests = {split.test for split in splits}
    assert tests == {("a", "g"), ("b", "c", "d"), ("e",), ("f",)}
    with pytest.raises(ValueError, match="together acts on folds by_region alone, not on by_block"):
        Folds(together=(("a", "b"),))
    with pytest.raises(ValueError, match="together names b twice: make one group of both"):
        Folds(kind="by_region", together=(("a", "b"), ("b", "c")))
