"""Weights that an encoder begins with, what they were trained on, and a first layer for our bands.

A trained first layer knows some bands: red, green and blue of photographs, or six of satellites.
For other bands it is widened by wavelength, so that a scene that is equally bright in all bands
gives the very answer that it gave before.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors

from glacier.training.tensors import LENGTH, Tensors, decode_tensors

WAVELENGTH_UM = {
    "blue": 0.48, "green": 0.56, "red": 0.66, "nir": 0.86, "swir1": 1.61, "swir2": 2.20,
}  # fmt: skip
"""Middle of each band, micrometres. Source: USGS, Landsat 8 band designations."""

RGB = ("red", "green", "blue")
"""Bands of a photograph, in order."""

ABOUT = "glacier"
"""Key of what the weights were trained on, among the metadata of their file."""


@dataclass(frozen=True)
class Training:
    """What an encoder was trained on."""

    bands: tuple[str, ...]
    """Of its first layer, in order."""
    mean: tuple[float, ...]
    """Subtracted from each band of reflectance, or of a photograph in 0..1."""
    std: tuple[float, ...]
    """Each band was divided by it."""

    def scaling(
        self, bands: Sequence[str], mean: NDArray[np.float32], std: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and deviation for our bands: each as the trained band that is nearest.

        Args:
            bands: Names of our bands B.
            mean: (B,) float32 of our training part, which an index keeps.
            std: (B,) float32, likewise.
        """
        mean, std = mean.copy(), std.copy()
        for at, band in enumerate(bands):
            if band in WAVELENGTH_UM:
                near = self.bands.index(find_nearest(band, self.bands))
                mean[at], std[at] = self.mean[near], self.std[near]
        return mean, std


@dataclass(frozen=True)
class Pretrained:
    """Weights of an encoder, and what they were trained on."""

    tensors: Tensors
    training: Training
    first: str
    """Name of the first layer's weights."""

    @classmethod
    def of(cls, state: Tensors, training: Training) -> Self:
        """An encoder's own state, in the order of its layers."""
        count = len(training.bands)
        first = (name for name, t in state.items() if t.ndim == 4 and t.shape[1] == count)
        return cls(state, training, next(first))

    def encode(self) -> bytes:
        """As a safetensors file."""
        plain = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        about = asdict(self.training) | {"first": self.first}
        return save_tensors(plain, {ABOUT: json.dumps(about)})

    @classmethod
    def decode(cls, address: str, data: bytes) -> Self:
        """From the bytes of a file that :meth:`encode` made.

        Raises:
            WeightsError: They are damaged.
        """
        tensors = decode_tensors(address, data)
        end = LENGTH + int.from_bytes(data[:LENGTH], "little")
        about = json.loads(json.loads(data[LENGTH:end])["__metadata__"][ABOUT])
        first = about.pop("first")
        training = Training(**{name: tuple(values) for name, values in about.items()})
        return cls(tensors, training, first)

    def widen(self, bands: Sequence[str] | None) -> Tensors:
        """The weights with a first layer for our bands.

        Args:
            bands: Names of our bands; None: the trained ones, in their order.
        """
        if bands is None:
            return self.tensors
        own = self.tensors[self.first]
        shares = torch.from_numpy(share_bands(self.training.bands, bands)).to(own.dtype)
        return self.tensors | {self.first: torch.einsum("okhw,bk->obhw", own, shares)}


def share_bands(known: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
    """How the weights of trained bands are parted among ours: (wanted, known).

    Each of ours takes those of the nearest trained band, in equal parts where several take the
    same; a trained band that none is nearest to gives its own to the nearest of ours. So each
    column adds up to 1. An index, which is 0 where all bands are equal, has the mean of all.

    Args:
        known: Names of the trained bands.
        wanted: Names of ours.
    """
    spectral = [band for band in wanted if band in WAVELENGTH_UM]
    takers: dict[str, list[str]] = {band: [] for band in known}
    for band in spectral:
        takers[find_nearest(band, known)].append(band)
    shares = np.zeros((len(wanted), len(known)))
    for at, band in enumerate(known):
        for taker in takers[band] or [find_nearest(band, spectral)] if spectral else []:
            shares[wanted.index(taker), at] = 1 / max(1, len(takers[band]))
    is_index = [band not in WAVELENGTH_UM for band in wanted]
    shares[is_index] = 1 / len(known)
    return shares


def find_nearest(band: str, others: Sequence[str]) -> str:
    """The band of some that is nearest in wavelength; itself where it is among them."""
    return min(others, key=lambda other: abs(WAVELENGTH_UM[other] - WAVELENGTH_UM[band]))
