"""What a vector file may not hold: parts that run, lead elsewhere, or unpack to far more.

Formats say which driver reads a file; these are checks of what that driver would do with it.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pyarrow import ArrowException, DataType, compute, parquet, types

from glacier.geo.vector_formats import GEOJSON, GEOPACKAGE, GEOPARQUET, Format
from glacier.wording import shorten_list

SHOWN = 3
"""Names that a message gives; it counts the others."""

PLAIN_VIEWS = {
    "geometry_columns", "spatial_ref_sys", "st_geometry_columns", "st_spatial_ref_sys",
}  # fmt: skip
"""Views that the standard itself describes, and that GDAL does not read.

Source: OGC 12-128r19, GeoPackage Encoding Standard 1.4, annex C.
"""

VIRTUAL = re.compile(r"create\s+virtual\s+table\b.*?\busing\s+(\w+)", re.IGNORECASE | re.DOTALL)
LAYER_VIEWS = (
    "SELECT name FROM sqlite_master WHERE type = 'view' AND lower(name) IN "
    "(SELECT lower(table_name) FROM gpkg_contents)"
)
COMPUTED = (2, 3)
"""``hidden`` of columns that SQLite computes, in its ``table_xinfo``."""

CRS_WORD = b"crs"
CRS_RUN = re.compile(rb"[^{},\[\]]*+")
"""What may stand between the word and its object."""

CRS_BYTES = 1 << 16
"""Longest CRS of a GeoJSON, a name or a code within some braces; and farthest from its word."""

ESCAPED_LETTER = re.compile(
    rb"(?<!\\)(?:\\\\)*+\\u00(?:4[1-9a-fA-F]|5[0-9aA]|6[1-9a-fA-F]|7[0-9aA])"
)
"""A plain letter written by its number, which no program does but to hide a word."""

PART_BYTES = 1 << 24
"""Of a text that is looked at at once."""

UNPACKED_BYTES = 1 << 25
UNPACKED_RATIO = 200
"""A file may unpack to so many bytes, or so many times its own size, whichever is more."""

WKT = re.compile(r"\s*[A-Z_]+\s*\[")
"""How a CRS begins in well-known text, as GeoParquet had it before version 0.4."""

NUMBER_BYTES = 8
"""Of a number in memory."""


def explain_harm(path: Path, kind: Format) -> str:
    """Why a file of a format must not be read; nothing where it may.

    Args:
        path: The file on this machine, with its journals beside it if it has any.
        kind: Its format.
    """
    look = CHECKS.get(kind.name)
    return look(path) if look else ""


def look_into_geopackage(path: Path) -> str:
    """SQL that would run as a layer is read: views, virtual tables and computed columns.

    Triggers run when something is written, and nothing is.
    """
    journal = Path(f"{path}-wal").exists()
    mode = "mode=ro" if journal else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{mode}", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = OFF")
            found = list(find_sql(database))
    except sqlite3.Error as error:
        return f"its database is damaged: {error}"
    if found:
        return (
            f"it holds SQL that would run as it is read ({shorten_list(found, SHOWN)}); save the "
            "wanted layer as a plain table (ogr2ogr new.gpkg FILE LAYER)"
        )
    return ""


def find_sql(database: sqlite3.Connection) -> Iterator[str]:
    """What of a database runs when it is read, in words."""
    tables = []
    for kind, name, sql in database.execute("SELECT type, name, sql FROM sqlite_master"):
        virtual = VIRTUAL.match((sql or "").strip()) if kind == "table" else None
        if kind == "view" and name.lower() not in PLAIN_VIEWS:
            yield f"view {name}"
        elif virtual and virtual[1].lower() != "rtree":
            yield f"virtual table {name} of {virtual[1]}"
        elif kind == "table" and not virtual:
            tables.append(name)
    yield from (f"view {name} as a layer" for (name,) in database.execute(LAYER_VIEWS))
    for name in tables:
        for row in database.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (name,)):
            if row[1] in COMPUTED:
                yield f"computed column {row[0]} of {name}"


def look_into_geojson(path: Path) -> str:
    """A CRS that is named by an address, which GDAL would ask."""
    for text, end in read_parts(path, 3 * CRS_BYTES):
        if b"\\u00" in text and ESCAPED_LETTER.search(text):
            return "it writes plain letters by their numbers (\\u0041); write it anew (ogr2ogr)"
        for place in find_crs(text):
            if place - len(CRS_WORD) < end and not is_plain_crs(text, place):
                return (
                    "its CRS is an address on the network, or no JSON; name the CRS by its code, "
                    "such as urn:ogc:def:crs:EPSG::32608, or write the file anew (ogr2ogr)"
                )
    return ""


def read_parts(path: Path, shared: int) -> Iterator[tuple[bytes, int]]:
    """A file part by part, and where in it the bytes begin that the next part has, too."""
    with path.open("rb") as file:
        part = file.read(PART_BYTES)
        while part:
            following = file.read(PART_BYTES)
            yield part, len(part) - (shared if following else 0)
            part = part[-shared:] + following if following else b""


def find_crs(text: bytes) -> Iterator[int]:
    """Places right after the word for a CRS, in letters of any size, as GDAL takes them."""
    lower = text.lower()
    at = lower.find(CRS_WORD)
    while at >= 0:
        yield at + len(CRS_WORD)
        at = lower.find(CRS_WORD, at + 1)


def is_plain_crs(text: bytes, place: int) -> bool:
    """Whether what follows the word for a CRS is no object that names it by an address."""
    run = CRS_RUN.match(text, place)
    begin = run.end() if run else place
    if text[begin : begin + 1] != b"{":
        return begin - place <= CRS_BYTES
    try:
        words = text[begin : begin + CRS_BYTES].decode("utf-8", "replace")
        found, _ = json.JSONDecoder().raw_decode(words)
    except (ValueError, RecursionError):
        return False
    return str(found.get("type")).lower() not in ("link", "url")


def look_into_parquet(path: Path) -> str:
    """More rows or bytes than its size can hold."""
    size = path.stat().st_size
    try:
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows > size:
                return f"it claims {file.metadata.num_rows} rows in {size} bytes"
            schema = file.schema_arrow
        if odd := find_odd_crs(schema.metadata or {}):
            return f"its CRS {odd[:80]!r} is neither PROJJSON nor WKT; write it anew"
        if bomb := explain_bomb(measure_columns(file.metadata), size):
            return bomb
        texts = [
            name for name, kind in zip(schema.names, schema.types, strict=True) if is_text(kind)
        ]
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            return explain_bomb(measure_texts(file, texts), size)
    except (ArrowException, OSError, ValueError, AttributeError) as error:
        return f"it is damaged: {error}"


def find_odd_crs(facts: Mapping[bytes, bytes]) -> str:
    """The first CRS of a GeoParquet's columns that is a name, an address or the like; else empty.

    Raises:
        ValueError: The file's facts are no JSON.
        AttributeError: They have another form.
    """
    columns = json.loads(facts.get(b"geo", b"{}")).get("columns", {})
    systems = (column.get("crs") for column in columns.values())
    return next((crs for crs in systems if isinstance(crs, str) and not WKT.match(crs)), "")


def is_text(kind: DataType) -> bool:
    """Whether the cells of a column are texts or bytes, of any length."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    kinds = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(is_kind(kind) for is_kind in kinds)


def measure_columns(facts: Any) -> Iterator[int]:
    """Bytes of the columns of a Parquet file, as it says itself."""
    for group in map(facts.row_group, range(facts.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            yield max(column.total_uncompressed_size, NUMBER_BYTES * column.num_values)


def measure_texts(file: Any, names: Sequence[str]) -> Iterator[int]:
    """Bytes of columns of texts; equal ones are held once, and counted as often as they stand."""
    for batch in file.iter_batches(columns=names) if names else ():
        for column in batch.columns:
            lengths = compute.binary_length(column.dictionary)
            yield compute.sum(lengths.take(column.indices)).as_py() or 0


def explain_bomb(parts: Iterator[int], size: int) -> str:
    """That what a file unpacks to is far more than it is; nothing where it is not.

    Args:
        parts: Bytes that its parts unpack to; no more are asked for than needed.
        size: Bytes of the file.
    """
    most, total = max(UNPACKED_BYTES, UNPACKED_RATIO * size), 0
    for part in parts:
        total += part
        if total > most:
            return (
                f"it unpacks to more than {most} bytes from {size}, as no outlines do; write it "
                "anew, or give what is in it"
            )
    return ""


CHECKS: dict[str, Callable[[Path], str]] = {
    GEOPACKAGE.name: look_into_geopackage,
    GEOJSON.name: look_into_geojson,
    GEOPARQUET.name: look_into_parquet,
}
"""Format to what is looked for in it."""
