"""The scores that choose an epoch, from images that lie on the device of the network.

As :meth:`Learner.validate` does it from images in memory: windows side by side, blended where the
last of a row overlaps the one before. Here windows of several images go together, and only sums
leave the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched

import numpy as np
import torch
from torch import Tensor

from glacier.evaluation.calibration import Calibration
from glacier.evaluation.metrics import Counts
from glacier.labels import IGNORE
from glacier.samples.month_images import MonthImage
from glacier.training.inference import BATCH
from glacier.training.lane import Lane
from glacier.training.learner import Learner
from glacier.training.resident import Places, ResidentImages
from glacier.training.selection import Selection
from glacier.training.unet import autocast
from glacier.windows import blend_weights, pad_to, window_starts


@dataclass(frozen=True)
class Part:
    """The pixels of one image that count."""

    image: int
    known: Tensor
    """(H, W) bool, those of the split whose label is known."""
    true: Tensor
    """(H, W) bool, those of them that are glacier."""
    windows: list[tuple[int, int]]
    """Row and column of the windows that hold them."""
