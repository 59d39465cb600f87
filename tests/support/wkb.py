"""GeoPackages with shapes of any kind, written byte by byte: what no library of ours can write."""

import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path

import geopandas
from shapely.geometry import box

CIRCULAR_STRING, CURVE_POLYGON, TIN_Z, TRIANGLE_Z, POLYGON, POLYGON_ZM = 8, 10, 1016, 1017, 3, 3003
"""Codes of ISO well-known binary."""


def shape(kind: int, *parts: bytes) -> bytes:
    """A shape of parts: rings of a polygon, or other shapes."""
    return struct.pack("<BII", 1, kind, len(parts)) + b"".join(parts)


def ring(*corners: Sequence[float]) -> bytes:
    """Corners of two to four numbers each."""
    return struct.pack("<I", len(corners)) + b"".join(
        struct.pack(f"<{len(corner)}d", *corner) for corner in corners
    )


def line(kind: int, *corners: Sequence[float]) -> bytes:
    """A shape that is a single run of corners."""
    return struct.pack("<BI", 1, kind) + ring(*corners)


def write_shapes(path: Path, shapes: Sequence[bytes], crs: str) -> str:
    """A GeoPackage of one layer, named like the file, with a row for each shape."""
    rows = [box(0, 0, 1, 1)] * len(shapes)
    table = geopandas.GeoDataFrame({"n": range(len(shapes))}, geometry=rows, crs=crs)
    table.to_file(path, SPATIAL_INDEX="NO", geometry_type="Unknown")
    head = b"GP\0\1" + struct.pack("<i", int(crs.removeprefix("EPSG:")))
    with sqlite3.connect(path) as file:
        changes = [(head + data, n) for n, data in enumerate(shapes)]
        file.executemany(f'UPDATE "{path.stem}" SET geom = ? WHERE n = ?', changes)
        file.execute("UPDATE gpkg_geometry_columns SET z = 2, m = 2")
    file.close()
    return str(path)
