"""What the encoder of a stored network makes of windows: its deepest features, averaged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import nn

from glacier.errors import StoreError
from glacier.training.inference import Viewer, take_device
from glacier.training.model_card import ModelCard
from glacier.training.model_files import load_model
from glacier.windows import Predictor


class PooledEncoder(nn.Module):
    """The encoder of a U-Net, and the mean of its deepest features over the window."""

    def __init__(self, model: nn.Module) -> None:
        """Take the encoder over."""
        super().__init__()
        self.encoder = model.get_submodule("encoder")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, B, h, w) -> (N, 1, D), where a network has its one channel of logits."""
        deepest: torch.Tensor = self.encoder(images)[-1]
        return deepest.mean(dim=(2, 3))[:, None]


@dataclass(frozen=True)
class WindowEncoder:
    """An encoder that looks at windows as the card of its network says."""

    encode: Predictor
    """(N, B, h, w) float32 windows, NaN where unseen -> (N, D) float32 features."""
    card: ModelCard


@lru_cache(maxsize=1)
def load_encoder(folder: str, sha256: str) -> WindowEncoder:
    """The encoder of a stored network, on one core; a process loads it once.

    Windows are looked at as they lie, also where the network's answers are averaged over turns.

    Args:
        folder: Address of the model.
        sha256: Of its weights.

    Raises:
        StoreError: Its files are missing or damaged, or are those of another network.
        WeightsError: Its weights do not fit its encoder.
    """
    model, card = load_model(folder)
    if card.sha256 != sha256:
        raise StoreError(
            f"{folder} is another network (sha256 {card.sha256[:12]}) than the one that mapped the "
            f"months ({sha256[:12]}): run `glacier predict` again"
        )
    plain = card.inference.model_copy(update={"orientations": 1, "rule": None})
    pooled = PooledEncoder(model).to(take_device(1, 0))
    return WindowEncoder(Viewer.of(pooled, plain).predict, card)
