"""GeoPackages in which people correct outlines: what is to be looked at, and what came of it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from glacier.errors import StoreError, VectorError
from glacier.geo.outline_files import write_layers
from glacier.geo.polygons import are_finite, mend, take_area
from glacier.geo.raster import Grid, burn
from glacier.geo.vector_layers import VectorFile, read_tables

GLACIER, MONTHS = "glacier", "months"
"""Layers: outlines that are to be edited, each with its month; the months with what is to be filled
in."""

DONE = {"1", "true", "yes", "y", "t"}
"""How people and programs write that something is so."""


@dataclass(frozen=True)
class OfferedMonth:
    """A month that is to be looked at."""

    month: str
    """YYYY-MM."""
    rank: int
    """From 1, which comes first."""
    why: str
    polygons: Sequence[shapely.Polygon]
    """The glacier as it was mapped, in the grid's CRS."""
    confidence: Sequence[float]
    """(P,) mean probability within each."""


@dataclass(frozen=True)
class ReturnedMonth:
    """A month as it came back."""

    month: str
    shapes: NDArray[np.object_]
    """(P,) what is glacier, valid polygons in the grid's CRS."""
    looked: bool
    """Somebody says to have looked at it."""
    minutes: float | None
    """That it took; None: not said."""
    note: str = ""
    """What the person wrote."""
    mended: tuple[str, ...] = ()
    """What was wrong with shapes, and what was made of it, in sentences."""


def encode_package(region: str, grid: Grid, months: Sequence[OfferedMonth]) -> bytes:
    """A GeoPackage to be edited, as bytes, in the CRS of the region's grid.

    Args:
        region: Name of the region.
        grid: Of its maps.
        months: What it offers.

    Raises:
        StoreError: The folder for temporary files cannot be written to.
    """
    frame = shapely.box(*grid.bounds)
    table = pd.DataFrame(
        {
            "region": pd.Series([region] * len(months), dtype="str"),
            "month": pd.Series([m.month for m in months], dtype="str"),
            "rank": pd.Series([m.rank for m in months], dtype="Int64"),
            "why": pd.Series([m.why for m in months], dtype="str"),
            "looked": pd.Series([False] * len(months), dtype="boolean"),
            "minutes": pd.Series([None] * len(months), dtype="float64"),
            "note": pd.Series([""] * len(months), dtype="str"),
        }
    )
    outlines = pd.DataFrame(
        {
            "month": pd.Series([m.month for m in months for _ in m.polygons], dtype="str"),
            "confidence": pd.Series([c for m in months for c in m.confidence], dtype="float64"),
        }
    )
    polygons = [polygon for month in months for polygon in month.polygons]
    layers = {
        GLACIER: geopandas.GeoDataFrame(outlines, geometry=polygons, crs=grid.crs),
        MONTHS: geopandas.GeoDataFrame(table, geometry=[frame] * len(months), crs=grid.crs),
    }
    try:
        return write_layers(layers)
    except (OSError, DataSourceError, DataLayerError, FeatureError) as error:
        raise StoreError(
            f"cannot write a GeoPackage in {tempfile.gettempdir()}: {error}; make room there, or "
            "name another folder in TMPDIR"
        ) from error


def read_region(address: str) -> str:
    """Name of the region whose months a package holds.

    Raises:
        VectorError: It cannot be read, or names none or several.
    """
    months = read_layer(address, MONTHS)
    need_columns(address, MONTHS, months, ("region",))
    regions = sorted({str(name) for name in months["region"]})
    if len(regions) != 1:
        raise VectorError(f"{address}: layer {MONTHS} names the regions {regions}; wanted one")
    return regions[0]


def read_package(address: str, grid: Grid) -> list[ReturnedMonth]:
    """What came back of each month, in the CRS of its region's grid.

    Args:
        address: The edited GeoPackage, or another vector file with both layers.
        grid: Of the region's maps.

    Raises:
        VectorError: It cannot be read, lacks a layer or a column, names a month that was not
            offered, or holds what is no polygon.
    """
    outlines, months = (read_layer(address, name) for name in (GLACIER, MONTHS))
    need_columns(address, MONTHS, months, ("month", "looked", "minutes", "note"))
    need_columns(address, GLACIER, outlines, ("month",))
    if outlines.crs != grid.crs:
        outlines = outlines.to_crs(grid.crs)
    names = [str(name) for name in months["month"]]
    strange = sorted({str(month) for month in outlines["month"]} - set(names))
    if strange:
        raise VectorError(
            f"{address}: layer {GLACIER} has outlines of month {', '.join(strange[:5])}, which "
            f"layer {MONTHS} does not; write the month of each new outline as YYYY-MM"
        )
    found = []
    for name, looked, minutes, note in zip(
        names, months["looked"], months["minutes"], months["note"], strict=True
    ):
        shapes, mended = mend_shapes(outlines.geometry[outlines["month"] == name].values, name)
        found.append(
            ReturnedMonth(
                name, shapes, is_true(looked), as_number(minutes),
                "" if pd.isna(note) else str(note), mended,
            )
        )  # fmt: skip
    return found


def read_layer(address: str, layer: str) -> Any:
    """The rows of a layer, as it lies in its file."""
    (table,) = read_tables(VectorFile(address, layer, setting="")).values()
    return table


def need_columns(address: str, layer: str, table: Any, names: Sequence[str]) -> None:
    """Refuse a layer without a column.

    Raises:
        VectorError: With its name.
    """
    for name in names:
        if name not in table.columns:
            raise VectorError(
                f"{address}: layer {layer} has no column {name}; keep the columns that the file "
                "was exported with"
            )


def mend_shapes(
    shapes: NDArray[np.object_], month: str
) -> tuple[NDArray[np.object_], tuple[str, ...]]:
    """Valid polygons of what a person drew, and what had to be mended, in sentences.

    Raises:
        VectorError: A shape has no area, or a corner that is no number.
    """
    areas = np.array([*map(take_area, shapes), None], dtype=object)[:-1]
    for number, (area, shape) in enumerate(zip(areas, shapes, strict=True), 1):
        if area is None:
            kind = "empty" if shape is None or shape.is_empty else f"a {shape.geom_type}"
            raise VectorError(
                f"outline {number} of {month} is {kind}, which has no area; draw a polygon or "
                "remove it"
            )
    if len(areas) and not are_finite(areas).all():
        raise VectorError(f"an outline of {month} has a corner that is no number; draw it anew")
    reasons = [shapely.is_valid_reason(area) for area in areas]
    told = [
        f"outline {number} of {month}: {reason.lower()}; taken as all the ground that it goes round"
        for number, reason in enumerate(reasons, 1)
        if reason != "Valid Geometry"
    ]
    return (mend(areas) if told else areas), tuple(told)


def burn_returned(month: ReturnedMonth, grid: Grid) -> NDArray[np.bool_]:
    """Pixels whose centre lies on what is glacier, (H, W) bool."""
    return np.asarray(burn(month.shapes, grid) == 1)


def is_true(value: object) -> bool:
    """Whether a cell says yes, as a boolean, a number or a word."""
    return str(value).strip().lower().removesuffix(".0") in DONE


def as_number(value: object) -> float | None:
    """A cell as a number that is not negative; None where it is none."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None
