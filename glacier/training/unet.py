"""The network: a U-Net over any encoder and band count, and its initial weights."""

from __future__ import annotations

import numpy as np
import segmentation_models_pytorch as smp
import timm
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from glacier.errors import ConfigError, WeightsError
from glacier.settings.weights import PACKAGES
from glacier.training.conversion import read_packaged
from glacier.training.encoders import TIMM, check_encoder
from glacier.training.pretrained import RGB, Pretrained, Training
from glacier.training.tensors import Tensors, read_state, shorten
from glacier.windows import Predictor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Statistics of ImageNet's RGB in 0..1, as torchvision publishes them."""


def check_network(encoder: str, bands: int, size: int) -> None:
    """Refuse an encoder of which no U-Net can be built, or none for windows of a size.

    Shapes alone are followed, without weights or numbers, where the network allows it.

    Args:
        encoder: Name in segmentation-models-pytorch.
        bands: Number of input bands B.
        size: Side of a window, pixels.

    Raises:
        ConfigError: With the encoder and what the network says.
    """
    check_encoder(encoder)
    try:
        try:
            run_empty(encoder, bands, size, "meta")
        except RuntimeError:  # some networks compute with numbers while they are built
            run_empty(encoder, bands, size, "cpu")
    except Exception as error:  # every network has its own kinds
        reason = shorten(error)
        raise ConfigError(
            f"sweep.encoders: no U-Net over {encoder!r} maps windows of prepare.size_px = {size} "
            f"with {bands} band(s): {reason}; take another encoder, such as resnet34"
        ) from error


def list_tensors(encoder: str, bands: int) -> dict[str, torch.Tensor]:
    """Tensors of a network by name, as a rule without numbers, so that they take no room.

    Args:
        encoder: Name in segmentation-models-pytorch.
        bands: Number of input bands B.

    Raises:
        ConfigError: There is no such encoder.
        WeightsError: No U-Net can be built over it.
    """
    check_encoder(encoder)
    try:
        try:
            with torch.device("meta"):
                return build_unet(encoder, bands).state_dict()
        except RuntimeError:  # some networks compute with numbers while they are built
            return build_unet(encoder, bands).state_dict()
    except Exception as error:  # every network has its own kinds
        raise WeightsError(f"no U-Net over {encoder!r} can be built: {shorten(error)}") from error


def run_empty(encoder: str, bands: int, size: int, device: str) -> None:
    """Map an empty window with a new network.

    Raises:
        Exception: Whatever the network raises, or RuntimeError where the answer has another size.
    """
    with torch.device(device), torch.inference_mode():
        answer = build_unet(encoder, bands).eval()(torch.zeros(1, bands, size, size))
    if answer.shape != (1, 1, size, size):
        raise RuntimeError(f"its answer has the shape {tuple(answer.shape)}")


def name_imagenet(encoder: str) -> str:
    """Where the ImageNet weights of an encoder come from, and how they are given as a file."""
    if encoder.startswith(TIMM):
        return (
            "where there is a network, smp.encoders.get_encoder"
            f"({encoder!r}, weights=True).state_dict() saved with safetensors is that file"
        )
    settings = smp.encoders.encoders.get(encoder, {}).get("pretrained_settings", {})
    found = settings.get("imagenet")
    if not found or "repo_id" not in found:
        return f"there are none for {encoder}"
    return (
        f"the file is https://huggingface.co/{found['repo_id']}/resolve/{found['revision']}/"
        "model.safetensors: fetch it where there is a network, and set sweep.encoder_weights to "
        "its path"
    )


def fetch_encoder(encoder: str, source: str) -> bytes | None:
    """Weights that an encoder begins with, and what they were trained on; None for random ones.

    Args:
        encoder: Name in segmentation-models-pytorch.
        source: ``none``, ``imagenet``, ``package``, ``satellite``, or a local ``.pth`` or
            ``.safetensors`` file of the state of an encoder of red, green and blue.

    Returns:
        What :meth:`pretrained.Pretrained.decode` reads.

    Raises:
        ConfigError: The encoder is unknown.
        WeightsError: The weights cannot be had or do not fit.
    """
    check_encoder(encoder)
    if source == "none":
        return None
    try:
        return load_encoder(encoder, source).encode()
    except WeightsError as error:
        raise WeightsError(f"{error}; {CHOICES}") from error
    except Exception as error:  # the hub, the network and torch each raise their own kinds
        reason = shorten(error)
        if source == "imagenet":
            reason = f"{reason.rstrip('.')}; {name_imagenet(encoder)}"
        raise WeightsError(
            f"sweep.encoder_weights = {source!r} cannot be used for {encoder}: {reason}; {CHOICES}"
        ) from error


CHOICES = (
    "choose sweep.encoder_weights imagenet (needs the network once), package or satellite (of the "
    "package index), a local file of encoder weights, or none (random weights)"
)


UNUSED, COUNTER = ("_conv_head.", "_bn1."), "num_batches_tracked"
"""Layers of an EfficientNet that no U-Net runs, and what changes no answer: ONNX has neither."""


def load_encoder(encoder: str, source: str) -> Pretrained:
    """As :func:`fetch_encoder`, after the tensors were loaded into the encoder itself.

    Raises:
        Exception: Whatever the libraries raise.
    """
    if source == "imagenet":
        part = smp.encoders.get_encoder(encoder, in_channels=3, weights="imagenet")
        return Pretrained.of(part.state_dict(), describe_photographs(encoder))
    if source in PACKAGES:
        state, training = read_packaged(encoder, source)
    else:
        state, training = read_state(source), describe_photographs(encoder)
    count = len(training.bands)
    part = smp.encoders.get_encoder(encoder, in_channels=count, weights=None)
    unused = [n for n in part.state_dict() if n.startswith(UNUSED) or n.endswith(COUNTER)]
    blank = {name: torch.zeros_like(part.state_dict()[name]) for name in unused}
    part.load_state_dict(blank | state if source == "satellite" else state)
    return Pretrained.of(part.state_dict(), training)


def describe_photographs(encoder: str) -> Training:
    """How the pictures of ImageNet were scaled for an encoder."""
    if encoder.startswith(TIMM):
        known = timm.models.get_pretrained_cfg(encoder.removeprefix(TIMM))
        if known is not None:
            return Training(RGB, tuple(known.mean), tuple(known.std))
    return Training(RGB, IMAGENET_MEAN, IMAGENET_STD)


def build_unet(
    encoder: str, bands: int, weights: Tensors | None = None, momentum: float | None = None
) -> nn.Module:
    """A U-Net with one output, the logit of glacier.

    Args:
        encoder: Name in segmentation-models-pytorch.
        bands: Number of input bands B.
        weights: Of the encoder, with a first layer for so many bands; None: random.
        momentum: Of all batch normalisations; None: the encoder's own.

    Returns:
        Maps (N, B, H, W) float to (N, 1, H, W) logits; H and W multiples of 32. Random weights
        follow torch's global seed.
    """
    model: nn.Module = smp.Unet(encoder, encoder_weights=None, in_channels=bands, classes=1)
    if weights is not None:
        nn.Module.load_state_dict(model.get_submodule("encoder"), weights)
    if momentum is not None:
        for layer in model.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = momentum
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            fold_padding(layer)
            if learns_slowly(layer):
                train_in_float32(layer)
    return model


def fold_padding(layer: nn.Conv2d) -> None:
    """Let a convolution pad by itself where zeros of the same width go before it.

    EfficientNets pad in a step of its own, which copies the image; where the padding is the same
    on opposite sides the convolution does it for nothing, with the same answer.
    """
    before = getattr(layer, "static_padding", None)
    if isinstance(before, nn.ZeroPad2d):
        left, right, top, bottom = before.padding
        if left == right and top == bottom:
            layer.padding = (top, left)
            layer.static_padding = nn.Identity()


def learns_slowly(layer: nn.Conv2d) -> bool:
    """Whether a layer is a depthwise convolution whose gradients are slow in bfloat16 on a CPU.

    For kernels above 3 x 3 oneDNN has no fast gradient of the weights in bfloat16, and for strides
    none of the image: 37 ms where float32 takes 5 (960 channels of 14 x 14 px). Both together
    are two fifths of a step of efficientnet-b4.
    """
    depthwise = layer.groups == layer.in_channels > 1
    return depthwise and (max(layer.kernel_size) > 3 or max(layer.stride) > 1)


def train_in_float32(layer: nn.Conv2d) -> None:
    """Let a convolution learn in float32 within bfloat16 arithmetic on a CPU.

    Forward alone it stays in bfloat16, which is no slower there.
    """
    forward = layer.forward

    def run(input: torch.Tensor) -> torch.Tensor:
        if not (torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()):
            return forward(input)
        with torch.autocast("cpu", enabled=False):
            return forward(input.float()).to(input.dtype)

    layer.forward = run  # type: ignore[method-assign]


def normalise(
    image: NDArray[np.float32], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Bands to mean 0 and deviation 1; an unseen pixel becomes the mean.

    Args:
        image: (..., B, H, W) float32, NaN where unseen.
        mean: (B,) float32, in the image's unit.
        std: (B,) float32, likewise.
    """
    scaled = (image - mean[:, None, None]) / std[:, None, None]
    return np.asarray(np.nan_to_num(scaled, copy=False), np.float32)


def scale_bands(image: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """As :func:`normalise`, with the same bits, wherever the tensors lie.

    Args:
        image: (..., B, H, W) float32, NaN where unseen.
        mean: (B, 1, 1) float32, in the image's unit.
        std: (B, 1, 1) float32, likewise.
    """
    return torch.nan_to_num((image - mean) / std)


def make_predictor(
    model: nn.Module, mean: NDArray[np.float32], std: NDArray[np.float32], precision: str
) -> Predictor:
    """The network as a function of image windows, in evaluation mode.

    Args:
        model: The U-Net, on its device.
        mean: (B,) float32, subtracted from each band.
        std: (B,) float32, each band is divided by it.
        precision: ``float32`` or ``bfloat16``.

    Returns:
        (N, B, h, w) float32 reflectance, NaN unseen -> (N, h, w) float32 logits.
    """
    device = next(model.parameters()).device
    scaling = [torch.from_numpy(values)[:, None, None].to(device) for values in (mean, std)]

    def predict(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits of some windows."""
        if device.type == "cuda":  # which scales a batch in less time than a core
            batch = torch.from_numpy(np.ascontiguousarray(windows)).to(device)
            batch = scale_bands(batch, *scaling)
        else:
            batch = torch.from_numpy(np.ascontiguousarray(normalise(windows, mean, std)))
        batch = batch.to(device, memory_format=torch.channels_last)  # faster in evaluation
        model.eval()
        with torch.inference_mode(), autocast(device, precision):
            return np.asarray(model(batch)[:, 0].float().cpu().numpy())

    return predict


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Context in which layers run in a precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def count_gflop(model: nn.Module, bands: int, size_px: int) -> float:
    """Operations of a prediction of one window, billions; a product and a sum are two.

    Args:
        model: The U-Net.
        bands: Number of input bands B.
        size_px: Side of the window, pixels.
    """
    device = next(model.parameters()).device
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, bands, size_px, size_px, device=device))
    return float(counter.get_total_flops()) / 1e9
