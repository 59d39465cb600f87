"""The scores that choose an epoch, of images that lie on the device of the network.

As :meth:`Learner.validate` has them of images in memory: windows side by side, blended where the
last of a row lies over the one before. Here windows of several images go together, and nothing but
sums leaves the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
class Scene:
    """The pixels of one image that count."""

    shape: tuple[int, int]
    """Height and width of the canvas that its windows lie on, at least a window each."""
    known: Tensor
    """(H, W) bool, those of the split whose label is known."""
    true: Tensor
    """(H, W) bool, those of them that are glacier."""


@dataclass(frozen=True)
class Look:
    """A window of a scene."""

    image: int
    row: int
    col: int
    scene: Scene
    is_first: bool
    """Of the windows of its scene; likewise the last."""
    is_last: bool


class Glance:
    """The split that chooses, and the network that is scored on it after each epoch."""

    def __init__(
        self, learner: Learner, images: Sequence[MonthImage], resident: ResidentImages, lane: Lane
    ) -> None:
        """List the windows that hold the split's pixels, and record how the network sees them.

        Args:
            learner: The network.
            images: All month images, in the order in which they lie on the device.
            resident: The same, on the device.
            lane: Where the network works.
        """
        self.learner, self.resident, self.lane = learner, resident, lane
        size, device = learner.size, learner.device
        self.looks = [look for at in range(len(images)) for look in self.list_looks(at, images[at])]
        scenes = [look.scene for look in self.looks if look.is_last]
        self.known, self.true = (
            sum(int(getattr(scene, name).sum()) for scene in scenes) for name in ("known", "true")
        )
        self.batch = min(BATCH["cuda"], len(self.looks))
        places = [(look.image, look.row, look.col) for look in self.looks]
        self.places = torch.tensor(places, dtype=torch.int64, device=device).reshape(-1, 3)
        self.now = torch.zeros((self.batch, 3), dtype=torch.int64, device=device)
        """Image, row and column of the windows that are answered next."""
        self.logits = torch.zeros((self.batch, size, size), device=device)
        self.weights = torch.from_numpy(blend_weights(size)).to(device)
        self.scaling = learner.scaling()
        self.answer = lane.record(self.forward) if self.looks else self.forward

    def list_looks(self, at: int, image: MonthImage) -> list[Look]:
        """The windows of an image that hold pixels of the split, in the order of reading."""
        trial, size, device = self.learner.trial, self.learner.size, self.learner.device
        known = trial.mask(image, trial.selection_units) & (image.label != IGNORE)
        canvas = pad_to(known, size, False)
        rows, cols = (window_starts(length, size, size) for length in canvas.shape)
        starts = [
            (row, col)
            for row in rows
            for col in cols
            if canvas[row : row + size, col : col + size].any()
        ]
        pixels = (known, known & (image.label == 1))
        scene = Scene(
            (len(canvas), canvas.shape[1]), *(torch.from_numpy(p).to(device) for p in pixels)
        )
        return [Look(at, *s, scene, s == starts[0], s == starts[-1]) for s in starts]

    @torch.no_grad()
    def forward(self) -> None:
        """Answer the windows that come next, into ``logits``."""
        image = self.now[:, 0]
        as_it_is = torch.zeros_like(image), torch.ones_like(image, dtype=torch.float32)
        places = Places(image, self.now[:, 1:], *as_it_is)
        batch, _ = self.resident.gather(places, *self.scaling)
        model = self.learner.model.eval()
        with autocast(self.learner.device, self.learner.settings.precision):
            answer = model(batch.contiguous(memory_format=torch.channels_last))
        self.logits.copy_(answer[:, 0])

    def answer_all(self) -> Iterator[tuple[Look, Tensor]]:
        """Each window with the network's (size, size) logits, which the next batch overwrites."""
        for first in range(0, len(self.looks), self.batch):
            part = slice(first, first + self.batch)
            self.now[: len(self.places[part])] = self.places[part]
            self.answer()
            yield from zip(self.looks[part], self.logits, strict=False)

    @torch.no_grad()
    def score(self) -> Selection:
        """Scores of the weights that the network has now; blank where nothing chooses."""
        if not self.true:
            return Selection()
        device = self.learner.device
        with self.lane.use():
            sums = torch.zeros(4, dtype=torch.float64, device=device)
            for look, logits in self.answer_all():
                if look.is_first:
                    total, weight = torch.zeros((2, *look.scene.shape), device=device)
                place = np.s_[look.row : look.row + len(logits), look.col : look.col + len(logits)]
                total[place] += logits * self.weights
                weight[place] += self.weights
                if look.is_last:
                    sums += sum_pixels(total / weight, look.scene)
            overlap, predicted, hits, called = sums.cpu().tolist()
        tp, fp, fn = int(hits), int(called - hits), int(self.true - hits)
        counts = Counts(tp, fp, fn, self.known - tp - fp - fn)
        return Selection.of(np.array([overlap, predicted, self.true]), counts)


def sum_pixels(logits: Tensor, scene: Scene) -> Tensor:
    """What the scores are made of, over the pixels of a scene that count.

    Args:
        logits: (H, W) float32, of at least the scene's size.
        scene: Which pixels count.

    Returns:
        (4,) float64: sums of p y and of p, pixels that are rightly called glacier, and all that
        are called so; p the probability as of :class:`Calibration`, y the label.
    """
    plain, (height, width) = Calibration(), scene.known.shape
    probability = 0.5 * (1 + torch.tanh(0.5 / plain.temperature * logits[:height, :width]))
    probability = torch.where(scene.known, probability, 0.0)
    called = probability >= plain.threshold
    values = (probability * scene.true, probability, called & scene.true, called)
    return torch.stack([value.sum(dtype=torch.float64) for value in values])
