"""A model's folder: weights, ``model.json``, a card for people, and an item of STAC.

The files may come from anybody: nothing is unpickled, and nothing is loaded that was not compared
with its checksum and with the network that it is for.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors
from torch import nn

from glacier import seals, store
from glacier.errors import ConfigError, WeightsError
from glacier.evaluation.calibration import Calibration
from glacier.training import stac_model
from glacier.training.inference import Viewer, find_device
from glacier.training.model_card import ModelCard, card_address, describe_model
from glacier.training.tensors import LENGTH, MAX_HEADER, compare_tensors, decode_tensors
from glacier.training.unet import build_unet, list_tensors

MAX_CARD = 32 * 2**20
"""Largest ``model.json`` that is read, bytes: the scores of some 80 000 images of a test part."""


def save_model(folder: str, state: dict[str, torch.Tensor], card: ModelCard) -> None:
    """Write a model: weights, a card for people, its item, then ``model.json`` that vouches.

    Args:
        folder: Address of the model.
        state: The network's tensors.
        card: All that is needed to build and use the network, and how it was made.
    """
    data = save_tensors({k: v.detach().cpu().contiguous() for k, v in state.items()})
    card = card.model_copy(update={"sha256": store.checksum(data)})
    contents = {
        "model.safetensors": data,
        "model.md": describe_model(card).encode(),
        stac_model.NAME: stac_model.encode_model_item(card, len(data)),
    }
    seals.write_whole(card_address(folder), card, contents)


def load_model(folder: str) -> tuple[nn.Module, ModelCard]:
    """A model in evaluation mode, and its card. Whoever made the files, no code in them is run.

    The card is read within its bounds, its encoder is one of the two libraries' own, and all
    tensors have the names, shapes and kinds of its network before one is loaded. Nothing is
    fetched, pretrained weights neither.

    Raises:
        StoreError: A file is missing, too large, of another version, or not of its checksum.
        WeightsError: There is no such encoder, or the weights do not fit its network.
    """
    card = read_card(folder)
    address, bands = store.join(folder, "model.safetensors"), len(card.bands)
    try:
        wanted = list_tensors(card.encoder, bands)
        room = sum(tensor.nbytes for tensor in wanted.values()) + MAX_HEADER + LENGTH
        store.check_file(address, room)
        state = decode_tensors(address, store.read_bytes(address, card.sha256))
        compare_tensors(state, wanted)
    except (ConfigError, WeightsError) as error:
        raise WeightsError(f"the weights in {folder} do not fit {card.encoder}: {error}") from error
    model = build_unet(card.encoder, bands)
    model.load_state_dict(state)
    return model.eval(), card


def read_card(folder: str) -> ModelCard:
    """The card of a stored model, within its bounds.

    Raises:
        StoreError: It is missing, too large, or of another version.
    """
    store.check_file(card_address(folder), MAX_CARD)
    return seals.read_model(card_address(folder), ModelCard)


def load_viewer(folder: str, device: torch.device) -> tuple[Viewer, ModelCard]:
    """A stored model that looks at images on a device as its card says, and its card.

    Raises:
        StoreError, WeightsError: As :func:`load_model`.
    """
    model, card = load_model(folder)
    return Viewer.of(model.to(device), card.inference), card


def map_probability(folder: str, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability of glacier on an image, by a stored model, looked at as its test part was.

    Args:
        folder: Address of the model.
        image: (B, H, W) float32 reflectance of the bands, scale and pixel size that its card
            says, NaN unseen.

    Returns:
        (H, W) float32, 0..1, NaN where unseen. From the card's ``threshold`` on it is glacier.

    Raises:
        StoreError, WeightsError: As :func:`load_model`.
    """
    viewer, card = load_viewer(folder, find_device())
    seen = np.asarray(np.isfinite(image).all(axis=0))
    logits = viewer.logits(fill_unseen(image, card), seen)
    return Calibration(card.temperature).probability(logits)


def fill_unseen(image: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """An image whose unseen pixels are what the model was tested with: the mean, or a number.

    Args:
        image: (B, H, W) float32, NaN where unseen.
        card: Of the model.

    Returns:
        The same; NaN, which stands for the mean, where the mean was used.
    """
    if card.fill == card.inference.mean:
        return image
    fill = np.array(card.fill, np.float32)[:, None, None]
    return np.where(np.isnan(image), fill, image)
