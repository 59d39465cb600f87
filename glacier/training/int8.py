"""A model's ONNX file with weights and activations of 8 bits, and what that costs in IoU.

Convolutions and what lies between them are computed in 8 bits (weights by channel, activations by
tensor); clipping, normalisation and the probability stay float32. The ranges of the activations are
those of real windows of training ground.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glacier.errors import ExportError
from glacier.evaluation.metrics import Counts, count_pixels
from glacier.labels import IGNORE
from glacier.scratch import open_scratch
from glacier.settings.model import Model
from glacier.training.export import INPUT, IR_VERSION, open_onnx
from glacier.training.model_card import ModelCard
from glacier.training.tensors import shorten
from glacier.windows import predict_blended

INT8 = "model-int8.onnx"
"""Name of the file."""

OPERATIONS = ["Conv", "Relu", "Add", "Concat", "MaxPool", "Resize"]
"""What is computed in 8 bits. With the convolutions alone every one of them would go back to
float32 and be rounded anew: resnet18 then takes 1.3 times as long on a core with VNNI."""

MOST_LOST = 0.02
"""IoU that a file may lose; one that loses more is not kept."""

SURE = 1e-6
"""How near to 0 and 1 a probability may come before its logit is taken."""


class Ground(NamedTuple):
    """An image, and where a model is tested on it."""

    image: NDArray[np.float32]
    """(B, H, W), NaN where unseen."""
    label: NDArray[np.uint8]
    """(H, W): 1 glacier, 0 not, 255 unknown."""
    mask: NDArray[np.bool_]
    """(H, W)."""


class Int8Score(Model):
    """What 8 bits change on ground that a model was tested on."""

    part: Literal["test"] = "test"
    """Of the fold; neither the network nor the ranges of 8 bits have seen it."""
    images: int = Field(ge=1)
    pixels: int = Field(ge=1)
    """Known and seen."""
    iou_float32: float = Field(ge=0, le=1)
    iou: float = Field(ge=0, le=1)
    same_class: float = Field(ge=0, le=1)
    """Share of the pixels that both call the same."""

    @property
    def lost(self) -> float:
        """IoU that 8 bits cost; below 0 where they gain."""
        return self.iou_float32 - self.iou


def quantise(data: bytes, windows: NDArray[np.float32]) -> bytes:
    """An ONNX file of :func:`glacier.training.export.encode_onnx` in 8 bits.

    Args:
        data: The file.
        windows: (N, B, size, size) float32 of training ground, NaN where unseen, from which the
            ranges of the activations are found.

    Raises:
        ExportError: onnxruntime cannot do it with this network.
    """
    import onnx  # late: of an optional extra
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with open_scratch() as folder, quiet():
        exact, rounded = folder / "exact.onnx", folder / "int8.onnx"
        exact.write_bytes(data)
        try:
            quantize_static(
                exact,
                rounded,
                list_inputs(windows),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=OPERATIONS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            model = onnx.load(rounded)
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # every network has its own kinds
            raise ExportError(f"it cannot be computed in 8 bits: {shorten(error)}") from error
    facts = {each.key: each.value for each in onnx.load_from_string(data).metadata_props}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, facts)
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString(deterministic=True))


def list_inputs(windows: NDArray[np.float32]) -> Any:
    """Windows one after the other, as onnxruntime wants them for finding ranges."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # ships no types
        """The windows."""

        def __init__(self) -> None:
            self.rest = iter(windows)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            """The next one; None at the end."""
            window = next(self.rest, None)
            return None if window is None else {INPUT: window[None]}

    return Reader()


@contextmanager
def quiet() -> Iterator[None]:
    """Without onnxruntime's advice on what to do before, which PyTorch's exporter has done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def score_int8(
    files: tuple[bytes, bytes], card: ModelCard, grounds: Iterable[Ground]
) -> Int8Score | None:
    """Hold a file of 8 bits against the one that it was made of, on ground of known class.

    Args:
        files: The ONNX file in float32, and the one in 8 bits.
        card: Of the model.
        grounds: Images and where the model is tested on them.

    Returns:
        None where no pixel of them is known and seen.
    """
    looks, cut = (
        [look_by(file, card) for file in files],
        to_logit(np.array(card.threshold, np.float32)),
    )
    counts, images, same = [Counts(), Counts()], 0, 0
    for image, label, mask in grounds:
        known = mask & np.isfinite(image).all(axis=0)
        masks = [look(image, known) >= cut for look in looks]
        found = [count_pixels(each, label, known) for each in masks]
        counts = [before + more for before, more in zip(counts, found, strict=True)]
        images += found[0].pixels > 0
        agree = np.where(masks[0] == masks[1], label, np.uint8(IGNORE))
        same += count_pixels(masks[0], agree, known).pixels
    exact, rounded = counts
    if not exact.pixels:
        return None
    return Int8Score(
        images=images,
        pixels=exact.pixels,
        iou_float32=exact.iou,
        iou=rounded.iou,
        same_class=same / exact.pixels,
    )


Look = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]
"""Image and wanted pixels -> logits, NaN elsewhere."""


def look_by(file: bytes, card: ModelCard) -> Look:
    """How an ONNX file looks at an image: by windows of the card's, blended as ours are."""
    answer, windows = open_onnx(file), card.inference

    def predict(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of windows; where unseen, 0, which nobody asks for."""
        return np.nan_to_num(to_logit(answer(pixels)), nan=0.0)

    return lambda image, wanted: predict_blended(
        predict, image, wanted, windows.size_px, windows.stride_px, batch=1
    )


def to_logit(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logit of a probability, any shape."""
    odds = np.clip(probability, np.float32(SURE), np.float32(1 - SURE))
    return np.asarray(np.log(odds / (1 - odds)), np.float32)
