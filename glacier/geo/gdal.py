"""What GDAL may do here: the drivers that may open a vector file, and no network.

A vector file can be a description that makes GDAL open others, here or anywhere: an OGR VRT, a WFS,
a CSV with a VRT beside it. So the process keeps the drivers of the formats that are told by their
first bytes, and drops all others: when ``vector_layers`` is imported, so in workers too.

The wheels of pyogrio and rasterio bring a GDAL each, which know nothing of each other. In that of
rasterio nothing is dropped: every raster is opened with its driver named.
"""

from __future__ import annotations

from typing import Any

VECTOR_DRIVERS = ("ESRI Shapefile", "FlatGeobuf", "GPKG", "GeoJSON", "KML", "LIBKML")
"""Drivers that stay, by GDAL's names; a wheel has one of the two for KML."""

NO_NETWORK: dict[str, Any] = {
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "none",
    "GDAL_HTTP_PROXY": "http://127.0.0.1:9",
    "GDAL_HTTPS_PROXY": "http://127.0.0.1:9",
    "GDAL_HTTP_CONNECTTIMEOUT": 1,
    "GDAL_HTTP_MAX_RETRY": 0,
}
"""No address of GDAL's virtual file systems is opened; other requests, such as for the CRS that a
GeoJSON names by its address, meet a port on which nothing listens (9, discard)."""

RASTER: dict[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_CACHEMAX": 128 << 20,
}
"""How rasterio opens a GeoTIFF: what lies beside it is not looked for, and decoded blocks are kept
up to 128 MB a worker instead of a twentieth of the machine's memory."""


def read_versions() -> tuple[str, str]:
    """Versions of the GDAL of rasterio and of that of pyogrio."""
    import pyogrio
    import rasterio

    return str(rasterio.__gdal_version__), ".".join(map(str, pyogrio.__gdal_version__))


def drop_drivers() -> None:
    """Leave this process's GDAL of pyogrio the drivers of ``VECTOR_DRIVERS``, and no network.

    Raises:
        ImportError: This version of pyogrio keeps its drivers whatever is asked.
    """
    import pyogrio  # whoever reads rasters alone needs no second GDAL

    others = sorted(set(pyogrio.list_drivers()) - set(VECTOR_DRIVERS))
    if others:
        pyogrio.set_gdal_config_options({"OGR_SKIP": ",".join(others)})
        pyogrio.core._register_drivers()  # GDAL drops what is to be skipped as it registers
        pyogrio.set_gdal_config_options({"OGR_SKIP": None})
    pyogrio.set_gdal_config_options(NO_NETWORK)
    if left := set(pyogrio.list_drivers()) - set(VECTOR_DRIVERS):
        raise ImportError(
            f"pyogrio {pyogrio.__version__} keeps the drivers {sorted(left)}, which could open "
            "other files than those that are named; take pyogrio 0.13"
        )
