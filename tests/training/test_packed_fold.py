"""What a fold of a pack does on a GPU, as far as it can be seen on cores."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from glacier.evaluation.results import Epoch
from glacier.samples.folds import Split
from glacier.samples.month_images import MonthImage
from glacier.training import packed_fold
from glacier.training.fit import make_learner
from glacier.training.glance import Glance
from glacier.training.lane import Lane, Work
from glacier.training.packed_fold import PackedFold
from glacier.training.resident import ResidentImages
from tests.support.discs import KEYS, SIZE, make_images, make_samples, make_trial

IMAGES = make_images()


def make_fold(folder: Path, **settings: object) -> PackedFold:
    """A fold whose samples lie where it works: steps with batches of 3, and a last one of 4."""
    plain = {"epochs": 2, "steps_per_epoch": None, "batch_size": 3, "brightness_jitter": 0.2,
             "resolution_jitter": 0.5, "band_dropout": 0.3}  # fmt: skip
    learner = make_learner(make_trial(folder, **(plain | settings)), IMAGES)
    resident = ResidentImages(IMAGES, SIZE, (), learner.device)
    return PackedFold(learner, IMAGES, resident, lambda row: None)


def run_epoch(fold: PackedFold) -> tuple[list[torch.Tensor], float | None]:
    """Weights, moments and losses after an epoch, and the loss that chooses."""
    fold.begin_epoch()
    for number in range(len(fold.sizes)):
        fold.run_step(number)
    chosen = fold.score().val_dice_loss
    return [*packed_fold.list_state(fold.learner), fold.losses], chosen


class Rehearsal(Lane):
    """Does what a GPU does to record some work: runs it a few times."""

    def record(self, work: Work) -> Work:
        """The same work, which has been run."""
        with self.use():
            for _ in range(3):
                work()
        return super().record(work)


def test_recordings_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of a fresh network nor of one that goes on from a checkpoint."""
    expected, chosen = run_epoch(plain := make_fold(tmp_path / "plain"))
    monkeypatch.setattr(packed_fold, "Lane", Rehearsal)
    found, other = run_epoch(rehearsed := make_fold(tmp_path / "rehearsed"))
    assert all(map(torch.equal, found, expected)) and chosen == other
    for fold in (plain, rehearsed):
        row = Epoch(epoch=0, train_loss=0.5, images_per_s=1.0, seconds=1.0)
        fold.end_epoch(row)  # which saves, too
    again, _ = run_epoch(make_fold(tmp_path / "rehearsed"))
    assert all(map(torch.equal, again, run_epoch(plain)[0]))


class NoLooks(TorchDispatchMode):
    """Refuses what would make the host wait for a GPU, or depend on a number there."""

    LOOKS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique")

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation that is none of them."""
        name = func.overloadpacket.__name__
        assert not any(name.startswith(look) for look in self.LOOKS), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("settings", [{}, {"loss": "dice_bce", "precision": "bfloat16"}])
def test_a_step_never_looks_at_a_number(tmp_path: Path, settings: dict) -> None:
    """What is recorded runs again without the host."""
    fold = make_fold(tmp_path, **settings)
    fold.begin_epoch()
    with NoLooks():
        fold.run_step(0)
        assert fold.glance is not None
        fold.glance.answer()
    with pytest.raises(AssertionError, match="scalar"), NoLooks():
        fold.losses[0].item()


def test_steps_count_themselves(tmp_path: Path) -> None:
    """A recording knows by a number on the device which row of the table is its own."""
    fold = make_fold(tmp_path)
    fold.begin_epoch()
    seen = []
    for number in range(len(fold.sizes)):
        seen.append(int(fold.at))
        fold.run_step(number)
    assert seen == list(range(len(fold.sizes))) and int(fold.at) == 0
    assert len(set(fold.losses.tolist())) == len(fold.sizes)
    assert set(fold.steps) == set(fold.sizes)


def test_a_glance_at_images_on_the_device_scores_as_validation_does(tmp_path: Path) -> None:
    """Images larger than a window, which overlap, and smaller ones; several windows at once."""
    rng = np.random.default_rng(0)

    def widen(image: MonthImage, shape: tuple[int, int]) -> MonthImage:
        numbers = rng.integers(0, 40000, (3, *shape)).astype(np.uint16)
        label = rng.choice(np.array([0, 1, 255], np.uint8), shape)
        return dataclasses.replace(image, numbers=numbers, label=label, classes=label)

    shapes = [(50, 70), (20, 90), (32, 32), (64, 64), (33, 24)]
    images = [widen(image, shape) for image, shape in zip(IMAGES, shapes, strict=False)]
    trial = make_trial(tmp_path, precision="float32")
    split = Split(0, (), tuple(KEYS[:4]), tuple(KEYS[4:5]))
    samples = make_samples(layout="chips", resize=None)
    made = make_learner(dataclasses.replace(trial, split=split, samples=samples), images)
    resident = ResidentImages(images, SIZE, (), made.device)
    glance = Glance(made, images, resident, Lane(made.device))
    found, expected = glance.score(), made.validate(images, split.validation)
    assert len(glance.looks) > glance.batch or glance.batch == len(glance.looks)
    assert found.val_dice_loss == pytest.approx(expected.val_dice_loss, abs=1e-6)
    assert found.val_dice == pytest.approx(expected.val_dice, abs=1e-4)
    assert found.val_iou == pytest.approx(expected.val_iou, abs=1e-4)
    glance.batch = 5
    glance.now, glance.logits = glance.now[:5], glance.logits[:5]
    assert glance.score().val_dice_loss == pytest.approx(expected.val_dice_loss, abs=1e-6)


def test_nothing_chooses_without_known_ice(tmp_path: Path) -> None:
    made = make_learner(make_trial(tmp_path), IMAGES)
    bare = [dataclasses.replace(i, label=np.zeros_like(i.label)) for i in IMAGES]
    lane = Lane(made.device)
    assert Glance(made, bare, ResidentImages(bare, SIZE, (), made.device), lane).score() == (
        None, None, None,
    )  # fmt: skip


def test_lanes_draw_as_if_they_were_alone() -> None:
    """Dropout in one network must not depend on how many others train beside it."""
    outside = torch.get_rng_state()
    lanes = [Lane(torch.device("cpu")) for _ in range(2)]
    for seed, lane in enumerate(lanes):
        lane.seed(seed)
    drawn: list[list[float]] = [[], []]
    for _ in range(3):
        for numbers, lane in zip(drawn, lanes, strict=True):
            with lane.use():
                numbers.append(float(torch.rand(())))
    for seed, numbers in enumerate(drawn):
        generator = torch.Generator().manual_seed(seed)
        assert numbers == [float(torch.rand((), generator=generator)) for _ in range(3)]
    assert (torch.get_rng_state() == outside).all()
