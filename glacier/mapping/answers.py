"""What models answer on some rows of an image -> rows of a map, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.calibration import Calibration
from glacier.map_codes import GLACIER, UNSEEN
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.maps import PixelCounts
from glacier.samples.units import Rectangle
from glacier.training.inference import Viewer
from glacier.training.model_card import ModelCard


class LoadedModel(NamedTuple):
    """A model that is ready to map."""

    viewer: Viewer
    card: ModelCard


Models = Mapping[ModelName, LoadedModel]


@dataclass
class Tally:
    """What the rows of a map add up to."""

    glacier: int = 0
    ground: int = 0
    unseen: int = 0
    probability: float = 0.0
    """Sum over the seen pixels."""
    by_model: dict[ModelName, tuple[int, int]] = field(default_factory=dict)
    """Pixels that each model called glacier by itself, and that it was asked for."""

    def add(self, probability: NDArray[np.float32], classes: NDArray[np.uint8]) -> None:
        """Count rows of a map."""
        self.glacier += int((classes == GLACIER).sum())
        self.ground += int((classes == 0).sum())
        self.unseen += int((classes == UNSEEN).sum())
        self.probability += float(np.nansum(probability, dtype=np.float64))

    def count(self, model: ModelName, glacier: int, asked: int) -> None:
        """Count what one model called glacier by itself."""
        before = self.by_model.get(model, (0, 0))
        self.by_model[model] = (before[0] + glacier, before[1] + asked)

    @property
    def pixels(self) -> PixelCounts:
        """Pixels by what they are called."""
        return PixelCounts(glacier=self.glacier, ground=self.ground, unseen=self.unseen)

    @property
    def mean_probability(self) -> float | None:
        """Mean over the seen pixels; None where none was seen."""
        seen = self.glacier + self.ground
        return self.probability / seen if seen else None


class MapRows(NamedTuple):
    """Rows of a map."""

    probability: NDArray[np.float32]
    """(rows, W), NaN where unseen."""
    threshold: NDArray[np.float32]
    """(rows, W), probability from which a pixel is glacier."""
    is_glacier: NDArray[np.bool_]
    """(rows, W)."""


class Answers(NamedTuple):
    """What networks say of some rows."""

    top: int
    """First row."""
    seen: NDArray[np.bool_]
    """(rows, W) pixels that were seen."""
    logits: dict[tuple[Part, ModelName], NDArray[np.float32]]
    """(rows, W) of every model in every part; of use where the part lies."""


def combine(answers: Answers, parts: Sequence[Part], models: Models, tally: Tally) -> MapRows:
    """Rows of a map: in each part the mean of its models, called by the mean of their thresholds.

    The members of a mean are taken in steps of 1/255, as the report's ensemble has them.
    """
    probability, threshold = np.full((2, *answers.seen.shape), np.nan, np.float32)
    is_glacier = np.zeros(answers.seen.shape, bool)
    for part in parts:
        mask = answers.seen & lies_in(part.rectangles, answers.top, answers.seen.shape)
        members, levels = [], [models[name].card.threshold for name in part.models]
        for name, level in zip(part.models, levels, strict=True):
            scale = Calibration(models[name].card.temperature)
            members.append(scale.probability(answers.logits[part, name][mask]))
            tally.count(name, int((members[-1] >= level).sum()), len(members[-1]))
        value = members[0]
        if len(members) > 1:
            value = np.mean([np.rint(member * 255) for member in members], axis=0) / 255
        probability[mask] = value
        threshold[mask] = np.mean(levels)
        is_glacier[mask] = value >= float(np.mean(levels))
    return MapRows(probability, threshold, is_glacier)


def lies_in(
    rectangles: Sequence[Rectangle] | None, top: int, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Pixels of some rows that lie in rectangles of the image: (rows, W) bool; None: all."""
    if rectangles is None:
        return np.ones(shape, bool)
    mask = np.zeros(shape, bool)
    for first, end, left, right in rectangles:
        mask[max(0, first - top) : max(0, end - top), left:right] = True
    return mask
