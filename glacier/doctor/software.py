"""Checks of what is installed: Python, the libraries, and that those which must match do."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from glacier.config import Config
from glacier.doctor.findings import Answer, fail, ok, register

OURS = "glacier-maps"
"""Name of this distribution."""

SHOWN = ("numpy", "ray", "torch", "rasterio", "pyogrio")
"""Libraries whose versions are said."""

LEAST_PYTHON = (3, 11)

MINORS_APART = 15
"""Torchvision 0.15 was built for torch 2.0, and each for the next one since.

Source: table of versions in the README of torchvision.
"""


@register("python")
def check_python(_: Config | None) -> Iterator[Answer]:
    """The version of Python."""
    said = f"{platform.python_version()} at {sys.executable}"
    wanted = ".".join(map(str, LEAST_PYTHON))
    yield ok(said) if sys.version_info >= LEAST_PYTHON else fail(said, f"wanted {wanted} or later")


@register("libraries")
def check_libraries(_: Config | None) -> Iterator[Answer]:
    """Every library that is needed, in a version that is."""
    faults = [fault for wanted in list_wanted() if (fault := find_fault(wanted))]
    for fault in faults:
        yield fail(fault, f"pip install --upgrade {OURS}, with constraints.txt for tested versions")
    if not faults:
        yield ok(", ".join(f"{name} {version(name)}" for name in SHOWN))


def list_wanted() -> list[Requirement]:
    """What this distribution requires, without what is optional.

    Raises:
        PackageNotFoundError: It is not installed.
    """
    wanted = [Requirement(text) for text in requires(OURS) or ()]
    return [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]


def find_fault(wanted: Requirement) -> str:
    """Why a library cannot be used; nothing where it can."""
    try:
        found = version(wanted.name)
    except PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if wanted.specifier.contains(found, prereleases=True):
        return ""
    return f"{wanted.name} is {found}, and {wanted.specifier} is needed"


@register("torch and torchvision")
def check_pair(_: Config | None) -> Iterator[Answer]:
    """That torchvision was built for the torch that is there: else it fails at its first use."""
    torch, vision = version("torch"), version("torchvision")
    said = f"torch {torch}, torchvision {vision}"
    minor, vision_minor = (int(text.split(".")[1]) for text in (torch, vision))
    if vision_minor == minor + MINORS_APART:
        yield ok(said)
    else:
        wanted = f"torchvision 0.{minor + MINORS_APART}"
        remedy = "install both from the same index in one pip command"
        yield fail(f"{said}, and {wanted} is what was built for it", remedy)


@register("gdal")
def check_gdal(_: Config | None) -> Iterator[Answer]:
    """The two GDALs that the wheels of rasterio and pyogrio bring."""
    from glacier.geo.gdal import read_versions  # late: half a second

    raster, vector = read_versions()
    yield ok(f"{raster} for rasters, {vector} for vectors")
