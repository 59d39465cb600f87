"""What a network is trained to lower: Dice loss alone, or with cross-entropy beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from glacier.labels import IGNORE

Loss = Callable[[Tensor, Tensor], Tensor]
"""(N, 1, H, W) logits and (N, 1, H, W) labels 0, 1, 255 -> a number to lower."""


def choose_loss(name: Literal["dice", "dice_bce"]) -> Loss:
    """The loss that a configuration names."""
    return {"dice": dice_loss, "dice_bce": dice_bce_loss}[name]


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - Dice of the probabilities over all labelled pixels of the batch.

    Where the batch holds no glacier, Dice is 0 whatever is predicted and gives no gradient; then
    the Dice of the ground counts instead, which falls with every false alarm.

    Args:
        logits: (N, 1, H, W) float32.
        target: (N, 1, H, W) labels; 255 counts nowhere.

    Returns:
        Scalar, 0..1; 0 where nothing is labelled.

    Source:
        Milletari, Navab & Ahmadi 2016 (V-Net), with sums in place of squares in the denominator,
        as segmentation-models-pytorch has it.
    """
    known = target != IGNORE
    truth = ((target == 1) & known).to(logits.dtype)
    bare = ~truth.any()  # without a branch, which would wait for the GPU
    logits = torch.where(bare, -logits, logits)
    truth = torch.where(bare, known.to(logits.dtype), truth)
    probability = functional.logsigmoid(logits).exp() * known
    overlap, whole = (probability * truth).sum(), (probability + truth).sum()
    return torch.where(known.any(), 1 - 2 * overlap / whole.clamp_min(1e-7), 0.0 * whole)


def dice_bce_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Dice loss plus binary cross-entropy, in equal parts.

    Args:
        logits: (N, 1, H, W) float32.
        target: (N, 1, H, W) labels; 255 counts nowhere.

    Returns:
        Scalar: the Dice loss plus the mean cross-entropy, in nats, of the labelled pixels.
    """
    known = target != IGNORE
    truth = ((target == 1) & known).to(logits.dtype)
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return dice_loss(logits, target) + (each * known).sum() / known.sum().clamp_min(1)
