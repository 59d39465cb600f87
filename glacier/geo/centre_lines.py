"""Centre lines of glaciers: lines of a vector file, from the upper end of a glacier downwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from glacier.errors import VectorError
from glacier.geo.divides import ID_COLUMNS
from glacier.geo.inventories import as_id
from glacier.geo.polygons import are_finite
from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile, read_tables
from glacier.geo.vectors import find_frames, find_near, project
from glacier.wording import join_words, shorten_list

NAMES = ("rgi_id", "glims_id", "glac_name")
"""Columns that name a line, as ``ID_COLUMNS`` spells them, the first that there is."""

SHOWN = 5
"""Lines that a message names; it counts the others."""


@dataclass(frozen=True)
class CentreLine:
    """The line along which the end of a glacier is measured."""

    name: str
    """The glacier's id in the file, or its name; else the number of the line's row, from 1."""
    corners: NDArray[np.float64]
    """(N, 2) x and y in the coordinate system of a grid, the upper end first."""


@dataclass(frozen=True)
class CentreLines:
    """All lines of a vector file, as they lie in it."""

    file: VectorFile
    crs: Any
    names: tuple[str, ...]
    shapes: NDArray[np.object_]
    """(L,) lines of two dimensions."""


def read_centre_lines(file: VectorFile) -> CentreLines:
    """All centre lines of a vector file.

    Raises:
        VectorError: The file cannot be read, no layer or several hold lines, or a line has gaps.
    """
    table = pick_lines(read_tables(file), file)
    found = [join_parts(shape) for shape in table.geometry.values]
    shapes = np.array([*found, None], dtype=object)[:-1]
    lines = np.array([shape is not None for shape in found], bool)
    lines[lines] = are_finite(shapes[lines])
    names = name_rows(table)
    broken = [name for name, shape in zip(names, found, strict=True) if shape is None]
    if broken or not lines.any():
        raise VectorError(
            f"centre lines {file.address}: {shorten_list(broken, SHOWN) or 'every row'} is no line "
            "in one piece; give one line a glacier, from its upper end downwards"
        )
    kept = tuple(name for name, is_line in zip(names, lines, strict=True) if is_line)
    return CentreLines(file, table.crs, kept, shapes[lines])


def pick_lines(tables: Mapping[str, Any], file: VectorFile) -> Any:
    """The one layer that holds lines.

    Raises:
        VectorError: There is none, or there are several.
    """
    kinds = {name: set(table.geom_type.dropna()) for name, table in tables.items()}
    named = [name for name, kind in kinds.items() if kind & {"LineString", "MultiLineString"}]
    if len(named) != 1:
        found = f"layers {join_words(named)} hold" if named else "no layer read holds"
        raise VectorError(
            f"centre lines {file.address}: {found} lines; give a file of lines, or name the layer "
            f"in {file.setting}layer"
        )
    return tables[named[0]]


def join_parts(shape: Any) -> Any:
    """A line of two dimensions, its parts joined in their direction; None of what is no line."""
    if shape is None or shape.is_empty:
        return None
    if shape.geom_type == "MultiLineString":
        shape = shapely.line_merge(shape, directed=True)
    return shapely.force_2d(shape) if shape.geom_type == "LineString" else None


def name_rows(table: Any) -> list[str]:
    """What each row of a table is called: its glacier's id or name, else its number from 1."""
    lower = {str(name).lower(): table[name] for name in table.columns}
    columns = [
        [as_id(value) for value in lower[name]]
        for field in NAMES
        for name in ID_COLUMNS[field]
        if name in lower
    ]
    return [
        next((column[k] for column in columns if column[k]), str(k + 1)) for k in range(len(table))
    ]


def place_centre_lines(lines: CentreLines, grid: Grid) -> tuple[CentreLine, ...]:
    """The lines that lie on a grid, in its coordinate system; none where none does.

    Raises:
        VectorError: Two of them are of one glacier, or their CRS cannot be turned into the grid's.
    """
    near = np.flatnonzero(find_near(lines.shapes, find_frames(grid, lines.crs)))
    placed = project(lines.shapes[near], lines.crs, grid)
    there = are_finite(placed) & shapely.intersects(placed, shapely.box(*grid.bounds))
    found = tuple(
        CentreLine(lines.names[k], shapely.get_coordinates(line))
        for k, line in zip(near[there].tolist(), placed[there], strict=True)
    )
    counts = Counter(line.name for line in found)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise VectorError(
            f"centre lines {lines.file.address}: {shorten_list(twice, SHOWN)} has several lines on "
            "the region's grid; keep the main one of each glacier"
        )
    return found
