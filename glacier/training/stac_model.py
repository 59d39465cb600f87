"""A model as an item of STAC with the Machine Learning Model extension: ``model.item.json``.

Source:
    https://github.com/stac-extensions/mlm, version 1.4.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from glacier import store
from glacier.geo.footprints import cover_bounds
from glacier.geo.stac_json import (
    FILE,
    JSON_TYPE,
    Asset,
    Item,
    Period,
    describe_file,
    encode_item,
)
from glacier.landsat import month_interval
from glacier.samples.bands import name_bands
from glacier.training.model_card import ModelCard, describe_scores

NAME = "model.item.json"
"""Name of the item in the folder of its model."""

EXTENSIONS = ("mlm/v1.4.0", FILE)

TASKS = ("semantic-segmentation",)

DIMENSIONS = ("batch", "channel", "height", "width")

CLASSES = (
    {"value": 0, "name": "ground", "description": "No glacier"},
    {"value": 1, "name": "glacier", "description": "Glacier", "color_hint": "1f78b4"},
)
"""Classes of the pixels, as the extension ``classification`` has them, 1.1 and 2.0."""


def item_address(folder: str) -> str:
    """Where the item of a model lies."""
    return store.join(folder, NAME)


def name_model(encoder: str, fold: int) -> str:
    """What a model is called in catalogues: letters, digits, spaces and ``_ . -``."""
    return f"U-Net {encoder.replace('+', '-')} fold {fold}"


def encode_model_item(card: ModelCard, weights_bytes: int) -> bytes:
    """The file of a model's item; the links lead to its files beside it.

    Args:
        card: Of the model, with the checksum of its weights.
        weights_bytes: Their size.
    """
    bounds = card.data.bounds
    return encode_item(
        Item(
            name=f"{card.encoder}-fold-{card.fold}-{card.sha256[:12]}",
            footprint=cover_bounds(bounds) if bounds else None,
            period=span_data(card),
            extensions=EXTENSIONS,
            properties=list_properties(card),
            assets=list_assets(card, weights_bytes),
        )
    )


def span_data(card: ModelCard) -> Period:
    """From the first to the last month with an image."""
    first, last = (date.fromisoformat(f"{month}-01") for month in (card.data.first, card.data.last))
    return Period(first, month_interval(last)[1].date() - timedelta(days=1))


BEGINNINGS = {
    "none": None,
    "imagenet": "ImageNet",
    "package": "ImageNet",
    "satellite": "CloudSEN12+ and SPARCS",
}
"""Source of weights to what they were trained on."""


def list_properties(card: ModelCard) -> Mapping[str, Any]:
    """What the extension says of a model."""
    weights = card.training.weights_of(card.encoder).rpartition("/")[2]
    began = BEGINNINGS.get(weights, weights)
    return {
        "title": name_model(card.encoder, card.fold),
        "description": describe_scores(card),
        "bands": [{"name": band, "description": name_sources(band)} for band in card.bands],
        "mlm:name": name_model(card.encoder, card.fold),
        "mlm:architecture": "U-Net",
        "mlm:tasks": TASKS,
        "mlm:framework": "PyTorch",
        "mlm:accelerator": None,
        "mlm:total_parameters": card.parameters,
        "mlm:pretrained": began is not None,
        "mlm:pretrained_source": began,
        "mlm:input": [describe_input(card)],
        "mlm:output": [describe_output(card)],
        "mlm:hyperparameters": list_hyperparameters(card),
    }


def name_sources(band: str) -> str:
    """Landsat's names of what a band is made of."""
    return ", ".join(sorted(name_bands((band,))))


def describe_input(card: ModelCard) -> Mapping[str, Any]:
    """What the network takes; how it is made of reflectance is a function of this package."""
    low, high = card.image.range
    scales = {
        "reflectance": f"surface reflectance, clipped to {low:g} to {high:g}, and NDSI as it is",
        "own_maximum": "each band over its maximum of the whole image",
    }
    return {
        "name": "image",
        "description": f"Landsat: {scales[card.image.scale]}; unseen pixels are the numbers of "
        "the hyperparameter fill",
        "bands": list(card.bands),
        "input": describe_array(card, len(card.bands)),
        "value_scaling": [
            {"type": "z-score", "mean": mean, "stddev": std}
            for mean, std in zip(card.inference.mean, card.inference.std, strict=True)
        ],
        "resize_type": None if card.resize is None else "interpolation-area",
        "pre_processing_function": name_function("glacier.samples.image:make_image"),
    }


def describe_output(card: ModelCard) -> Mapping[str, Any]:
    """What the network gives."""
    return {
        "name": "logit",
        "description": f"Logit of glacier; divided by {card.temperature:.6g}, its logistic is the "
        f"probability, and from {card.threshold:.6g} on a pixel is glacier",
        "tasks": TASKS,
        "result": describe_array(card, 1),
        "classification:classes": CLASSES,
        "post_processing_function": name_function(
            "glacier.evaluation.calibration:Calibration.probability"
        ),
    }


def describe_array(card: ModelCard, channels: int) -> Mapping[str, Any]:
    """An array of the network, of windows of the size that it was tested with."""
    size = card.inference.size_px
    return {"shape": [-1, channels, size, size], "dim_order": DIMENSIONS, "data_type": "float32"}


def name_function(place: str) -> Mapping[str, str]:
    """A function of this package, as the extension names one."""
    return {"format": "python", "expression": place}


def list_hyperparameters(card: ModelCard) -> Mapping[str, Any]:
    """What is needed to apply a model, and how it was trained; ``model.json`` has all."""
    training, seen = card.training, card.inference
    return {
        "encoder": card.encoder, "fold": card.fold, "seed": card.seed,
        "threshold": card.threshold, "temperature": card.temperature, "fill": card.fill,
        "size_px": seen.size_px, "stride_px": seen.stride_px, "orientations": seen.orientations,
        "precision": seen.precision, "pixel_m": card.pixel_m, "loss": training.loss,
        "epochs": training.epochs, "epoch_kept": card.scores.epoch_kept,
        "batch_size": training.batch_size, "learning_rate": training.learning_rate,
        "schedule": training.schedule, "weight_decay": training.weight_decay,
    }  # fmt: skip


def list_assets(card: ModelCard, weights_bytes: int) -> Mapping[str, Asset]:
    """The files of a model."""
    weights = Asset(
        "./model.safetensors",
        "Weights",
        "application/octet-stream",
        ("mlm:model", "mlm:weights", "data"),
        {
            "mlm:artifact_type": "safetensors.torch.save",
            "bands": [{"name": band} for band in card.bands],  # else an item's may not be there
            **describe_file(card.sha256, weights_bytes),
        },
    )
    facts = Asset("./model.json", "All that is needed to use it", JSON_TYPE, ("metadata",))
    text = Asset("./model.md", "Card for people", "text/markdown", ("metadata",))
    return {"model": weights, "facts": facts, "card": text}
