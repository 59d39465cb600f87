"""Directories of a TIFF, counted before GDAL reads them."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.geo.raster import Grid, encode_cog
from glacier.geo.tiff_directories import MAX_DIRECTORIES, explain_directories


@pytest.mark.parametrize("large", ["YES", "NO"])
@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_plain_files_of_every_form_may_be_read(tmp_path: Path, large: str, order: str) -> None:
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", height=9, width=9, count=2,
                       dtype="uint8", bigtiff=large, endianness=order) as out:  # fmt: skip
        out.write(np.ones((2, 9, 9), np.uint8))
    with open(tmp_path / "a.tif", "rb") as file:
        assert explain_directories(file) == ""


def test_overviews_count() -> None:
    grid = Grid("EPSG:32608", 15.0, 15.0, 30.0, 1200, 300)
    data = encode_cog({"SR_B2": np.ones(grid.shape, np.uint16)}, grid, {})
    assert explain_directories(io.BytesIO(data)) == ""


def chain(count: int, entries: int = 0, back: bool = False) -> io.BytesIO:
    """A TIFF of so many directories of no use."""
    size = 2 + 12 * entries + 4
    parts = [b"II*\0" + struct.pack("<I", 8)]
    for k in range(count):
        following = 8 + size * (k + 1) if k < count - 1 else 8 if back else 0
        parts.append(
            struct.pack("<H", entries) + bytes(12 * entries) + struct.pack("<I", following)
        )
    return io.BytesIO(b"".join(parts))


def test_many_directories_and_circles_of_them_are_told() -> None:
    assert explain_directories(chain(MAX_DIRECTORIES)) == ""
    assert "more than 256 directories" in explain_directories(chain(MAX_DIRECTORIES + 1))
    assert "more than 256 directories" in explain_directories(chain(3, back=True))
    assert "a directory of 5000 entries" in explain_directories(chain(1, entries=5000))


@pytest.mark.parametrize("data", [b"II*\0", b"II+\0" + bytes(9), b"MM\0*\xff\xff\xff\xff",
                                  b"II+\0\x08\0\0\0" + b"\xff" * 8])  # fmt: skip
def test_what_is_cut_short_is_told(data: bytes) -> None:
    assert "not all there" in explain_directories(io.BytesIO(data))
