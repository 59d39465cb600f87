"""Places on the ground: written out, or from a vector file."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from glacier.settings.model import TEXT, Model
from glacier.settings.paths import PathText
from glacier.settings.values import CrsCode, Name

PIXEL_M = 30.0
"""Side of Landsat's own pixels, metres."""


class Region(Model):
    """A place on the ground."""

    name: Name
    """Folder-safe identifier."""
    title: Annotated[str | None, TEXT] = Field(None, max_length=120)
    """What people call it, with all its letters; None: made from ``name``."""
    polygon: tuple[tuple[float, float], ...] | None = None
    """Corners as (longitude, latitude) in degrees, WGS 84. None: the grid of the source's files."""
    pixel_m: float = Field(PIXEL_M, gt=0, le=1000)
    """Side of a pixel, metres, in the UTM zone of the polygon."""

    @model_validator(mode="after")
    def check_polygon(self) -> Self:
        """Refuse a polygon that cannot be one on Earth, and pixels that nothing would have."""
        if self.polygon is None:
            if self.pixel_m != PIXEL_M:
                raise ValueError(
                    f"pixel_m {self.pixel_m:g} needs a polygon; without one the pixels are those "
                    "of the source's files: leave it out"
                )
            return self
        if len(self.polygon) < 3:
            raise ValueError(f"a polygon needs 3 corners or more, got {len(self.polygon)}")
        for lon, lat in self.polygon:
            if not (-180 <= lon <= 180 and -80 <= lat <= 84):
                raise ValueError(
                    f"corner ({lon}, {lat}) is not (longitude, latitude) within the UTM zones: "
                    "-180..180, -80..84"
                )
        return self

    def corners(self) -> tuple[tuple[float, float], ...]:
        """Corners whose longitudes run on past 180 where the polygon crosses that meridian."""
        corners = self.polygon or ()
        lons = [lon for lon, _ in corners]
        if not lons or max(lons) - min(lons) <= 180:
            return corners
        return tuple((lon + 360 if lon < 0 else lon, lat) for lon, lat in corners)


class RegionFile(Model):
    """Glaciers of a vector file, such as the Randolph Glacier Inventory: a region each.

    It stands among ``regions`` in the file, and is replaced by plain regions when the file is
    read, so that only what the glaciers are counts in a hash, not where their file lies.
    """

    file: PathText
    """Vector file: GeoPackage, Shapefile (also zipped), GeoJSON, FlatGeobuf, KML or GeoParquet."""
    layer: str | None = None
    """Layer of the file; None: the only one that has the column."""
    crs: CrsCode | None = None
    """CRS of a file that states none."""
    column: str | None = None
    """Column that names the glaciers; None: the RGI's, ``rgi_id`` or ``RGIId``."""
    ids: Annotated[tuple[str | int, ...], Field(min_length=1)] | None = None
    """Which glaciers, by the values of the column as they are written; None: all."""
    buffer_m: float = Field(500.0, ge=0, le=100_000)
    """Margin of the frame around a glacier's outline, metres."""
    pixel_m: float = Field(PIXEL_M, gt=0, le=1000)
    """Side of a pixel, metres."""
