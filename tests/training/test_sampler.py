import hashlib
import warnings
from datetime import date

import numpy as np
import pytest

from glacier.errors import TrainingError
from glacier.samples.month_images import MonthImage
from glacier.settings.sweep import Sweep
from glacier.training.sampler import WindowSampler, coarsen, split_batches
from glacier.windows import turn, turn_back
from tests.support.months import make_month


def make_images(count: int = 3, shape: tuple[int, int] = (80, 96)) -> list[MonthImage]:
    """Images whose pixel values are their coordinates, so that any shift shows."""
    rows, cols = np.indices(shape).astype(np.float32)
    pictures = [np.stack([rows, cols, np.full(shape, k, np.float32)]) for k in range(count)]
    return [
        make_month("a", date(2020, k + 1, 1), picture, np.ones(shape, np.uint8))
        for k, picture in enumerate(pictures)
    ]


def draw(crops: WindowSampler, images: list[MonthImage], seed: int = 0, **settings: object) -> list:
    config = Sweep(**({"flips": False, "batch_size": 4} | settings))
    drawn = crops.draw_batches(images, np.random.default_rng(seed), config)
    return [crops.cut_batch(images, part) for part in drawn]


def test_windows_lie_wholly_in_training_ground() -> None:
    images = make_images()
    part = np.zeros((80, 96), bool)
    part[10:60, 20:90] = True
    crops = WindowSampler.plan(images, [part, ~part & False, part], 32, whole=False)
    batches = draw(crops, images, steps_per_epoch=20)
    windows = np.concatenate([image for image, _ in batches])
    assert windows[:, 0].min() >= 10 and windows[:, 0].max() < 60
    assert windows[:, 1].min() >= 20 and windows[:, 1].max() < 90
    assert set(windows[:, 2, 0, 0]) == {0.0, 2.0}  # the image without training ground is never cut


def test_an_epoch_covers_the_ground_once_by_default_and_steps_fix_it() -> None:
    images = make_images()
    crops = WindowSampler.plan(images, [np.ones((80, 96), bool)] * 3, 32, whole=False)
    assert sum(len(label) for _, label in draw(crops, images)) == -(-3 * 80 * 96 // 32**2)
    assert len(draw(crops, images, steps_per_epoch=7)) == 7
    assert crops.count_steps(Sweep(batch_size=4)) == len(draw(crops, images))


def test_brightness_leaves_indices_alone() -> None:
    """NDSI is a ratio: light that is a third brighter does not change it."""
    image = make_month(
        "a", date(2020, 1, 1), np.full((3, 32, 32), 0.5, np.float32), np.ones((32, 32), np.uint8)
    )
    crops = WindowSampler.plan(
        [image], [np.ones((32, 32), bool)], 32, whole=True, bands=("nir", "ndsi", "green")
    )
    (pictures, _), *_ = draw(crops, [image], brightness_jitter=0.3, steps_per_epoch=1)
    assert (pictures[:, 1] == image.image[1]).all()
    assert (pictures[:, 0] != image.image[0]).all()
    np.testing.assert_array_equal(pictures[:, 0], pictures[:, 2])


def test_a_batch_of_one_window_is_never_drawn() -> None:
    """Batch normalisation needs two."""
    images = make_images(1, (32, 32))
    for whole in (True, False):
        crops = WindowSampler.plan(images, [np.ones((32, 32), bool)], 32, whole=whole)
        assert [len(label) for _, label in draw(crops, images)] == [2]
        assert crops.count_steps(Sweep(batch_size=4)) == 1


def test_whole_images_come_once_each_in_an_order_that_the_seed_decides() -> None:
    images = make_images(9, (32, 32))
    crops = WindowSampler.plan(images, [np.ones((32, 32), bool)] * 9, 32, whole=True)
    orders = [np.concatenate([i[:, 2, 0, 0] for i, _ in draw(crops, images, s)]) for s in (0, 0, 1)]
    assert sorted(orders[0]) == list(range(9))
    assert (orders[0] == orders[1]).all()
    assert (orders[0] != orders[2]).any()


def test_flips_move_image_and_label_together() -> None:
    image = make_images(1, (32, 32))[0]
    labels = (image.image[0] > image.image[1]).astype(np.uint8)
    image = make_month("a", image.month, image.image, labels)
    crops = WindowSampler.plan([image], [np.ones((32, 32), bool)], 32, whole=True)
    seen = set()
    for pictures, label in draw(crops, [image], flips=True, steps_per_epoch=16):
        assert ((pictures[:, 0] > pictures[:, 1]) == label.astype(bool)).all()
        seen |= {picture.tobytes() for picture in pictures}
    assert len(seen) == 8


def test_brightness_keeps_the_ratio_of_bands() -> None:
    image = make_images(1, (32, 32))[0]
    crops = WindowSampler.plan([image], [np.ones((32, 32), bool)], 32, whole=True)
    (pictures, _), *_ = draw(crops, [image], brightness_jitter=0.3, steps_per_epoch=1)
    factors = pictures[:, 1, 0, 31] / 31
    assert 0.7 <= factors.min() < factors.max() <= 1.3
    np.testing.assert_allclose(
        pictures, image.image[None] * factors[:, None, None, None], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("settings", "digest"),
    [
        ({"flips": True}, "12898c5e33b12019"),
        ({"flips": False}, "754a7a88bd58a612"),
        ({"flips": True, "brightness_jitter": 0.3}, "14339c9412fd8b3c"),
        ({"steps_per_epoch": 7, "brightness_jitter": 0.2}, "19f7d65780be288c"),
    ],
)
def test_a_seed_draws_the_same_batches_as_ever(settings: dict, digest: str) -> None:
    """Kept sweeps were trained on them."""
    images = make_images(5, (50, 70))
    for k, image in enumerate(images):
        image.label[:, : 20 + 3 * k] = 255
    crops = WindowSampler.plan(images, [np.ones((50, 70), bool)] * 5, 32, whole=False)
    found = hashlib.sha256()
    for batch in draw(crops, images, 5, **settings):
        for part in batch:
            found.update(np.ascontiguousarray(part).tobytes())
    assert found.hexdigest()[:16] == digest


def test_images_are_not_written_to() -> None:
    images = make_images()
    for image in images:
        image.image.setflags(write=False)
    crops = WindowSampler.plan(images, [np.ones((80, 96), bool)] * 3, 32, whole=False)
    assert draw(crops, images, flips=True, brightness_jitter=0.5)


def test_unlabelled_windows_are_avoided() -> None:
    image = make_images(1)[0]
    label = np.full((80, 96), 255, np.uint8)
    label[:40] = 1
    image = make_month("a", image.month, image.image, label)
    crops = WindowSampler.plan([image], [np.ones((80, 96), bool)], 32, whole=False)
    for _, labels in draw(crops, [image], steps_per_epoch=30):
        assert (labels != 255).any(axis=(1, 2)).all()


def test_no_room_for_a_window_is_said() -> None:
    with pytest.raises(TrainingError, match="no window of 64 px"):
        WindowSampler.plan(make_images(), [np.eye(80, 96, dtype=bool)] * 3, 64, whole=False)


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert [len(part) for part in split_batches(np.arange(17), 8)] == [8, 9]
    assert [len(part) for part in split_batches(np.arange(18), 8)] == [8, 8, 2]
    assert [len(part) for part in split_batches(np.arange(1), 8)] == [1]


@pytest.mark.parametrize("way", range(8))
def test_turning_back_undoes_turning(way: int) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    assert (turn_back(turn(array, way), way) == array).all()


def test_a_coarse_window_has_the_means_of_its_squares_and_the_same_label() -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((2, 32, 32)).astype(np.float32)
    picture[0, :2, :2] = np.nan
    picture[0, 2, 2] = np.nan
    for side in (2, 4):
        found = coarsen(picture, side)
        blocks = picture.reshape(2, 32 // side, side, 32 // side, side)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of squares that nobody saw
            mean = np.nanmean(blocks, axis=(2, 4))
        seen = np.isfinite(blocks).mean(axis=(2, 4)) >= 0.5
        wanted = np.where(seen, mean, np.nan).repeat(side, 1).repeat(side, 2)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert np.isnan(coarsen(picture, 2)[0, :2, :2]).all() and coarsen(picture, 1) is picture
    image = make_month("a", date(2020, 1, 1), picture, rng.integers(0, 2, (32, 32), np.uint8))
    crops = WindowSampler.plan([image], [np.ones((32, 32), bool)], 32, whole=True)
    plain, coarse = (
        draw(crops, [image], steps_per_epoch=8, resolution_jitter=jitter) for jitter in (0, 1)
    )
    for (sharp, label), (blurred, same) in zip(plain, coarse, strict=True):
        assert not np.array_equal(sharp, blurred, equal_nan=True)
        np.testing.assert_array_equal(label, same)


def test_some_bands_are_unseen_and_never_all() -> None:
    images = make_images(2, (32, 32))
    crops = WindowSampler.plan(images, [np.ones((32, 32), bool)] * 2, 32, whole=True)
    for chance in (0.3, 0.99):
        batches = draw(crops, images, steps_per_epoch=50, band_dropout=chance)
        gone = np.concatenate([np.isnan(image).all(axis=(2, 3)) for image, _ in batches])
        part = np.concatenate([np.isnan(image).any(axis=(2, 3)) for image, _ in batches])
        assert (gone == part).all() and not gone.all(axis=1).any()
        assert gone.mean() == pytest.approx(chance if chance < 0.5 else 2 / 3, abs=0.05)
