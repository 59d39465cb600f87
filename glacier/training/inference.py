"""How a network answers: windows normalised, looked at, and blended, as its card says.

A model is tested and applied by what is in here and by nothing else, so that a map is made as its
score was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glacier.errors import TrainingError
from glacier.training.folding import fold
from glacier.training.joined_rule import JoinedRule
from glacier.training.model_card import Inference
from glacier.training.process import keep_float32
from glacier.training.unet import make_predictor
from glacier.windows import Predictor, average_orientations, in_full_batches, predict_blended

BATCH = {"cpu": 4, "cuda": 32}
"""Windows that a network is always asked for together, by its device: few leave cores no room for
waste on small images, and a GPU wants many."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Number formats by what cards call them."""


@dataclass(frozen=True)
class Viewer:
    """A network that looks at images as its card says."""

    predict: Predictor
    """(N, B, h, w) float32 windows, NaN where unseen -> (N, h, w) float32 logits."""
    settings: Inference
    batch: int
    """Windows per call."""

    @classmethod
    def of(cls, model: nn.Module, settings: Inference) -> Viewer:
        """A network on its device, with the weights that it has now, as a viewer."""
        device = next(model.parameters()).device.type
        if device == "cpu":
            model = fold(model, len(settings.mean), PRECISIONS[settings.precision])
        batch = BATCH[device]
        mean, std = (np.array(v, np.float32) for v in (settings.mean, settings.std))
        predict = in_full_batches(make_predictor(model, mean, std, settings.precision), batch)
        if settings.orientations == 8:
            predict = average_orientations(predict)
        if settings.rule:
            predict = join_rule(predict, settings.rule)
        return cls(predict, settings, batch)

    def logits(self, image: NDArray[np.float32], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Logits of an image in memory.

        Args:
            image: (B, H, W) float32, NaN where unseen.
            wanted: (H, W) bool, pixels whose answer is needed.

        Returns:
            (H, W) float32; NaN where not wanted.
        """
        size, stride = self.settings.size_px, self.settings.stride_px
        return predict_blended(self.predict, image, wanted, size, stride, self.batch)


def join_rule(predict: Predictor, rule: JoinedRule) -> Predictor:
    """A network, and a rule beside it."""
    return lambda windows: rule.join(predict(windows), windows)


def take_device(threads: int, gpus: float) -> torch.device:
    """The device of a process that maps: its share of a GPU where it has one, else its cores.

    Raises:
        TrainingError: The GPU that it was given cannot be used.
    """
    torch.set_num_threads(threads)
    return choose_device(gpus)


def find_device() -> torch.device:
    """The GPU where this process sees one, else its cores."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_device(gpus: float) -> torch.device:
    """The GPU where a share of one was given, else the CPU.

    What a GPU multiplies in float32 it multiplies with all bits; see ``sweep.tf32``.

    Raises:
        TrainingError: The GPU that was given cannot be used; hours on a CPU are no answer.
    """
    if not gpus:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise TrainingError(
            f"{gpus:g} of a GPU was given (gpus_per_trial or gpus_per_worker), but PyTorch "
            f"{torch.__version__} finds no CUDA device on this node; repair its driver or install "
            "a PyTorch built for it, or set it to 0 to work on cores"
        )
    keep_float32()
    return torch.device("cuda")
