"""Weights of packages -> tensors under the names that our encoders have."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence

import torch

from glacier.errors import WeightsError
from glacier.training.packages import STATISTICS, choose_file, read_file
from glacier.training.pretrained import RGB, Training
from glacier.training.tensors import Tensors, decode_archive

EIGHT_BIT = Training(RGB, (127 / 255,) * 3, (128 / 255,) * 3)
"""Of EfficientNet-Lite, whose inputs were (x - 127) / 128 of 8-bit pictures.

Source: the TensorFlow code of EfficientNet-Lite, ``efficientnet_lite_builder.py``.
"""

COLOURS = {"swir16": "swir1", "swir22": "swir2"}
"""Bands that the satellites' network calls otherwise."""


def read_packaged(encoder: str, source: str) -> tuple[Tensors, Training]:
    """Weights of an encoder from an installed package, by the names that the encoder has.

    Args:
        encoder: Name in segmentation-models-pytorch, of which the source has weights.
        source: ``package`` or ``satellite``.

    Raises:
        WeightsError: The package is not installed, or holds another file.
    """
    data = read_file(choose_file(encoder, source), encoder, source)
    if source == "package":
        whole = convert_lite(decode_archive(source, data))
        state = {f"model.{name}": whole[name] for name in whole if not name.startswith(HEAD)}
        return state, EIGHT_BIT
    about = json.loads(read_file(STATISTICS, encoder, source))["data"]["dataset_statistics"]
    bands = tuple(COLOURS.get(band, band) for band in about["band_names"])
    mean, std = (tuple(map(float, values)) for values in about["img"])
    prefix = "model.encoder."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in read_onnx(data).items()
        if name.startswith(prefix)
    }
    return state, Training(bands, mean, std)


def read_onnx(data: bytes) -> Tensors:
    """Tensors of a network in an ONNX file, by name; nothing in it is run.

    Raises:
        WeightsError: ``onnx`` is not installed.
    """
    try:
        import onnx  # late: of an optional extra
        from onnx import numpy_helper
    except ImportError as error:
        raise WeightsError(
            "sweep.encoder_weights = 'satellite' is read with onnx: pip install "
            "glacier-maps[weights]"
        ) from error
    graph = onnx.load(io.BytesIO(data), load_external_data=False).graph
    return {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
    }


BLOCK = re.compile(r"_blocks\.(\d+)\.(.*)")

DEPTHS = {16: (1, 2, 2, 3, 3, 4, 1), 21: (1, 3, 3, 4, 4, 5, 1)}
"""Blocks in all to blocks of each stage: of lite0, and of lite1 and lite2."""

OUTSIDE = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2",
    "_fc": "classifier",
}  # fmt: skip
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
"""Layers of the packages to timm's: outside of blocks, in the first block, in all others."""

HEAD = ("conv_head.", "bn2.", "classifier.")
"""How layers of timm's network begin that an encoder has not."""


def convert_lite(state: Tensors) -> Tensors:
    """Tensors of an EfficientNet-Lite under the names of timm, all of them.

    Blocks are counted through in the packages, and in timm anew in each stage.

    Args:
        state: Of a package.
    """
    count = 1 + max(int(found[1]) for name in state if (found := BLOCK.match(name)))
    places = [
        f"blocks.{stage}.{at}" for stage, depth in enumerate(DEPTHS[count]) for at in range(depth)
    ]
    return {rename_lite(name, places): tensor for name, tensor in state.items()}


def rename_lite(name: str, places: Sequence[str]) -> str:
    """The name that timm gives a tensor.

    Args:
        name: That of the package.
        places: timm's name of each block.
    """
    if found := BLOCK.match(name):
        block, (layer, _, rest) = int(found[1]), found[2].partition(".")
        return f"{places[block]}.{(OTHER if block else FIRST)[layer]}.{rest}"
    layer, _, rest = name.partition(".")
    return f"{OUTSIDE[layer]}.{rest}"
