"""Layers of a vector file as tables, each with a CRS that says where its shapes lie."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import geopandas
import pyogrio
import pyproj

from glacier.errors import VectorError
from glacier.geo.gdal import drop_drivers
from glacier.geo.grid_files import find_grid_file
from glacier.geo.inventories import Theme
from glacier.geo.vector_files import LocalFile, local_file
from glacier.wording import nearest

drop_drivers()  # of all processes, since every one that reads a vector file imports this

TYPE = re.compile(r"^(2\.5D )?(Multi)?")
"""What stands before the type of a layer's shapes, as GDAL writes it; ``Z`` and ``M`` follow."""

NO_AREA = ("Point", "LineString", "CircularString", "CompoundCurve", "Curve")
"""Types of shapes without area."""


@dataclass(frozen=True)
class VectorFile:
    """A vector file as the configuration names it."""

    address: str
    """Local path or object-store address of one of the formats of ``vector_formats``."""
    layer: str | None = None
    """The layer to read; None: the only one that will do."""
    crs: str | None = None
    """The CRS of a file that states none."""
    theme: Theme = "glacier"
    """What its polygons are wanted for."""
    setting: str = "prepare.label."
    """What stands before ``layer`` and ``crs`` where the configuration names them."""

    @property
    def name(self) -> str:
        """The file's name without its folder, which is for no output."""
        return self.address.replace("\\", "/").rpartition("/")[2]


def read_tables(file: VectorFile) -> dict[str, Any]:
    """The rows of a vector file as GeoDataFrames by layer: the layer asked for, or all with area.

    Raises:
        VectorError: The file cannot be read, holds no shapes, or has no CRS.
    """
    with local_file(file.address) as local, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of heights and measures, which nobody needs here
        try:
            tables = read_layers(file, local) if local.format.drivers else read_rows(file, local)
        except VectorError:
            raise
        except Exception as error:  # pyogrio, GDAL and pyarrow raise many kinds
            said = str(error).replace(f"{local.path.parent}/", "")
            raise VectorError(f"outlines {file.address} cannot be read: {said}") from error
    return {name: settle_crs(table, file, name) for name, table in tables.items()}


def read_layers(file: VectorFile, local: LocalFile) -> dict[str, Any]:
    """The wanted layers of a file that GDAL reads.

    Raises:
        VectorError: It is not what its first bytes say, or claims more rows than it can hold.
    """
    names = pick_layers(file, dict(pyogrio.list_layers(local.path)))
    for name in names:
        facts = pyogrio.read_info(local.path, layer=name)
        if facts["driver"] not in local.format.drivers:
            raise VectorError(f"outlines {file.address}: no {local.format.name} after its head")
        if facts["features"] > local.bytes:
            raise VectorError(
                f"outlines {file.address} cannot be read: layer {name} claims {facts['features']} "
                f"rows in {local.bytes} bytes; write it anew (ogr2ogr)"
            )
    # open rings are closed; what no library knows is None, and is counted with the rows
    return {name: geopandas.read_file(local.path, layer=name, on_invalid="fix") for name in names}


def read_rows(file: VectorFile, local: LocalFile) -> dict[str, Any]:
    """The one table of a GeoParquet.

    Raises:
        VectorError: Another layer is asked for.
    """
    name = local.path.stem
    pick_layers(file, {name: "Unknown"})
    return {name: geopandas.read_parquet(local.path)}


def pick_layers(file: VectorFile, kinds: dict[str, str | None]) -> list[str]:
    """Names of the layers to read.

    Args:
        file: The file.
        kinds: Type of geometry by layer; None of a table without shapes.

    Raises:
        VectorError: There is no such layer, or none with shapes.
    """
    if file.layer is not None:
        if file.layer not in kinds:
            near = nearest(file.layer, list(kinds))
            raise VectorError(f"outlines {file.address}: no layer {file.layer!r}{near}")
        kinds = {file.layer: kinds[file.layer]}
    shaped = [name for name, kind in kinds.items() if kind is not None]
    if not shaped:
        raise VectorError(
            f"outlines {file.address}: a table without shapes; give a file of polygons"
        )
    plain = {name: TYPE.sub("", str(kinds[name])).partition(" ")[0] for name in shaped}
    return [name for name in shaped if plain[name] not in NO_AREA] or shaped


def settle_crs(table: Any, file: VectorFile, layer: str) -> Any:
    """A table with the CRS that it states, or else the one that the configuration gives.

    Raises:
        VectorError: There is none, there are two, or it would read a file.
    """
    where = f"outlines {file.address}, layer {layer}"
    stated = table.crs if is_on_earth(table.crs) else None
    if stated is not None and (grids := find_grid_file(f"{stated.srs} {stated.to_wkt()}")):
        raise VectorError(
            f"{where}: its CRS would read the file {grids}; name the CRS by its code (ogr2ogr "
            "-a_srs EPSG:4326)"
        )
    if stated is None and file.crs is None:
        name = f" ({table.crs.name})" if table.crs is not None else ""
        raise VectorError(
            f"{where}: no CRS{name}; assign one (ogr2ogr -a_srs EPSG:4326), or name the one that "
            f"its numbers are in as {file.setting}crs"
        )
    if file.crs is None:
        return table
    try:
        given = pyproj.CRS(file.crs)
    except pyproj.exceptions.CRSError as error:
        raise VectorError(f"{file.setting}crs {file.crs}: there is no such CRS") from error
    if stated is not None and not is_same(stated, given):
        raise VectorError(
            f"{where}: the file states {name_crs(stated)} and {file.setting}crs {file.crs}; remove "
            "the setting, or correct the file (ogr2ogr -a_srs)"
        )
    return table.set_crs(given, allow_override=True)


def is_on_earth(crs: Any) -> bool:
    """Whether a CRS says where on Earth a point lies.

    A GeoPackage without one states "Undefined Cartesian SRS" or "Undefined geographic SRS".
    """
    if crs is None or crs.name.lower().startswith("undefined"):
        return False
    return bool(crs.is_geographic or crs.is_projected)


def is_same(one: pyproj.CRS, other: pyproj.CRS) -> bool:
    """Whether two CRS are the same but for how they are written, axis order included."""
    if one.equals(other, ignore_axis_order=True):
        return True
    code = other.to_epsg()
    return code is not None and one.to_epsg(min_confidence=20) == code


def name_crs(crs: pyproj.CRS) -> str:
    """A CRS in a word or a few."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)
