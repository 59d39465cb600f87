"""The network of a trial: statistics, step size, the loss that chooses."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glacier.errors import TrainingError
from glacier.training.inference import choose_device
from glacier.training.learner import (
    Learner,
    band_statistics,
)
from glacier.training.sampler import WindowSampler
from glacier.training.selection import soft_dice_loss
from tests.support.discs import SIZE, SPLIT, make_images, make_trial


def test_band_statistics_are_those_of_training_pixels(tmp_path: Path) -> None:
    images = make_images()
    mean, std = band_statistics(make_trial(tmp_path), images)
    train = np.stack([i.image for i in images if i.key in SPLIT.train])
    np.testing.assert_allclose(mean, np.nanmean(train, axis=(0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(std, np.nanstd(train, axis=(0, 2, 3)), rtol=1e-4)


def test_the_cosine_schedule_falls_to_zero(tmp_path: Path) -> None:
    trial = make_trial(tmp_path, schedule="cosine", learning_rate=0.1, epochs=10)
    images = make_images()
    sampler = WindowSampler.plan(images, [np.ones((SIZE, SIZE), bool)] * 12, SIZE, whole=True)
    learner = Learner(trial, sampler, np.zeros(3, np.float32), np.ones(3, np.float32))
    rates = []
    for epochs in (0, 5, 10):
        learner.set_step_size(epochs)
        rates.append(learner.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.05, 0])


def test_soft_dice_loss_in_closed_form() -> None:
    assert soft_dice_loss(np.array([3.0, 4.0, 5.0])) == pytest.approx(1 - 6 / 9)
    assert soft_dice_loss(np.array([0.0, 0.0, 0.0])) == 1


def test_the_first_step_of_a_warm_up_moves_the_weights(tmp_path: Path) -> None:
    """Four steps an epoch, one epoch of warm-up: a quarter, a half, three quarters, all."""
    trial = make_trial(tmp_path, learning_rate=0.1, warm_up_epochs=1)
    nothing = np.zeros(3, np.float32)
    learner = Learner(trial, WindowSampler(SIZE, True, [], 0), nothing, nothing + 1)
    found = []
    for step in range(5):
        learner.set_step_size(step / 4, 1 / 4)
        found.append(learner.optimizer.param_groups[0]["lr"])
    assert found == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1])


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_step_size_warms_up_from_zero(tmp_path: Path, schedule: str) -> None:
    trial = make_trial(tmp_path, schedule=schedule, learning_rate=0.1, epochs=10, warm_up_epochs=2)
    nothing = np.zeros(3, np.float32)
    learner = Learner(trial, WindowSampler(SIZE, True, [], 0), nothing, nothing + 1)
    found = []
    for epochs in (0, 1, 2, 6):
        learner.set_step_size(epochs)
        found.append(learner.optimizer.param_groups[0]["lr"])
    assert found == pytest.approx([0, 0.05, 0.1, 0.1 if schedule == "constant" else 0.05])


def test_a_gpu_that_cannot_be_used_is_an_error_and_no_quiet_run_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choose_device(0) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(0) == torch.device("cpu") and choose_device(0.5) == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match=r"0\.5 of a GPU .* but PyTorch .* no CUDA"):
        choose_device(0.5)
