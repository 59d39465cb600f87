"""Outlines of all dates as files: a GeoPackage, a GeoParquet, and how QGIS is to draw them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any, get_args, get_type_hints

import geopandas
import pandas as pd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from glacier import store
from glacier.errors import StoreError, VectorError
from glacier.geo.outline_rows import OutlineRow
from glacier.geo.raster import WGS84
from glacier.geo.vector_layers import VectorFile, read_tables
from glacier.scratch import open_scratch

OUTLINES, OGGM = "outlines", "oggm"
"""Layers of the GeoPackage: RGI 7's names and ours; the names that OGGM reads."""

DTYPES: Mapping[type, str] = {
    str: "str", date: "str", int: "Int64", float: "float64", bool: "boolean",
}  # fmt: skip
"""Column type of a field's type; days are text, as in RGI 7."""

RGI6_DTYPES: Mapping[str, str] = {
    "RGIId": "str", "GLIMSId": "str", "BgnDate": "str", "EndDate": "str", "CenLon": "float64",
    "CenLat": "float64", "O1Region": "str", "O2Region": "str", "Area": "float64", "Zmin": "int64",
    "Zmax": "int64", "Zmed": "int64", "Slope": "float64", "Aspect": "int64", "Lmax": "int64",
    "Status": "int64", "Connect": "int64", "Form": "int64", "TermType": "int64", "Surging": "int64",
    "Linkages": "int64", "Name": "str", "inv_id": "str",
}  # fmt: skip
"""Columns of the layer for OGGM.

Source: RGI 6.0 shapefiles; what ``oggm.GlacierDirectory`` of OGGM 1.6.3 reads of them.
"""

NO_DATE, UNMEASURED, NOT_ASSIGNED = "-9999999", -999, 9
"""What RGI 6 writes where it does not know.

Source: RGI Consortium 2017, Randolph Glacier Inventory 6.0, technical report.
"""

STYLE = """<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.22" styleCategories="Symbology">
 <renderer-v2 type="singleSymbol" symbollevels="0" enableorderby="0" forceraster="0">
  <symbols>
   <symbol name="0" type="fill" alpha="1" clip_to_extent="1" force_rhr="0">
    <layer class="SimpleFill" enabled="1" locked="0" pass="0">
     <Option type="Map">
      <Option name="color" type="QString" value="86,180,233,40"/>
      <Option name="style" type="QString" value="solid"/>
      <Option name="outline_color" type="QString" value="0,114,178,255"/>
      <Option name="outline_style" type="QString" value="solid"/>
      <Option name="outline_width" type="QString" value="0.4"/>
      <Option name="outline_width_unit" type="QString" value="MM"/>
      <Option name="joinstyle" type="QString" value="round"/>
     </Option>
    </layer>
   </symbol>
  </symbols>
 </renderer-v2>
 <layerGeometryType>2</layerGeometryType>
</qgis>
"""
"""A thin blue line over a faint fill, so that outlines of several years can be told apart."""

GEOPACKAGE_VERSION = "1.2"
"""Older programs, such as GDAL 3.6 and the QGIS built on it, warn of a newer one."""


def write_outlines(folder: str, name: str, rows: Sequence[OutlineRow]) -> dict[str, str]:
    """Write outlines as ``<name>.gpkg``, ``<name>.parquet`` and ``<name>.qml``, the style of both.

    Args:
        folder: Address of the folder.
        name: Of the files, without an ending.
        rows: All outlines, in the order in which they are to lie in the files.

    Returns:
        sha256 by file name.

    Raises:
        StoreError: A file cannot be written.
    """
    contents = {
        f"{name}.gpkg": encode_geopackage(rows),
        f"{name}.parquet": encode_geoparquet(rows),
        f"{name}.qml": STYLE.encode(),
    }
    return {
        file: store.write_bytes(store.join(folder, file), data) for file, data in contents.items()
    }


def read_outline_rows(address: str) -> list[OutlineRow]:
    """The outlines of a GeoPackage or GeoParquet that :func:`write_outlines` wrote.

    Raises:
        VectorError: It cannot be read, or lacks a column.
    """
    layer = OUTLINES if address.endswith(".gpkg") else None
    (table,) = read_tables(VectorFile(address, layer, setting="")).values()
    if lacking := sorted(list_kinds().keys() - set(table.columns)):
        raise VectorError(f"{address} has no column {lacking[0]}; the same command makes it again")
    columns = [read_values(table[name], kind) for name, kind in list_kinds().items()]
    return [
        OutlineRow(geometry, *values)
        for geometry, *values in zip(table.geometry.values, *columns, strict=True)
    ]


def encode_geopackage(rows: Sequence[OutlineRow]) -> bytes:
    """A GeoPackage of outlines with both layers, as bytes; the same rows give the same bytes.

    Raises:
        StoreError: The folder for temporary files cannot be written to.
    """
    try:
        return write_layers({OUTLINES: build_table(rows), OGGM: build_oggm_table(rows)})
    except (OSError, DataSourceError, DataLayerError, FeatureError) as error:
        raise StoreError(
            f"cannot write a GeoPackage in {tempfile.gettempdir()}: {error}; make room there, or "
            "name another folder in TMPDIR"
        ) from error


def write_layers(layers: Mapping[str, Any]) -> bytes:
    """A GeoPackage with several layers; in memory only one can be written."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2000-01-01T00:00:00Z"})  # same bytes
    with open_scratch() as folder:
        path = folder / "outlines.gpkg"
        for layer, table in layers.items():
            pyogrio.write_dataframe(
                table, path, layer=layer, driver="GPKG", geometry_type="Polygon",
                dataset_options={"VERSION": GEOPACKAGE_VERSION},
            )  # fmt: skip
        return path.read_bytes()


def encode_geoparquet(rows: Sequence[OutlineRow]) -> bytes:
    """A GeoParquet of outlines, as bytes."""
    buffer = io.BytesIO()
    build_table(rows).to_parquet(buffer, index=False, compression="zstd", schema_version="1.1.0")
    return buffer.getvalue()


def list_kinds() -> dict[str, type]:
    """Type of each field of a row but for the polygon; of what may be None, the other."""
    hints = get_type_hints(OutlineRow)
    names = [field.name for field in fields(OutlineRow) if field.name != "geometry"]
    return {name: (get_args(hints[name]) or (hints[name],))[0] for name in names}


def build_table(rows: Sequence[OutlineRow]) -> Any:
    """Outlines as a GeoDataFrame."""
    dtypes = {name: DTYPES[kind] for name, kind in list_kinds().items()}
    cells = [{name: as_cell(getattr(row, name)) for name in dtypes} for row in rows]
    return place(cells, dtypes, rows)


def build_oggm_table(rows: Sequence[OutlineRow]) -> Any:
    """Outlines as a GeoDataFrame with the columns of RGI 6, which OGGM reads."""
    return place([name_as_rgi6(row, k) for k, row in enumerate(rows, 1)], RGI6_DTYPES, rows)


def name_as_rgi6(row: OutlineRow, number: int) -> dict[str, str | int | float]:
    """A row by the names and codes of RGI 6.

    Every row has an id of its own, since OGGM takes none twice. It ends in the month, so that
    nothing that OGGM knows of a glacier of RGI 6 is taken for this one's; the inventory's id stands
    in ``inv_id``.
    """
    region = row.o1region or "00"
    one_day = row.src_date_min == row.src_date_max
    return {
        "RGIId": f"RGI60-{region}.{number:05d}_{row.year}{row.month:02d}",
        "GLIMSId": row.glims_id or "",
        "BgnDate": f"{row.src_date_min:%Y%m%d}",
        "EndDate": NO_DATE if one_day else f"{row.src_date_max:%Y%m%d}",
        "CenLon": row.cenlon,
        "CenLat": row.cenlat,
        "O1Region": region,
        "O2Region": "0",
        "Area": row.area_km2,
        **dict.fromkeys(("Zmin", "Zmax", "Zmed", "Slope", "Aspect", "Lmax"), UNMEASURED),
        "Status": 0,
        **dict.fromkeys(("Connect", "Form", "TermType", "Surging", "Linkages"), NOT_ASSIGNED),
        "Name": row.glac_name or "",
        "inv_id": row.rgi_id or "",
    }


def place(
    cells: Sequence[dict[str, Any]], dtypes: Mapping[str, str], rows: Sequence[OutlineRow]
) -> Any:
    """Cells by column name as a GeoDataFrame with the polygons of some rows."""
    table = pd.DataFrame(cells, columns=list(dtypes)).astype(dict(dtypes))
    return geopandas.GeoDataFrame(table, geometry=[row.geometry for row in rows], crs=WGS84)


def as_cell(value: Any) -> Any:
    """A value as a table holds it: days as text."""
    return value.isoformat() if isinstance(value, date) else value


def read_values(column: Any, kind: type) -> list[Any]:
    """The values of a column as a row holds them; None where a cell is empty."""
    read = date.fromisoformat if kind is date else kind
    return [
        None if empty else read(cell) for cell, empty in zip(column, column.isna(), strict=True)
    ]
