"""Month-named files: read as written, refused with a reason where they do not fit."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import RasterError, SourceError
from glacier.geo.raster import Grid
from glacier.landsat import reflectance
from glacier.settings.folder import Folder
from glacier.settings.regions import Region
from glacier.sources.factory import open_source
from glacier.sources.month_files import MonthFilesSource
from tests.support.user_files import GRID, REGION, coordinates, write_image, write_month

MAY, JUNE, JULY = (date(2014, m, 1) for m in (5, 6, 7))


def test_a_month_is_read_as_it_was_written(tmp_path: Path) -> None:
    bands = coordinates()
    bands["SR_B3"][0, 0] = bands["SR_B5"][0, 0] = 0
    bands["SR_B3"][1, 1] = 0
    write_month(tmp_path, "2014-06.tif", bands)
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    assert source.grid(REGION) == GRID and source.months(REGION) == [JUNE]
    month = source.fetch_month(REGION, JUNE)
    assert isinstance(month, Composite)
    assert list(month.bands) == ["SR_B3", "SR_B5"]
    for name, band in bands.items():
        np.testing.assert_array_equal(month.bands[name], band)
    seen = np.ones((12, 10), int)
    seen[0, 0] = 0
    np.testing.assert_array_equal(month.n_obs, seen)
    assert month.scene_ids == ["2014-06.tif"]


def test_what_the_archive_wrote_can_be_read_again(tmp_path: Path) -> None:
    n_obs = (np.indices((12, 10)).sum(axis=0) % 4).astype(np.uint16)
    bands = {name: np.where(n_obs > 0, b, 0).astype(np.uint16) for name, b in coordinates().items()}
    write_month(tmp_path, "2014-06.tif", {**bands, "n_obs": n_obs})
    month = MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)
    assert isinstance(month, Composite)
    np.testing.assert_array_equal(month.n_obs, n_obs)
    assert "n_obs" not in month.bands


def test_only_month_names_count_in_order(tmp_path: Path) -> None:
    for name in ("2014-07.TIF", "2014-05.tiff", "2014-13.tif", "2014-6.tif", "x2014-06.tif",
                 "2014-06.tif.aux.xml", "2014-06.png"):  # fmt: skip
        write_month(tmp_path, name)
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    assert source.months(REGION) == [MAY, JULY]
    assert source.fetch_month(REGION, JUNE) == Empty(
        "no_scene: the folder holds no file of this month"
    )


@pytest.mark.parametrize("other", ["2014-07.tiff", "2014-07.TIF"])
def test_two_files_of_a_month_are_refused(tmp_path: Path, other: str) -> None:
    write_month(tmp_path, "2014-07.tif", coordinates(1))
    write_month(tmp_path, other, coordinates(2))
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    with pytest.raises(SourceError, match=r"2014-07\..* and 2014-07\..* are both of 2014-07: rem"):
        source.months(REGION)


def test_a_region_has_its_own_folder_where_there_is_one(tmp_path: Path) -> None:
    write_month(tmp_path / "mendenhall", "2014-06.tif", coordinates(1))
    write_month(tmp_path, "2014-07.tif", coordinates(2))
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    assert source.months(REGION) == [JUNE]
    assert source.months(Region(name="taku")) == [JULY]


def test_a_month_without_data_is_empty(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif", {"SR_B3": np.zeros((12, 10), np.uint16)})
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    assert source.fetch_month(REGION, JUNE) == Empty("all_masked")


def test_bands_need_landsat_names(tmp_path: Path) -> None:
    write_image(tmp_path / "2014-06.tif", np.ones((2, 12, 10), np.uint16))
    write_month(tmp_path, "2014-07.tif", {"green": np.ones((12, 10), np.uint16)})
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    with pytest.raises(RasterError, match="every band needs its own Landsat name such as SR_B4"):
        source.fetch_month(REGION, JUNE)
    with pytest.raises(SourceError, match=r"holds bands \['green'\]; wanted some of .*SR_B2"):
        source.fetch_month(REGION, JULY)


@pytest.mark.parametrize(
    "other",
    [
        Grid("EPSG:32608", 522105.0, 6494565.0, 30.0, 12, 10),
        Grid("EPSG:32607", 522075.0, 6494565.0, 30.0, 12, 10),
        Grid("EPSG:32608", 522075.0, 6494565.0, 15.0, 12, 10),
        Grid("EPSG:32608", 522075.0, 6494565.0, 30.0, 10, 12),
    ],
)
def test_a_file_on_another_grid_is_refused_and_the_others_stay(tmp_path: Path, other: Grid) -> None:
    write_month(tmp_path, "2014-06.tif")
    write_month(tmp_path, "2014-07.tif", {"SR_B3": np.ones((other.height, other.width), np.uint16)},
                other)  # fmt: skip
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    with pytest.raises(SourceError, match=r"07\.tif lies on Grid.* on Grid.*-tr 30 30 -te 522075 "):
        source.fetch_month(REGION, JULY)
    assert isinstance(source.fetch_month(REGION, JUNE), Composite)


def test_a_damaged_file_costs_its_own_month_alone(tmp_path: Path) -> None:
    for name in ("2014-05.tif", "2014-06.tif", "2014-07.tif"):
        write_month(tmp_path, name)
    (tmp_path / "2014-05.tif").write_bytes(b"II*\0 not much more")
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    with pytest.raises(RasterError, match=r"2014-05\.tif"):
        source.fetch_month(REGION, MAY)
    assert source.grid(REGION) == GRID
    for month in (JUNE, JULY):
        assert isinstance(source.fetch_month(REGION, month), Composite)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_numbers_that_are_not_landsats_are_refused_and_not_cut_to_fit(
    tmp_path: Path, kind: type
) -> None:
    """Scaled exports hold 0..1.2 as floats: as uint16 they would be 0 and 1."""
    path = tmp_path / "2014-06.tif"
    write_image(path, np.full((1, 12, 10), 1.1 if kind is np.float32 else 70_000, kind))
    with rasterio.open(path, "r+") as out:
        out.descriptions = ("SR_B3",)
    with pytest.raises(SourceError, match=r"2014-06\.tif.*uint16"):
        MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)


def test_another_number_for_no_data_is_unseen_and_not_taken_for_snow(tmp_path: Path) -> None:
    bands = coordinates()
    bands["SR_B3"][:2] = bands["SR_B5"][:2] = 65535
    write_month(tmp_path, "2014-06.tif", bands)
    with rasterio.open(tmp_path / "2014-06.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as out:
        out.nodata = 65535
    month = MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)
    assert isinstance(month, Composite)
    assert (month.n_obs[:2] == 0).all() and (month.n_obs[2:] == 1).all()
    assert (month.bands["SR_B3"][:2] == 0).all()


@pytest.mark.parametrize("kind", [np.uint16, np.int16, np.float32])
def test_a_declared_scale_is_applied(tmp_path: Path, kind: type) -> None:
    """Reflectance times 10,000, which as Landsat's own numbers would be black."""
    path, values = tmp_path / "2014-06.tif", np.arange(500, 620).reshape(1, 12, 10)
    write_image(path, values.astype(kind))
    with rasterio.open(path, "r+") as out:
        out.descriptions, out.nodata = ("SR_B3",), 505
        out.scales, out.offsets = (1e-4,), (0.01,)
    month = MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)
    assert isinstance(month, Composite)
    found = reflectance(month.bands["SR_B3"])
    np.testing.assert_allclose(found[1:], values[0, 1:] * 1e-4 + 0.01, atol=1.4e-5)
    assert np.isnan(found[0, 5]) and np.isfinite(found).sum() == 119


def test_landsats_own_scale_changes_nothing_and_that_of_counts_is_refused(tmp_path: Path) -> None:
    bands = coordinates() | {"n_obs": np.full((12, 10), 3, np.uint16)}
    write_month(tmp_path, "2014-06.tif", bands)  # which declares Landsat's
    month = MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)
    np.testing.assert_array_equal(month.bands["SR_B3"], bands["SR_B3"])
    with rasterio.open(tmp_path / "2014-06.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as out:
        out.scales = (2.75e-5, 2.75e-5, 0.5)
    with pytest.raises(RasterError, match=r"band n_obs declares scale 0\.5"):
        MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)


def test_counts_of_what_is_not_seen_are_none(tmp_path: Path) -> None:
    bands = coordinates() | {"n_obs": np.full((12, 10), 3, np.uint16)}
    bands["SR_B3"][0] = bands["SR_B5"][0] = 0
    write_month(tmp_path, "2014-06.tif", bands)
    month = MonthFilesSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)
    assert (month.n_obs[0] == 0).all() and (month.n_obs[1:] == 3).all()


def test_folders_that_are_not_there_or_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ingest\.folder\.path = .*nowhere: no such folder"):
        MonthFilesSource(Folder(path=str(tmp_path / "nowhere"))).months(REGION)
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    assert source.months(REGION) == []
    with pytest.raises(SourceError, match=r"holds no file named <YYYY-MM>\.tif"):
        source.grid(REGION)


def test_the_identity_follows_the_files(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif")
    source = MonthFilesSource(Folder(path=str(tmp_path)))
    first = source.identity(REGION)
    assert source.identity(REGION) == first
    (tmp_path / "notes.txt").write_text("not read, so it changes nothing")
    assert source.identity(REGION) == first
    write_month(tmp_path, "2014-07.tif", coordinates(1))
    assert source.identity(REGION) != first


def make_config(tmp_path: Path, source: str) -> Config:
    return Config.model_validate(
        {
            "name": "a",
            "regions": [{"name": "m"}],
            "ingest": {"source": source, "folder": {"path": str(tmp_path)}},
            "prepare": {"label": {"kind": "ndsi"}},
        }
    )


def test_the_configuration_opens_the_source(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif")
    source = open_source(make_config(tmp_path, "folder"))
    assert source.months(REGION) == [JUNE]


def test_a_month_that_leads_out_of_the_folder_is_not_looked_into(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    bands = coordinates()
    write_month(outside, "2014-06.tif", {**bands, "SR_B6": bands["SR_B5"]})
    write_month(inside, "2014-05.tif")
    source = MonthFilesSource(Folder(path=str(inside)))
    (inside / "2014-06.tif").symlink_to(outside / "2014-06.tif")
    assert source.find_lacking(REGION, {"SR_B5", "SR_B6"}) == {"SR_B6"}
