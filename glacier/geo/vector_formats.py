"""Formats of vector files, told by their first bytes and never by a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from glacier.errors import VectorError
from glacier.wording import join_words

HEAD_BYTES = 1 << 16
"""So much of a file is looked at."""


@dataclass(frozen=True)
class Format:
    """A format that outlines may have."""

    name: str
    ending: str
    """Of files of this format; the name under which GDAL sees one has it."""
    drivers: tuple[str, ...] = ()
    """GDAL's drivers that may open it; none: another library reads it."""


GEOPACKAGE = Format("GeoPackage", ".gpkg", ("GPKG",))
PARTS = (".shx", ".dbf", ".prj", ".cpg")
"""Files that are part of a Shapefile: they stand beside it under the same name."""

SHAPEFILE = Format("Shapefile", ".shp", ("ESRI Shapefile",))
GEOJSON = Format("GeoJSON", ".geojson", ("GeoJSON",))
FLATGEOBUF = Format("FlatGeobuf", ".fgb", ("FlatGeobuf",))
KML = Format("KML", ".kml", ("KML", "LIBKML"))
GEOPARQUET = Format("GeoParquet", ".parquet")
ZIPPED = Format("Shapefile in a zip file", ".zip")
FORMATS = (GEOPACKAGE, SHAPEFILE, ZIPPED, GEOJSON, FLATGEOBUF, KML, GEOPARQUET)

SQLITE = b"SQLite format 3\0"
APPLICATIONS = (b"GPKG", b"GP10", b"GP11")
"""Application ids by which a SQLite database says that it is a GeoPackage.

Source: OGC 12-128r19, GeoPackage Encoding Standard 1.4, requirement 2.
"""

MAGIC = {
    b"\0\0\x27\x0a": SHAPEFILE,
    b"fgb\x03fgb": FLATGEOBUF,
    b"PAR1": GEOPARQUET,
    b"PK\3\4": ZIPPED,
}
"""First bytes, where they alone tell.

Source: ESRI Shapefile Technical Description, 1998; FlatGeobuf 3; Apache Parquet; APPNOTE.TXT.
"""

KML_ROOT = re.compile(
    rb"\s*+(?:<\?xml\b[^>]*+>\s*+)?(?:<!--(?:[^-]|-(?!->))*+-->\s*+)*+<(?:[\w.-]++:)?kml[\s>]"
)
"""An XML whose outermost element is KML's, without a document type, which could name other files.

Source: OGC 12-007r2, KML 2.3.
"""


def tell_format(path: Path, address: str) -> Format:
    """The format of a file, by its first bytes.

    Args:
        path: The file on this machine.
        address: What the configuration calls it, for the message.

    Raises:
        VectorError: It has none of the formats.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = match_head(head)
    if found is None:
        names = join_words([known.name for known in FORMATS], "or")
        raise VectorError(
            f"outlines {address} cannot be read: by its first bytes, {head[:12]!r}, it is no "
            f"{names}; convert it (ogr2ogr outlines.gpkg FILE)"
        )
    return found


def match_head(head: bytes) -> Format | None:
    """The format that begins with these bytes; None where there is none."""
    if head.startswith(SQLITE):
        return GEOPACKAGE if head[68:72] in APPLICATIONS else None
    for magic, known in MAGIC.items():
        if head.startswith(magic):
            return known
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"\0" in head:
        return None
    if text.startswith(b"{"):
        return GEOJSON
    return KML if KML_ROOT.match(text) else None
