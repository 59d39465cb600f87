"""Windows gathered from numbers in one tensor are those that are cut from images, to the bit."""

from datetime import date

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glacier.labels import IGNORE
from glacier.samples.coding import RATIO, REFLECTANCE, BandCoding, Coding
from glacier.samples.month_images import MonthImage
from glacier.settings.sweep import Sweep
from glacier.training.resident import Places, ResidentImages
from glacier.training.sampler import WindowSampler, WindowTable
from glacier.training.unet import normalise

CPU = torch.device("cpu")
SIZE = 16
MEAN, STD = np.array([0.3, 0.5, 0.1], np.float32), np.array([0.2, 0.3, 0.7], np.float32)
SHAPES = [(24, 40), (16, 16), (17, 33), (10, 12), (9, 50)]
NARROW = BandCoding(scale=2.75e-5, offset=-0.2, low=0.0, high=1.0)
CODINGS = [Coding((NARROW, RATIO, REFLECTANCE)), Coding.plain(3)]


def make_month(shape: tuple[int, int], month: int) -> MonthImage:
    """A month of noise, of which some is unseen and some unlabelled."""
    rng = np.random.default_rng(month)
    numbers = rng.integers(0, 2**16, (3, *shape)).astype(np.uint16)
    numbers[:, rng.random(shape) < 0.1] = 0
    numbers[0, 0, 0] = 2**16 - 1
    label = rng.choice(np.array([0, 1, IGNORE], np.uint8), shape, p=[0.5, 0.3, 0.2])
    nothing = np.zeros((0, *shape), np.uint16)
    coding = CODINGS[month % 2]
    return MonthImage("a", date(2020, month, 1), numbers, coding, label, nothing, label)


IMAGES = [make_month(shape, at + 1) for at, shape in enumerate(SHAPES)]


def compare(table: WindowTable, indices: tuple[int, ...] = ()) -> None:
    """Gather what a table says, and hold it against what is cut."""
    sampler = WindowSampler(SIZE, False, [], 0, indices)
    image, label = sampler.cut_batch(IMAGES, table)
    resident = ResidentImages(IMAGES, SIZE, indices, CPU)
    mean, std = (torch.from_numpy(v)[:, None] for v in (MEAN, STD))
    found, target = resident.gather(Places.of(table, CPU), mean, std)
    np.testing.assert_array_equal(found.numpy(), normalise(image, MEAN, STD))
    np.testing.assert_array_equal(target[:, 0].numpy(), label)
    assert found.dtype == torch.float32 and target.dtype == torch.uint8


@pytest.mark.parametrize("way", range(8))
def test_every_turn_is_gathered_as_it_is_cut(way: int) -> None:
    count = len(IMAGES)
    start = np.array([[8, 24], [0, 0], [1, 17], [0, 0], [0, 34]], np.int32)
    lit = np.linspace(0.7, 1.3, count).astype(np.float32)
    compare(
        WindowTable(np.arange(count), start, np.full(count, way, np.uint8), lit, (count,)), (1,)
    )


@given(
    data=st.data(), jitter=st.sampled_from([0.0, 0.3]), indices=st.sampled_from([(), (1,), (0, 2)])
)
def test_any_window_is_gathered_as_it_is_cut(
    data: st.DataObject, jitter: float, indices: tuple[int, ...]
) -> None:
    images = data.draw(st.lists(st.integers(0, len(SHAPES) - 1), min_size=1, max_size=6))
    starts = [
        [data.draw(st.integers(0, max(0, side - SIZE))) for side in SHAPES[k]] for k in images
    ]
    ways = data.draw(st.lists(st.integers(0, 7), min_size=len(images), max_size=len(images)))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    table = WindowTable(
        np.array(images, np.int64),
        np.array(starts, np.int32),
        np.array(ways, np.uint8),
        rng.uniform(1 - jitter, 1 + jitter, len(images)).astype(np.float32),
        (len(images),),
    )
    compare(table, indices)


@pytest.mark.parametrize(
    "changes",
    [
        {"flips": False},
        {"brightness_jitter": 0.4},
        {"resolution_jitter": 0.7, "brightness_jitter": 0.2},
        {"band_dropout": 0.4},
        {"resolution_jitter": 1, "band_dropout": 0.9, "brightness_jitter": 0.3},
    ],
)
def test_the_table_of_an_epoch_is_what_its_batches_are_cut_by(changes: dict) -> None:
    masks = [np.ones(shape, bool) for shape in SHAPES]
    sampler = WindowSampler.plan(IMAGES, iter(masks), SIZE, whole=False, bands=("a", "ndsi", "b"))
    settings = Sweep(batch_size=4, **changes)
    table = sampler.draw_table(IMAGES, np.random.default_rng(3), settings)
    parts = sampler.draw_batches(IMAGES, np.random.default_rng(3), settings)
    batches = [sampler.cut_batch(IMAGES, part) for part in parts]
    assert table.sizes == tuple(len(label) for _, label in batches)
    for part, (image, label) in zip(table.split(), batches, strict=True):
        again = sampler.cut_batch(IMAGES, part)
        np.testing.assert_array_equal(again[0], image)
        np.testing.assert_array_equal(again[1], label)
    compare(table, sampler.indices)


def test_beyond_the_edge_all_is_unseen_and_unknown() -> None:
    table = WindowTable(
        np.array([3]),
        np.zeros((1, 2), np.int32),
        np.zeros(1, np.uint8),
        np.ones(1, np.float32),
        (1,),
    )
    mean, std = (torch.from_numpy(v)[:, None] for v in (MEAN, STD))
    image, label = ResidentImages(IMAGES, SIZE, (), CPU).gather(Places.of(table, CPU), mean, std)
    outside = np.ones((SIZE, SIZE), bool)
    outside[: SHAPES[3][0], : SHAPES[3][1]] = False
    assert (image[0].numpy()[:, outside] == 0).all()
    assert (label[0, 0].numpy()[outside] == IGNORE).all()


def test_memory_is_two_bytes_a_number_and_one_a_label() -> None:
    pixels = sum(height * width for height, width in SHAPES)
    assert ResidentImages.count_bytes(IMAGES) == pixels * (3 * 2 + 1)
    resident = ResidentImages(IMAGES, SIZE, (), CPU)
    assert resident.numbers.nbytes + resident.labels.nbytes == pixels * 7
