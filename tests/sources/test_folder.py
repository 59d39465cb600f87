from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.composite import Composite, Empty
from glacier.config import Config, Folder, Region
from glacier.errors import RasterError, SourceError
from glacier.flags import load_config
from glacier.geo.raster import Grid, encode_cog, read_named
from glacier.landsat import reflectance
from glacier.sources.factory import open_source
from glacier.sources.folder import FolderSource

ROOT = Path(__file__).parents[2]
REGION = Region(name="mendenhall")
GRID = Grid("EPSG:32608", 522075.0, 6494565.0, 30.0, 12, 10)
MAY, JUNE, JULY = (date(2014, m, 1) for m in (5, 6, 7))


def coordinates(seed: int = 0) -> dict[str, np.ndarray]:
    """Bands whose values say where they lie, so that any flip or shift shows."""
    rows, cols = np.indices((GRID.height, GRID.width))
    return {
        "SR_B3": (20_000 + 100 * rows + cols + seed).astype(np.uint16),
        "SR_B5": (30_000 + 100 * rows + cols + seed).astype(np.uint16),
    }


def write_month(folder: Path, name: str, bands: dict | None = None, grid: Grid = GRID) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encode_cog(bands or coordinates(), grid, {}))


def write_image(path: Path, data: np.ndarray, grid: Grid = GRID) -> None:
    """An image as users have them: bands without names."""
    with rasterio.open(
        path, "w", driver="GTiff", height=grid.height, width=grid.width, count=len(data),
        dtype=data.dtype, crs=grid.crs, transform=grid.transform,
    ) as out:  # fmt: skip
        out.write(data)


# Month-named files.


def test_a_month_is_read_as_it_was_written(tmp_path: Path) -> None:
    bands = coordinates()
    bands["SR_B3"][0, 0] = bands["SR_B5"][0, 0] = 0
    bands["SR_B3"][1, 1] = 0
    write_month(tmp_path, "2014-06.tif", bands)
    source = FolderSource(Folder(path=str(tmp_path)))
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
    looks = (np.indices((12, 10)).sum(axis=0) % 4).astype(np.uint16)
    bands = {name: np.where(looks > 0, b, 0).astype(np.uint16) for name, b in coordinates().items()}
    write_month(tmp_path, "2014-06.tif", {**bands, "n_obs": looks})
    month = FolderSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)
    assert isinstance(month, Composite)
    np.testing.assert_array_equal(month.n_obs, looks)
    assert "n_obs" not in month.bands


def test_only_month_names_count_in_order(tmp_path: Path) -> None:
    for name in ("2014-07.TIF", "2014-05.tiff", "2014-13.tif", "2014-6.tif", "x2014-06.tif",
                 "2014-06.tif.aux.xml", "2014-06.png"):  # fmt: skip
        write_month(tmp_path, name)
    source = FolderSource(Folder(path=str(tmp_path)))
    assert source.months(REGION) == [MAY, JULY]
    assert source.fetch_month(REGION, JUNE) == Empty(
        "no_scene: the folder holds no file of this month"
    )


def test_a_region_has_its_own_folder_where_there_is_one(tmp_path: Path) -> None:
    write_month(tmp_path / "mendenhall", "2014-06.tif", coordinates(1))
    write_month(tmp_path, "2014-07.tif", coordinates(2))
    source = FolderSource(Folder(path=str(tmp_path)))
    assert source.months(REGION) == [JUNE]
    assert source.months(Region(name="taku")) == [JULY]


def test_a_month_without_data_is_empty(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif", {"SR_B3": np.zeros((12, 10), np.uint16)})
    source = FolderSource(Folder(path=str(tmp_path)))
    assert source.fetch_month(REGION, JUNE) == Empty("all_masked")


def test_bands_need_landsat_names(tmp_path: Path) -> None:
    write_image(tmp_path / "2014-06.tif", np.ones((2, 12, 10), np.uint16))
    write_month(tmp_path, "2014-07.tif", {"green": np.ones((12, 10), np.uint16)})
    source = FolderSource(Folder(path=str(tmp_path)))
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
    source = FolderSource(Folder(path=str(tmp_path)))
    with pytest.raises(SourceError, match=r"2014-07\.tif lies on .* another grid"):
        source.fetch_month(REGION, JULY)
    assert isinstance(source.fetch_month(REGION, JUNE), Composite)


def test_a_damaged_file_costs_its_own_month_alone(tmp_path: Path) -> None:
    for name in ("2014-05.tif", "2014-06.tif", "2014-07.tif"):
        write_month(tmp_path, name)
    (tmp_path / "2014-05.tif").write_bytes(b"II*\0 not much more")
    source = FolderSource(Folder(path=str(tmp_path)))
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
        FolderSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)


def test_another_number_for_no_data_is_refused_and_not_taken_for_snow(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif")
    with rasterio.open(tmp_path / "2014-06.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as out:
        out.nodata = 65535
    with pytest.raises(RasterError, match=r"2014-06\.tif: no data is 65535"):
        FolderSource(Folder(path=str(tmp_path))).fetch_month(REGION, JUNE)


def test_folders_that_are_not_there_or_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ingest\.folder\.path = .*nowhere: no such folder"):
        FolderSource(Folder(path=str(tmp_path / "nowhere"))).months(REGION)
    source = FolderSource(Folder(path=str(tmp_path)))
    assert source.months(REGION) == []
    with pytest.raises(SourceError, match=r"holds no file named <YYYY-MM>\.tif"):
        source.grid(REGION)


def test_the_identity_follows_the_files(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif")
    source = FolderSource(Folder(path=str(tmp_path)))
    first = source.identity(REGION)
    assert source.identity(REGION) == first
    (tmp_path / "notes.txt").write_text("not read, so it changes nothing")
    assert source.identity(REGION) == first
    write_month(tmp_path, "2014-07.tif", coordinates(1))
    assert source.identity(REGION) != first


# One image with a band map.


def image_source(folder: Path, bands: dict, **settings: object) -> FolderSource:
    image = {"month": "2000-10", "bands": bands, "scale": 1 / 255, "offset": 0.0, **settings}
    return FolderSource(Folder.model_validate({"path": str(folder), "image": image}))


OCTOBER = date(2000, 10, 1)
TWO_FILES = {
    "SR_B5": {"file": "nir.tif"},
    "SR_B4": {"file": "rgb.tif", "band": 1},
    "SR_B2": {"file": "rgb.tif", "band": 3},
}


def write_two_files(folder: Path) -> dict[str, np.ndarray]:
    """An 8-bit image in two files, and what each named band holds."""
    rng = np.random.default_rng(0)
    rgb, nir = (rng.integers(0, 256, (k, 12, 10)).astype(np.uint8) for k in (3, 1))
    write_image(folder / "rgb.tif", rgb)
    write_image(folder / "nir.tif", nir)
    return {"SR_B2": rgb[2], "SR_B4": rgb[0], "SR_B5": nir[0]}


def test_an_image_is_encoded_to_half_a_digital_number(tmp_path: Path) -> None:
    raw = write_two_files(tmp_path)
    source = image_source(tmp_path, TWO_FILES)
    assert source.months(REGION) == [OCTOBER] and source.grid(REGION) == GRID
    month = source.fetch_month(REGION, OCTOBER)
    assert isinstance(month, Composite)
    assert list(month.bands) == ["SR_B2", "SR_B4", "SR_B5"]
    for name, band in raw.items():
        exact = (band / 255 + 0.2) / 2.75e-5
        assert np.abs(month.bands[name] - exact).max() <= 0.5 + 1e-9
        np.testing.assert_array_equal(np.rint(reflectance(month.bands[name]) * 255), band)
    assert (month.n_obs == 1).all()
    assert month.scene_ids == ["nir.tif", "rgb.tif"]


def test_scale_and_offset_are_applied(tmp_path: Path) -> None:
    dn = coordinates()["SR_B3"]
    write_image(tmp_path / "a.tif", dn[None])
    bands = {"SR_B3": {"file": "a.tif"}}
    month = image_source(tmp_path, bands, scale=2.75e-5, offset=-0.2).fetch_month(REGION, OCTOBER)
    assert isinstance(month, Composite)
    np.testing.assert_array_equal(month.bands["SR_B3"], dn)  # Landsat's own encoding: unchanged


def test_no_data_in_one_band_hides_the_pixel(tmp_path: Path) -> None:
    raw = write_two_files(tmp_path)
    for nodata in (255, None):
        month = image_source(tmp_path, TWO_FILES, nodata=nodata).fetch_month(REGION, OCTOBER)
        assert isinstance(month, Composite)
        missing = {name: band == 255 for name, band in raw.items()}
        wanted = ~np.any(list(missing.values()), axis=0) if nodata else np.ones((12, 10), bool)
        np.testing.assert_array_equal(month.n_obs, wanted)
        for name, holes in missing.items():
            np.testing.assert_array_equal(month.bands[name] == 0, holes & bool(nodata))
    write_image(tmp_path / "a.tif", np.full((1, 12, 10), 9, np.uint8))
    empty = image_source(tmp_path, {"SR_B3": {"file": "a.tif"}}, nodata=9)
    assert empty.fetch_month(REGION, OCTOBER) == Empty("all_masked")


def test_images_that_do_not_fit_their_map(tmp_path: Path) -> None:
    write_two_files(tmp_path)
    missing = image_source(tmp_path, {"SR_B3": {"file": "not.tif"}})
    with pytest.raises(RasterError, match=r"not\.tif is missing"):
        missing.fetch_month(REGION, OCTOBER)
    beyond = image_source(tmp_path, {"SR_B3": {"file": "rgb.tif", "band": 4}})
    with pytest.raises(SourceError, match=r"rgb\.tif has 3 band\(s\), asked for 4"):
        beyond.fetch_month(REGION, OCTOBER)
    shifted = Grid("EPSG:32608", 522105.0, 6494565.0, 30.0, 12, 10)
    write_image(tmp_path / "shifted.tif", np.ones((1, 12, 10), np.uint8), shifted)
    apart = image_source(tmp_path, TWO_FILES | {"SR_B6": {"file": "shifted.tif"}})
    with pytest.raises(SourceError, match=r"shifted\.tif lies on .* another band on"):
        apart.fetch_month(REGION, OCTOBER)


def test_the_identity_follows_the_image(tmp_path: Path) -> None:
    write_two_files(tmp_path)
    source = image_source(tmp_path, TWO_FILES)
    first = source.identity(REGION)
    assert image_source(tmp_path, TWO_FILES, scale=1 / 256).identity(REGION) != first
    assert image_source(tmp_path, TWO_FILES, nodata=0).identity(REGION) != first
    write_image(tmp_path / "other.tif", np.ones((1, 12, 10), np.uint8))
    assert source.identity(REGION) == first


# Through the configuration.


def make_config(tmp_path: Path, source: str) -> Config:
    return Config.model_validate(
        {
            "name": "a",
            "regions": [{"name": "m", "polygon": [[-134.6, 58.4], [-134.4, 58.4], [-134.4, 58.6]]}],
            "ingest": {"source": source, "folder": {"path": str(tmp_path)}},
            "prepare": {"label": {"kind": "ndsi"}},
        }
    )


def test_the_configuration_opens_the_source(tmp_path: Path) -> None:
    write_month(tmp_path, "2014-06.tif")
    source = open_source(make_config(tmp_path, "folder"))
    assert source.months(REGION) == [JUNE]


def test_the_real_image_of_everest(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLACIER_REAL_DATA", str(real_data))
    config = load_config([str(ROOT / "jobs" / "everest.yaml")], about="Test.")
    source, (region,) = open_source(config), config.regions
    grid = source.grid(region)
    assert (grid.height, grid.width, grid.crs, grid.pixel_m) == (655, 800, "EPSG:32645", 30)
    assert source.months(region) == [OCTOBER]
    month = source.fetch_month(region, OCTOBER)
    assert isinstance(month, Composite)
    assert (month.n_obs == 1).all()
    folder = real_data / "everest_l7_rgi"
    files = {name: rasterio.open(folder / f"LE71400412000304SGS00_{name}.tif") for name in
             ("RGB", "B4")}  # fmt: skip
    with files["RGB"] as rgb, files["B4"] as nir:
        raw = {"SR_B4": rgb.read(1), "SR_B3": rgb.read(2), "SR_B2": rgb.read(3),
               "SR_B5": nir.read(1)}  # fmt: skip
    assert set(month.bands) == set(raw)
    for name, band in raw.items():
        np.testing.assert_array_equal(np.rint(reflectance(month.bands[name]) * 255), band)
    assert 0.34 < (raw["SR_B3"] == 255).mean() < 0.40  # the snow is saturated there


def test_the_archive_keeps_the_image(tmp_path: Path) -> None:
    write_two_files(tmp_path)
    month = image_source(tmp_path, TWO_FILES).fetch_month(REGION, OCTOBER)
    assert isinstance(month, Composite)
    path = tmp_path / "archive.tif"
    path.write_bytes(encode_cog({**month.bands, "n_obs": month.n_obs}, GRID, {}))
    found, grid = read_named(path)
    assert grid == GRID
    for name, band in month.bands.items():
        np.testing.assert_array_equal(found[name], band)
