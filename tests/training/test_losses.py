"""Losses: known answers, an oracle, and batches where the usual Dice loss says nothing."""

import math

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from glacier.labels import IGNORE
from glacier.training.losses import choose_loss, dice_bce_loss, dice_loss


def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels of which some are unknown."""
    make = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(3, 1, 8, 8, generator=make)
    target = torch.randint(0, 2, logits.shape, generator=make)
    target[torch.rand(logits.shape, generator=make) < 0.3] = IGNORE
    return logits, target


@pytest.mark.parametrize("seed", range(20))
def test_dice_loss_agrees_with_the_library_where_there_is_glacier(seed: int) -> None:
    logits, target = draw(seed)
    oracle = smp.losses.DiceLoss(mode="binary", ignore_index=IGNORE)
    torch.testing.assert_close(dice_loss(logits, target), oracle(logits, target))


def expected_dice_loss(logits: np.ndarray, target: np.ndarray) -> float:
    """With branches, in float64: of the glacier, of the ground where there is none, or nothing."""
    known = target != IGNORE
    if not known.any():
        return 0.0
    truth, probability = target[known] == 1, 1 / (1 + np.exp(-logits[known].astype(np.float64)))
    if not truth.any():
        truth, probability = ~truth, 1 - probability
    return float(1 - 2 * probability[truth].sum() / (probability.sum() + truth.sum()))


def test_the_loss_without_branches_is_the_one_with_them() -> None:
    """200 batches, of which some hold no glacier, nothing but glacier, or no label at all."""
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        shape = (*rng.integers(1, 5, 1), 1, *rng.integers(1, 9, 2))
        ice, unknown = rng.choice([0.0, 0.01, 0.5, 1.0]), rng.choice([0.0, 0.3, 0.9, 1.0])
        logits = rng.normal(0, 6, shape).astype(np.float32)
        target = np.where(rng.random(shape) < unknown, IGNORE, rng.random(shape) < ice)
        found = dice_loss(torch.from_numpy(logits), torch.from_numpy(target.astype(np.uint8)))
        assert found.item() == pytest.approx(expected_dice_loss(logits, target), abs=2e-6)
        seen.add((bool((target == 1).any()), bool((target != IGNORE).any())))
    assert seen == {(True, True), (False, True), (False, False)}


def test_cross_entropy_is_the_mean_over_labelled_pixels() -> None:
    logits, target = draw(0)
    known = target != IGNORE
    oracle = torch.nn.BCEWithLogitsLoss()(logits[known], target[known].float())
    torch.testing.assert_close(dice_bce_loss(logits, target) - dice_loss(logits, target), oracle)


def test_known_answers() -> None:
    sure = torch.full((1, 1, 2, 2), 50.0)
    target = torch.tensor([[[[1, 1], [0, IGNORE]]]])
    assert dice_loss(sure, target).item() == pytest.approx(1 - 4 / 5)
    assert dice_loss(torch.zeros(1, 1, 2, 2), target).item() == pytest.approx(1 - 2 / 3.5)
    assert dice_bce_loss(torch.zeros(1, 1, 2, 2), target).item() == pytest.approx(
        1 - 2 / 3.5 + math.log(2)
    )


@pytest.mark.parametrize("name", ["dice", "dice_bce"])
def test_a_batch_without_glacier_still_teaches(name: str) -> None:
    """False alarms cost, and every labelled pixel is pushed down."""
    logits, target = draw(1)
    target[target == 1] = 0
    logits.requires_grad_()
    loss = choose_loss(name)(logits, target)
    loss.backward()
    assert loss.item() > 0.1
    assert (logits.grad[target == 0] > 0).all() and (logits.grad[target == IGNORE] == 0).all()
    assert dice_loss(torch.full_like(target, -50, dtype=torch.float32), target).item() == 0


@pytest.mark.parametrize("name", ["dice", "dice_bce"])
def test_a_batch_without_labels_teaches_nothing_and_breaks_nothing(name: str) -> None:
    logits = torch.randn(2, 1, 4, 4, requires_grad=True)
    loss = choose_loss(name)(logits, torch.full((2, 1, 4, 4), IGNORE))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


@pytest.mark.parametrize("name", ["dice", "dice_bce"])
def test_unknown_pixels_change_no_loss_and_no_gradient(name: str) -> None:
    logits, target = draw(2)
    logits.requires_grad_()
    choose_loss(name)(logits, target).backward()
    assert (logits.grad[target == IGNORE] == 0).all()
    assert (logits.grad[target != IGNORE] != 0).all()


def test_the_loss_has_no_branch_that_would_wait_for_a_gpu() -> None:
    """On a device without numbers, a look at one would be an error."""
    logits, target = torch.zeros(2, 1, 4, 4, device="meta"), torch.ones(2, 1, 4, 4, device="meta")
    assert dice_loss(logits, target).shape == ()
