"""Two sets of models on the test part of one fold, pixel by pixel the same: cells for the gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from glacier.evaluation.calibration import Calibration, measure_reliability
from glacier.evaluation.metrics import count_pixels
from glacier.registry.cells import Answer, Cell
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.mapped_images import open_images
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.samples.units import Rectangle, block_rectangles
from glacier.training.inference import Viewer, take_device
from glacier.training.model_files import load_viewer


@dataclass(frozen=True)
class FrozenFold:
    """The test part of a fold, and who is tested there."""

    folder: str
    """Address of the samples."""
    samples: SampleSet
    masks: FoldMasks
    split: Split
    seen: frozenset[str]
    """Keys of the images that were in the serving model's folds."""
    serving: tuple[str, ...]
    """Folders of its models; their mean answers."""
    candidate: tuple[str, ...]
    cpus: int
    gpus: float


@dataclass(frozen=True)
class Panel:
    """Models that answer by their mean."""

    members: tuple[tuple[Viewer, Calibration], ...]

    @classmethod
    def load(cls, folders: Sequence[str], device: torch.device) -> Panel:
        """Models from their folders.

        Raises:
            StoreError, WeightsError: One is missing or damaged.
        """
        found = [load_viewer(folder, device) for folder in folders]
        return cls(
            tuple((viewer, Calibration(card.temperature, card.threshold)) for viewer, card in found)
        )

    @property
    def threshold(self) -> float:
        """Probability from which they call a pixel glacier."""
        return float(np.mean([calibration.threshold for _, calibration in self.members]))

    def probability(
        self, image: NDArray[np.float32], wanted: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Their mean probability of wanted pixels, (H, W)."""
        found = [
            np.nan_to_num(calibration.probability(viewer.logits(image, wanted)))
            for viewer, calibration in self.members
        ]
        return np.asarray(np.mean(found, axis=0), np.float32)


def compare_fold(fold: FrozenFold) -> list[Cell]:
    """What both say of each block of each image of a test part.

    Raises:
        StoreError, WeightsError: A model or an image is missing or damaged.
    """
    cv2.setNumThreads(1)  # a task has one core
    device = take_device(fold.cpus, fold.gpus)
    serving, candidate = (Panel.load(each, device) for each in (fold.serving, fold.candidate))
    cells: list[Cell] = []
    with open_images(fold.folder, fold.samples) as images:
        for image in images:
            mask = fold.masks.mask(image, fold.split.test)
            if mask.any():
                cells += list_cells(fold, image, mask, (serving, candidate))
    return cells


def list_cells(
    fold: FrozenFold, image: MonthImage, mask: NDArray[np.bool_], panels: tuple[Panel, Panel]
) -> Iterator[Cell]:
    """What both say of each block of one image.

    Args:
        fold: The test part.
        image: One of its images.
        mask: (H, W) bool, its test pixels.
        panels: Who serves, and the candidate.
    """
    said = [(panel.probability(image.image, mask), panel.threshold) for panel in panels]
    for name, place in block_rectangles(image.label.shape, fold.samples.blocks).items():
        if mask[cut(place)].any():
            serving, candidate = (answer(image, mask, place, *each) for each in said)
            yield Cell(
                fold=fold.split.fold,
                region=image.region,
                image=image.key,
                block=name,
                is_frozen=image.key in fold.seen,
                serving=serving,
                candidate=candidate,
            )


def cut(place: Rectangle) -> tuple[slice, slice]:
    """The pixels of a rectangle."""
    top, bottom, left, right = place
    return slice(top, bottom), slice(left, right)


def answer(
    image: MonthImage,
    mask: NDArray[np.bool_],
    place: Rectangle,
    probability: NDArray[np.float32],
    threshold: float,
) -> Answer:
    """What one of them says of the test pixels in a rectangle."""
    at = cut(place)
    given, label, part = probability[at], image.label[at], mask[at]
    return Answer(
        count_pixels(given >= threshold, label, part), measure_reliability(given, label, part)
    )
