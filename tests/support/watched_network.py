"""A small U-Net that learned from the truth of some months: it maps, and its encoder looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glacier.labels import IGNORE
from glacier.landsat import BAND_OF, digital_number
from glacier.monitoring.features import encode_month
from glacier.samples.image import ImageRecipe, make_image
from glacier.training.encoding import PooledEncoder, WindowEncoder
from glacier.training.inference import Viewer
from glacier.training.losses import dice_bce_loss
from glacier.training.model_card import Inference
from glacier.training.unet import build_unet, normalise
from glacier.windows import pad_to
from tests.support.model_cards import make_card

ENCODER, SIZE, STRIDE, BATCH = "resnet18", 64, 32, 16
RATE = 1e-3

Bands = Mapping[str, NDArray[np.float32]]
Month = tuple[Bands, NDArray[np.uint8]]
"""Reflectance by colour, NaN where unseen, and its truth: 1 glacier, 0 not, 255 unknown."""


def number(bands: Bands) -> dict[str, NDArray[np.uint16]]:
    """Digital numbers by Landsat's names of the bands."""
    return {BAND_OF[colour]: digital_number(band) for colour, band in bands.items()}


@dataclass(frozen=True)
class WatchedNetwork:
    """A network that maps, and the encoder of it."""

    viewer: Viewer
    encoder: WindowEncoder

    def map(self, bands: Bands) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """1 glacier, 0 not, and how sure it is, 0 to 1; (H, W) both, NaN where unseen."""
        image = make_image(number(bands), self.encoder.card.image)
        logits = self.viewer.logits(image, np.isfinite(image[0]))
        called = np.where(np.isnan(logits), np.float32(np.nan), (logits > 0).astype(np.float32))
        return called, np.abs(np.tanh(logits / 2))

    def look(self, bands: Bands) -> NDArray[np.float32]:
        """(T, D) features."""
        return encode_month(number(bands), self.encoder)


def train_network(months: Sequence[Month], steps: int) -> WatchedNetwork:
    """A network that learned from windows of some months, drawn at random.

    Args:
        months: Of one set of bands; smaller than a window, they get a margin.
        steps: Batches.
    """
    colours = tuple(months[0][0])
    recipe = ImageRecipe(bands=colours, scale="reflectance", range=(0, 1))
    images = [make_image(number(bands), recipe) for bands, _ in months]
    pixels = np.concatenate([image[:, np.isfinite(image[0])] for image in images], axis=1)
    mean, std = pixels.mean(axis=1), pixels.std(axis=1)
    torch.manual_seed(0)
    model = build_unet(ENCODER, len(colours))
    padded = []
    for image, (_, truth) in zip(images, months, strict=True):
        label = np.where(np.isfinite(image[0]), truth, IGNORE).astype(np.uint8)
        scaled = normalise(image, mean, std)
        padded.append((pad_to(scaled, SIZE, 0), pad_to(label, SIZE, IGNORE)))
    teach(model, padded, steps)
    look = Inference(size_px=SIZE, stride_px=STRIDE, mean=mean.tolist(), std=std.tolist())
    card = make_card(colours, encoder=ENCODER, image=recipe, inference=look, fill=look.mean)
    model.eval()
    pooled = Viewer.of(PooledEncoder(model), look).predict
    return WatchedNetwork(Viewer.of(model, look), WindowEncoder(pooled, card))


Scaled = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""(B, H, W) image as a network sees it, and (H, W) label."""


def teach(model: torch.nn.Module, months: Sequence[Scaled], steps: int) -> None:
    """Train on windows of months, mirrored at random."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    model.train()
    for _ in range(steps):
        batch = [cut(*months[rng.integers(len(months))], rng) for _ in range(BATCH)]
        images, labels = (torch.from_numpy(np.stack(part)) for part in zip(*batch, strict=True))
        loss = dice_bce_loss(model(images), labels[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def cut(image: NDArray[np.float32], label: NDArray[np.uint8], rng: np.random.Generator) -> Scaled:
    """A window of a month at random, mirrored at random."""
    row, col = (rng.integers(length - SIZE + 1) for length in label.shape)
    place = np.s_[..., row : row + SIZE, col : col + SIZE]
    turn = np.s_[..., :: rng.choice((-1, 1)), :: rng.choice((-1, 1))]
    return image[place][turn].copy(), label[place][turn].copy()
