"""What is explained: an image, a place on it, and the models that map it, applied as for its map.

The number that methods share among bands and patches is the *strength* of the answer: the mean
over the place's seen pixels, and the models of each, of the logit for what the map shows there
(``explain.of decision``: ice counts as it is, other ground with its sign turned) or for ice
everywhere (``ice``). Logits are blended over windows and divided by the model's temperature. So it
is a weighted sum of the answers of single windows, and what a change of a window does to it is
found without looking at any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from glacier.mapping.answers import Answers, LoadedModel, Tally, combine, lies_in
from glacier.mapping.assignment import ModelName, Part
from glacier.training.inference import Viewer
from glacier.training.model_card import ModelCard
from glacier.training.model_files import fill_unseen
from glacier.windows import blend_weights, pad_to, window_starts

CHUNK = 32
"""Windows that are changed and asked for at once."""


class Network(NamedTuple):
    """A model that answers, and whose layers can be looked into."""

    viewer: Viewer
    card: ModelCard
    module: nn.Module | None = None
    """None: only its answers are asked for."""


class Look(NamedTuple):
    """What models say of a place."""

    strength: float
    is_ice: NDArray[np.bool_]
    """(H, W), False outside of the place."""


@dataclass(frozen=True)
class Subject:
    """An image as networks see it, and the place that is explained."""

    image: NDArray[np.float32]
    """(B, H, W), NaN where unseen; at least a window wide."""
    wanted: NDArray[np.bool_]
    """(H, W) the seen pixels of the place."""
    parts: Sequence[Part]
    networks: Mapping[ModelName, Network]
    pixel_km2: float
    sign: NDArray[np.float32]
    """(H, W) 1 where a logit above 0 makes the answer stronger, else -1."""

    @classmethod
    def of(
        cls, image: NDArray[np.float32], wanted: NDArray[np.bool_], parts: Sequence[Part],
        networks: Mapping[ModelName, Network], pixel_km2: float,
    ) -> Subject:  # fmt: skip
        """A subject whose image has a margin where it is smaller than a window."""
        size = next(iter(networks.values())).card.inference.size_px
        image, wanted = pad_to(image, size, np.nan), pad_to(wanted, size, False)
        sign = np.ones(wanted.shape, np.float32)
        return cls(image, wanted & np.isfinite(image[0]), parts, networks, pixel_km2, sign)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands B."""
        return next(iter(self.networks.values())).card.bands

    def within(self, place: NDArray[np.bool_]) -> Subject:
        """The same of a smaller place, (H, W) bool."""
        return replace(self, wanted=self.wanted & place)

    def of_decision(self) -> Subject:
        """The same, whose strength is that of what its map shows."""
        is_ice = self.look(self.image).is_ice
        return replace(self, sign=np.where(is_ice, np.float32(1), np.float32(-1)))

    def list_tasks(self) -> Iterator[tuple[Part, ModelName, NDArray[np.bool_]]]:
        """Every model of every part, and the pixels (H, W) of the place that it answers for."""
        for part in self.parts:
            mask = self.wanted & lies_in(part.rectangles, 0, self.wanted.shape)
            for name in part.models:
                yield part, name, mask

    def look(self, image: NDArray[np.float32]) -> Look:
        """What the models say of the place on an image, (B, H, W), that may be changed."""
        logits, total = {}, 0.0
        for part, name, mask in self.list_tasks():
            network = self.networks[name]
            found = network.viewer.logits(fill_unseen(image, network.card), mask)
            logits[part, name] = found
            scale = network.card.temperature * len(part.models)
            total += float((found * self.sign)[mask].sum(dtype=np.float64)) / scale
        models = {n: LoadedModel(each.viewer, each.card) for n, each in self.networks.items()}
        rows = combine(Answers(0, self.wanted, logits), self.parts, models, Tally())
        return Look(total / max(1, int(self.wanted.sum())), rows.is_glacier)


@dataclass(frozen=True)
class Windows:
    """Windows in which a network looks at a place, and what each answer counts."""

    network: Network
    starts: tuple[tuple[int, int], ...]
    """Upper-left row and column of each."""
    share: NDArray[np.float32]
    """(N, size, size) what a logit adds to the strength of the place's answer."""

    def cut(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """The windows of an image, filled as the model was tested: (N, B, size, size)."""
        image, size = fill_unseen(image, self.network.card), self.share.shape[-1]
        return np.stack([image[:, row : row + size, col : col + size] for row, col in self.starts])

    def cut_layer(self, layer: NDArray[np.int32]) -> NDArray[np.int32]:
        """The windows of a layer, (H, W) -> (N, size, size)."""
        size = self.share.shape[-1]
        return np.stack([layer[row : row + size, col : col + size] for row, col in self.starts])

    def weigh(self, pixels: NDArray[np.float32], at: Sequence[int]) -> NDArray[np.float64]:
        """What windows add to the strength.

        Args:
            pixels: (n, B, size, size) windows, changed or not.
            at: Which window each of them is.

        Returns:
            (n,) float64.
        """
        found = []
        for first in range(0, len(pixels), CHUNK):
            logits = self.network.viewer.predict(pixels[first : first + CHUNK])
            share = self.share[list(at[first : first + CHUNK])]
            found.append((logits.astype(np.float64) * share).sum(axis=(1, 2)))
        return np.concatenate(found)


def list_windows(subject: Subject) -> list[Windows]:
    """The windows of all networks in which pixels of the place lie."""
    found = []
    count = max(1, int(subject.wanted.sum()))
    for part, name, mask in subject.list_tasks():
        if mask.any():
            network = subject.networks[name]
            scale = count * network.card.temperature * len(part.models)
            counted = np.where(mask, subject.sign / np.float32(scale), np.float32(0))
            found.append(weigh_windows(network, counted))
    return found


def weigh_windows(network: Network, counted: NDArray[np.float32]) -> Windows:
    """The windows of one network, as they are blended.

    Args:
        network: The network.
        counted: (H, W) what a pixel's blended logit adds to the strength; 0: it is not asked for.
    """
    size, stride = network.card.inference.size_px, network.card.inference.stride_px
    weights, total = blend_weights(size), np.zeros(counted.shape, np.float32)
    rows, cols = (window_starts(length, size, stride) for length in counted.shape)
    places = [(row, col) for row in rows for col in cols]
    starts = [
        (row, col) for row, col in places if counted[row : row + size, col : col + size].any()
    ]
    for row, col in starts:
        total[row : row + size, col : col + size] += weights
    each = counted / np.where(total > 0, total, np.float32(1))
    share = [weights * each[row : row + size, col : col + size] for row, col in starts]
    return Windows(network, tuple(starts), np.stack(share))


def measure_strength(windows: Sequence[Windows], image: NDArray[np.float32]) -> float:
    """The strength of the answer on an image, by its windows."""
    return float(
        sum(each.weigh(each.cut(image), range(len(each.starts))).sum() for each in windows)
    )


def spread_tiles(subject: Subject, count: int) -> Subject:
    """The same on a few squares of half a window, spread over its place.

    Of the squares those count in which at least half of the most is seen that any of them shows.

    Args:
        subject: With its whole place.
        count: Squares; all, where there are fewer.
    """
    card = next(iter(subject.networks.values())).card
    side = max(1, card.inference.size_px // 2)
    rows, cols = np.indices(subject.wanted.shape) // side
    tile = rows * (cols.max() + 1) + cols
    seen = np.bincount(tile[subject.wanted], minlength=1)
    there = np.flatnonzero(2 * seen >= max(1, seen.max()))
    places = np.linspace(0, len(there) - 1, min(count, len(there)) + 2).round().astype(int)
    inner = places[1:-1] if len(there) > count else np.arange(len(there))
    return subject.within(np.isin(tile, there[inner]))
