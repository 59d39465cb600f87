"""What rasters declare of their numbers: any pixel that is hidden in any way is unknown."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from glacier.composite import Composite, Empty
from glacier.errors import RasterError
from glacier.geo.declared import declared_scale, find_hidden
from glacier.geo.raster import read_named
from glacier.settings.folder import Folder, Image
from glacier.sources.images import ImagesSource
from glacier.sources.month_files import MonthFilesSource
from tests.support.user_files import GRID, REGION

JUNE = date(2014, 6, 1)

NODATA = {
    "uint8": [0, 7, 255], "int16": [-9999, 0, -32768], "uint16": [0, 7, 65535],
    "float32": [np.nan, -9999.0, 0.0, -3.4028234663852886e38],
}  # fmt: skip


def write_hidden(
    path: Path, kind: str, number: float, ways: frozenset[str], rng: np.random.Generator
) -> np.ndarray:
    """A band that is hidden by a number, a mask, alpha, or several; returns where, (H, W) bool."""
    shape = (GRID.height, GRID.width)
    values = rng.integers(10, 100, shape).astype(kind)
    hidden = {way: rng.random(shape) < 0.3 for way in sorted(ways)}
    if "number" in ways:
        values[hidden["number"]] = number
    profile = {
        "driver": "GTiff", "height": shape[0], "width": shape[1], "dtype": kind, "crs": GRID.crs,
        "transform": GRID.transform, "count": 1 + ("alpha" in ways),
        "nodata": number if "number" in ways else None,
    }  # fmt: skip
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        out.write(values, 1)
        out.set_band_description(1, "SR_B3")
        out.scales = (0.005,) * out.count
        if "alpha" in ways:
            out.write(np.where(hidden["alpha"], 0, 100).astype(kind), 2)
            out.set_band_description(2, "alpha")
            out.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
            out.scales = (0.005, 1.0)
        if "mask" in ways:
            out.write_mask(~hidden["mask"])
    return np.logical_or.reduce([*hidden.values(), np.zeros(shape, bool)])


@given(
    kind=st.sampled_from(sorted(NODATA)),
    ways=st.frozensets(st.sampled_from(["number", "mask", "alpha"])),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_declared_hidden_is_unknown_in_that_many_pixels(
    tmp_path: Path, kind: str, ways: frozenset[str], seed: int, data: st.DataObject
) -> None:
    """As a single image, as a month file, and as an archive's raster."""
    number = data.draw(st.sampled_from(NODATA[kind]))
    path = tmp_path / "2014-06.tif"
    hidden = write_hidden(path, kind, number, ways, np.random.default_rng(seed))
    image = Image(month="2014-06", bands={"SR_B3": {"file": path.name}})
    one = ImagesSource(Folder(path=str(tmp_path), images=(image,)))
    for source in (one, MonthFilesSource(Folder(path=str(tmp_path)))):
        month = source.fetch_month(REGION, JUNE)
        if hidden.all():
            assert month == Empty("all_masked")
            continue
        assert isinstance(month, Composite)
        np.testing.assert_array_equal(month.n_obs == 0, hidden)
        np.testing.assert_array_equal(month.bands["SR_B3"] == 0, hidden)
    np.testing.assert_array_equal(read_named(path, {"SR_B3"})[0]["SR_B3"] == 0, hidden)


def test_nothing_declared_is_nothing_hidden(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_hidden(path, "uint16", 0, frozenset(), np.random.default_rng(0))
    with rasterio.open(path) as source:
        assert find_hidden(source, 1, source.read(1)) is None
        assert declared_scale(source, 1) == (0.005, 0.0)


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 0.0), (np.nan, 0.0), (1e-4, np.inf)])
def test_a_scale_that_is_none_is_refused(tmp_path: Path, scale: float, offset: float) -> None:
    path = tmp_path / "a.tif"
    write_hidden(path, "uint16", 0, frozenset(), np.random.default_rng(0))
    with rasterio.open(path, "r+") as out:
        out.scales, out.offsets = (scale,), (offset,)
    with pytest.raises(RasterError, match="declares scale"):
        read_named(path)


def test_alpha_that_a_file_beside_declares_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write_hidden(path, "uint16", 0, frozenset(), np.random.default_rng(0))
    beside = tmp_path / "a.tif.aux.xml"
    band = '<PAMDataset><PAMRasterBand band="1"><ColorInterp>{}</ColorInterp></PAMRasterBand></PAM>'
    beside.write_text(band.format("Gray"))
    read_named(path)
    beside.write_text(band.format("Alpha"))
    with pytest.raises(RasterError, match=r"ColorInterp in .*a\.tif\.aux\.xml"):
        read_named(path)


def test_a_band_of_a_month_file_that_bears_a_landsat_name_is_no_alpha(tmp_path: Path) -> None:
    raw = np.full((4, GRID.height, GRID.width), 9000, np.uint16)
    raw[3, 0] = 0
    with rasterio.open(
        tmp_path / "2014-06.tif", "w", driver="GTiff", height=GRID.height, width=GRID.width,
        count=4, dtype="uint16", crs=GRID.crs, transform=GRID.transform, photometric="RGB",
    ) as out:  # fmt: skip
        out.write(raw)
        out.descriptions = ("SR_B4", "SR_B3", "SR_B2", "SR_B5")
        out.colorinterp = (*out.colorinterp[:3], ColorInterp.alpha)
    bands, _ = read_named(tmp_path / "2014-06.tif")
    assert all(bands[name].all() for name in ("SR_B2", "SR_B3", "SR_B4"))
    assert not bands["SR_B5"][0].any()
