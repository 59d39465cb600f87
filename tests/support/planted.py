"""Small networks that learned a truth which a test has planted, and the images that hold it."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from glacier.explaining.subject import Network, Subject
from glacier.mapping.assignment import ModelName, Part
from glacier.training.inference import Viewer
from tests.support.model_cards import make_card

BANDS = ("green", "red", "nir", "swir1")
CARRIER = BANDS.index("swir1")
"""The band that alone carries the label."""

SIDE = 32
MOST_STEPS, LEARNED = 400, 0.05
"""Steps of training at most, and the loss from which no more are needed."""

NAME = ModelName(encoder="resnet18", fold=0)


def draw_fields(rng: np.random.Generator, count: int) -> np.ndarray:
    """Smooth reflectances, (count, B, SIDE, SIDE) float32, each band by itself."""
    fields = gaussian_filter(rng.normal(size=(count, len(BANDS), SIDE, SIDE)), (0, 0, 3, 3))
    spread = fields.std(axis=(2, 3), keepdims=True)
    return (0.4 + 0.12 * fields / spread).astype(np.float32)


def plant_band(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images whose label is where SWIR1 is dark, whatever the other bands say."""
    images = draw_fields(rng, count)
    return images, (images[:, CARRIER] < 0.4).astype(np.float32)


def plant_corner(
    rng: np.random.Generator, count: int, corner: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images with ice in one corner, dark in SWIR1, and with spots bright in red in the others.

    Args:
        rng: Draws them.
        count: Images.
        corner: Of all images, as :func:`corner_of` counts; None: drawn for each.
    """
    images = 0.4 + 0.04 * rng.normal(size=(count, len(BANDS), SIDE, SIDE))
    labels = np.zeros((count, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        own = int(rng.integers(4)) if corner is None else corner
        for k in range(4):
            place = corner_of(k)
            image[CARRIER if k == own else BANDS.index("red")][place] += -0.3 if k == own else 0.3
            if k == own:
                label[place] = 1
    return images.astype(np.float32), labels.astype(np.float32)


def corner_of(corner: int, side: int = SIDE // 4) -> tuple[slice, slice]:
    """The pixels of a corner: 0 and 1 are the upper ones, 0 and 2 the left ones."""
    begin, end = slice(0, side), slice(-side, None)
    return begin if corner < 2 else end, begin if corner % 2 == 0 else end


def train_tiny(images: np.ndarray, labels: np.ndarray, seed: int) -> nn.Module:
    """A network of three layers that has learned some images; about a second.

    It goes on until it knows them, since what was not learned cannot be found in it.
    """
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(len(BANDS), 12, 3, padding=1), nn.LeakyReLU(),
        nn.Conv2d(12, 12, 3, padding=1), nn.LeakyReLU(),
        nn.Conv2d(12, 1, 1),
    )  # fmt: skip
    x, y = torch.from_numpy((images - 0.4) / 0.12), torch.from_numpy(labels)[:, None]
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(MOST_STEPS):
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimiser.step()
        if loss.item() < LEARNED:
            break
    return model.eval()


def measure_iou(is_ice: np.ndarray, label: np.ndarray) -> float:
    """How well a map, (H, W) bool, shows a label."""
    return float((is_ice & (label == 1)).sum() / max(1, (is_ice | (label == 1)).sum()))


def make_subject(
    model: nn.Module, image: np.ndarray, bands: Sequence[str] = BANDS, **changes
) -> Subject:
    """A subject of one image, (B, H, W), and one network."""
    count = len(bands)
    windows = {"size_px": SIDE, "stride_px": SIDE // 2, "mean": (0.4,) * count,
               "std": (0.12,) * count}  # fmt: skip
    facts = {"inference": windows | changes, "fill": (0.4,) * count, "threshold": 0.5,
             "temperature": 1.0, "encoder": NAME.encoder, "fold": NAME.fold}  # fmt: skip
    card = make_card(tuple(bands), **facts)
    network = Network(Viewer.of(model, card.inference), card, model)
    parts = (Part(rectangles=None, models=(NAME,)),)
    seen = np.isfinite(image).all(axis=0)
    return Subject.of(image, seen, parts, {NAME: network}, 0.0009)
