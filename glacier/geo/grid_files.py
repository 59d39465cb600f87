"""Coordinate systems that would read files: shifts of a datum by a grid that lies at a path.

PROJ takes such paths from the text of a CRS, so from a raster or a vector file. Grids by their bare
names lie in PROJ's own folder, and do no harm.
"""

from __future__ import annotations

import re

GRID_FILE = re.compile(
    r"(?:\b\w*grids|\bfile)=(?P<proj>[^\s\"']*[/\\:][^\s\"']*)"
    r"|PARAMETERFILE\[\s*\"[^\"]*\"\s*,\s*\"(?P<wkt>[^\"]*[/\\:][^\"]*)\"",
    re.IGNORECASE,
)
"""A path or an address in a PROJ string, or in WKT 2.

Source: PROJ, documentation of hgridshift, vgridshift and deformation; OGC 18-010r7, WKT of CRS.
"""


def find_grid_file(crs: str) -> str:
    """The first file that a CRS would read, by its path or address; nothing where there is none.

    Args:
        crs: WKT or a PROJ string.
    """
    found = GRID_FILE.search(crs)
    return (found["proj"] or found["wkt"]) if found else ""
