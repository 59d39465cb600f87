"""A model as files that work without this package, each held against our own inference.

What is written was run before, on windows of real images, by the program that it is for where
there is one (onnxruntime): a file whose answers are not those of the model that was tested is none.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glacier import __version__
from glacier.errors import ExportError
from glacier.evaluation.calibration import Calibration
from glacier.training.eight_bit import (
    decode_levels,
    describe_for_plugin,
    encode_levels,
    feed_levels,
    list_ranges,
)
from glacier.training.inference import Viewer
from glacier.training.model_card import ModelCard
from glacier.training.model_files import fill_unseen
from glacier.training.standalone import EightBit, Standalone
from glacier.training.tensors import shorten
from glacier.windows import Predictor

if TYPE_CHECKING:
    from onnx import ModelProto

ONNX, DEEPNESS, PT2 = "model.onnx", "deepness.onnx", "model.pt2"
"""Names of the files: for values, for images of 8 bits in QGIS, for PyTorch."""

OPSET, IR_VERSION = 18, 8
"""Of ONNX: read by onnxruntime from 1.14 on. The plug-in keeps to 1.17, which reads no IR above 9,
and PyTorch writes 10 by itself."""

TOLERANCE = 1e-4
"""Most by which a probability may differ from ours in float32."""

INPUT, OUTPUT = "image", "glacier"
"""Names of what goes in and of what comes out."""

Files = Mapping[str, bytes]
"""Name to content."""


class Exported(NamedTuple):
    """Files of a model that were held against it."""

    files: Files
    differences: dict[str, float]
    """Name to the largest difference of a probability from ours."""


def export_model(model: nn.Module, card: ModelCard, windows: NDArray[np.float32]) -> Exported:
    """The files of a model, with the answers that it gives.

    Args:
        model: The network, in evaluation mode, on the CPU.
        card: Of the model.
        windows: (N, B, size, size) float32 of real images, NaN where unseen.

    Raises:
        ExportError: The network cannot be exported, or a file gives other answers.
    """
    files = encode_files(model, card)
    return Exported(files, compare_files(files, model, card, windows))


def encode_files(model: nn.Module, card: ModelCard) -> Files:
    """The files of a model, not yet compared with it.

    Raises:
        ExportError: The network cannot be exported.
    """
    standalone = Standalone(model, card).eval()
    facts = {"glacier": describe_file(card)}
    try:
        program = trace(standalone, card)
        levels = trace(EightBit(standalone, list_ranges(card.image)).eval(), card)
        return {
            PT2: encode_pt2(program, facts),
            ONNX: encode_onnx(program, facts),
            DEEPNESS: encode_onnx(levels, facts | describe_for_plugin(card)),
        }
    except Exception as error:  # every network has its own kinds
        raise ExportError(
            f"{card.encoder}, fold {card.fold}, cannot be exported: {shorten(error)}; "
            "export.encoder takes another encoder"
        ) from error


def compare_files(
    files: Files, model: nn.Module, card: ModelCard, windows: NDArray[np.float32]
) -> dict[str, float]:
    """Hold each file against our own inference, also where a quarter of a window is unseen.

    Returns:
        Name to the largest difference of a probability.

    Raises:
        ExportError: A file gives other answers.
    """
    windows = add_gap(windows)
    levels = encode_levels(windows, card.image)
    wanted = predict(model, card, windows)
    rounded = predict(model, card, decode_levels(levels, card.image))
    name = f"{card.encoder}, fold {card.fold}: {{}}"
    return {
        ONNX: compare(name.format(ONNX), run_onnx(files[ONNX], windows), wanted),
        PT2: compare(name.format(PT2), run_pt2(files[PT2], windows), wanted),
        DEEPNESS: compare(
            name.format(DEEPNESS),
            run_onnx(files[DEEPNESS], feed_levels(levels)),
            np.nan_to_num(rounded, nan=0.0),
        ),
    }


def add_gap(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Windows, and the first of them once more with a quarter that was not seen."""
    spoiled = windows[:1].copy()
    spoiled[..., : windows.shape[-2] // 2, : windows.shape[-1] // 2] = np.nan
    return np.concatenate([windows, spoiled])


def predict(model: nn.Module, card: ModelCard, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Our own answer in float32: (N, B, h, w), NaN where unseen -> (N, h, w) probability."""
    settings = card.inference.model_copy(update={"precision": "float32"})
    logits = Viewer.of(model, settings).predict(fill_unseen(windows, card))
    seen = np.isfinite(windows).all(axis=1)
    return np.where(seen, Calibration(card.temperature).probability(logits), np.float32(np.nan))


def compare(name: str, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """The largest difference of two probabilities.

    Where it is within the tolerance, no pixel is called otherwise but those whose probability is
    that near to the threshold.

    Raises:
        ExportError: They differ by more, or in which pixels have an answer.
    """
    if found.shape != wanted.shape:
        raise ExportError(f"{name} answers with {found.shape}, wanted {wanted.shape}")
    if unlike := int((np.isnan(found) != np.isnan(wanted)).sum()):
        raise ExportError(f"{name} has {unlike} unseen pixels that we see, or the other way round")
    difference = float(np.nanmax(np.abs(found - wanted), initial=0.0))
    if difference > TOLERANCE:
        count = int((np.abs(found - wanted) > TOLERANCE).sum())
        raise ExportError(
            f"{name} differs from our own probability by up to {difference:.2g}, in {count} of "
            f"{wanted.size} pixels by more than {TOLERANCE:g}"
        )
    return difference


def trace(module: nn.Module, card: ModelCard) -> torch.export.ExportedProgram:
    """A module as a program for windows of the card's size, as many at a time as one likes."""
    size = card.inference.size_px
    example = torch.zeros(2, len(card.bands), size, size)
    shapes = {INPUT: {0: torch.export.Dim("windows")}}
    with torch.no_grad():
        program = torch.export.export(module, (example,), dynamic_shapes=shapes, strict=False)
    program.example_inputs = None
    for node in program.graph.nodes:  # paths of this machine
        node.meta.pop("stack_trace", None)
    return program


def encode_pt2(program: torch.export.ExportedProgram, facts: Mapping[str, str]) -> bytes:
    """A program as ``torch.export.load`` reads it, with facts as ``<name>.json`` in it."""
    file = io.BytesIO()
    extra = {f"{name}.json": text for name, text in facts.items()}
    torch.export.save(program, file, extra_files=extra)
    return file.getvalue()


def encode_onnx(program: torch.export.ExportedProgram, facts: Mapping[str, str]) -> bytes:
    """A program as one ONNX file that passes ONNX's own check, with facts as its metadata."""
    import onnx  # late, here and below: of an optional extra

    made = torch.onnx.export(
        program, (), opset_version=OPSET, input_names=[INPUT], output_names=[OUTPUT], verbose=False
    )
    assert made is not None
    model = made.model_proto
    strip_notes(model)
    model.ir_version = IR_VERSION
    onnx.helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def strip_notes(model: ModelProto) -> None:
    """Remove what PyTorch notes of how a model was traced: paths of this machine, and no use."""
    graph = model.graph
    for noted in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")


def open_onnx(data: bytes) -> Predictor:
    """An ONNX file, ready to answer: (N, B, h, w) float32 -> (N, h, w) probability."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def answer(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability, NaN where unseen."""
        (found,) = session.run([OUTPUT], {INPUT: windows})
        return np.asarray(found[:, 0], np.float32)

    return answer


def run_onnx(data: bytes, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The answer of an ONNX file: (N, B, h, w) -> (N, h, w)."""
    return open_onnx(data)(windows)


def run_pt2(data: bytes, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The answer of a file that :func:`encode_pt2` has just made: (N, B, h, w) -> (N, h, w)."""
    module = torch.export.load(io.BytesIO(data)).module()
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(windows))[:, 0].numpy())


def describe_file(card: ModelCard) -> str:
    """What goes in and what comes out, as JSON that every file carries."""
    facts: dict[str, Any] = {
        "version": __version__,
        "encoder": card.encoder,
        "fold": card.fold,
        "weights_sha256": card.sha256,
        "bands": card.bands,
        "scale": card.image.scale,
        "range": card.image.range,
        "ranges_of_8_bits": list_ranges(card.image),
        "resize": card.resize,
        "pixel_m": card.pixel_m,
        "size_px": card.inference.size_px,
        "stride_px": card.inference.stride_px,
        "threshold": card.threshold,
    }
    return json.dumps(facts)
