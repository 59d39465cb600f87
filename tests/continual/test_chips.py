"""Chips of a task: where they lie, and that no part sees another's labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glacier.continual.chips import Batch, ChipCutter, cut_inside, cut_over, turn_chip
from glacier.errors import TrainingError
from tests.support.stream_plans import SIDE_PX, make_images, make_plan

SIZE = 16


def make_cutter(folder: Path, size: int = SIZE) -> ChipCutter:
    plan = make_plan(folder)
    return ChipCutter(make_images(), plan.masks, plan.splits[0], size, 3)


def mark_places() -> tuple[np.ndarray, list]:
    """A mask of an odd shape, and an image whose first band counts its pixels."""
    image = make_images()[0]
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[5:50, 10:45] = True
    mask[20:25, 30:32] = False
    return mask, [image]


def test_training_chips_lie_wholly_in_training_ground() -> None:
    mask, (image,) = mark_places()
    for _ in range(3):
        for pixels, _ in cut_inside(image, mask, SIZE, np.random.default_rng(0)):
            rows, cols = find(image.image[1], pixels[1])
            assert mask[rows : rows + SIZE, cols : cols + SIZE].all()


def find(whole: np.ndarray, part: np.ndarray) -> tuple[int, int]:
    """Where a window was cut from an image."""
    places = (
        (int(row), int(col))
        for row, col in np.argwhere(whole == part[0, 0])
        if np.array_equal(whole[row : row + SIZE, col : col + SIZE], part)
    )
    return next(places)


def test_scored_chips_hold_every_known_pixel_of_their_ground_once() -> None:
    mask, (image,) = mark_places()
    mask[:20, :20] = True
    found = list(cut_over(image, mask, 24))  # which does not divide the side
    known = sum(int((label != 255).sum()) for _, label in found)
    assert known == int((mask & (image.label != 255)).sum())


def test_labels_of_one_part_are_in_no_other(tmp_path: Path) -> None:
    cutter = make_cutter(tmp_path)
    (first, _) = make_plan(tmp_path).tasks
    train, validation, test = cutter.cut_task(first)
    pixels = 2 * (SIDE_PX // 2) * (SIDE_PX - 1)  # of both months, without the unknown row
    assert sum((label != 255).sum() for _, label in test) == pixels
    quarter = 2 * (SIDE_PX // 2) * (SIDE_PX // 4)
    assert sum((label != 255).sum() for _, label in validation) == quarter
    assert len(train) == 2 * round(48 * 32 / SIZE**2)


def test_all_tasks_are_scaled_by_the_first(tmp_path: Path) -> None:
    first, second = make_cutter(tmp_path).cut_stream(make_plan(tmp_path).tasks)
    assert first.train.images.mean().item() == pytest.approx(0, abs=0.02)
    assert first.train.images.std().item() == pytest.approx(1, abs=0.05)
    assert second.train.images.mean() > 1
    assert (first.name, second.place) == ("a", 1)
    assert torch.isfinite(first.test.images).all()


def test_a_task_without_room_for_a_chip_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no labelled chip of 64 px in its training ground"):
        make_cutter(tmp_path, 64).cut_stream(make_plan(tmp_path).tasks)


def test_chips_and_labels_turn_together() -> None:
    image = torch.arange(4.0).view(1, 2, 2)
    label = torch.arange(4).view(1, 2, 2).byte()
    seen = set()
    for way in range(8):
        turned = turn_chip(image, label, way)
        assert torch.equal(turned.images.byte(), turned.labels)
        seen.add(tuple(turned.labels.ravel().tolist()))
    assert len(seen) == 8


def test_a_draw_follows_its_random_state_alone() -> None:
    chips = Batch(torch.rand(6, 2, 4, 4), torch.zeros(6, 1, 4, 4, dtype=torch.uint8))
    one, other = (chips.draw(5, np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(one.images, other.images) and len(one) == 5
