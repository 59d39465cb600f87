"""Scenes by their USGS names: names, frames, what a damaged scene does, and the real ones."""

import dataclasses
import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import RasterError, SourceError
from glacier.geo.raster import Grid, grid_of_region
from glacier.geo.raster_files import safe_open
from glacier.landsat import NODATA, is_clear, reflectance
from glacier.settings.ingest import Ingest
from glacier.settings.regions import Region
from glacier.sources.factory import open_source
from glacier.sources.scene_files import SceneFilesSource, describe_scene
from glacier.sources.scenes import load_scene
from tests.support.landsat_files import product_name, scenes_of, synthetic, write_scene
from tests.support.tiny import tiny_config

JULY, DECEMBER = date(2014, 7, 1), date(2014, 12, 1)


def scene_config(folder: Path, **ingest: object) -> Config:
    settings = {"source": "folder", "folder": {"path": str(folder), "holds": "scenes"}} | ingest
    return tiny_config(folder, ingest=settings, prepare={"label": {"kind": "ndsi"}})


@pytest.fixture
def july(tmp_path: Path) -> tuple[Config, list]:
    """The scenes of a synthetic July as files, and those scenes."""
    config = scene_config(tmp_path)
    scenes = scenes_of(config, JULY)
    assert len(scenes) >= 2
    for scene in scenes:
        write_scene(tmp_path, config, scene)
    return config, scenes


def test_files_give_the_composite_of_the_scenes_that_they_hold(july: tuple) -> None:
    config, scenes = july
    (region,) = config.regions
    found = open_source(config).fetch_month(region, JULY)
    expected = synthetic(config).fetch_month(region, JULY)
    assert list(found.bands) == list(expected.bands)
    for name, values in expected.bands.items():
        np.testing.assert_array_equal(found.bands[name], values)
    np.testing.assert_array_equal(found.n_obs, expected.n_obs)
    assert found.scene_ids == [product_name(scene) for scene in scenes]
    assert found.sun_elevation_deg == pytest.approx(expected.sun_elevation_deg, abs=1e-6)


def test_a_damaged_scene_is_left_out_and_named(july: tuple, tmp_path: Path) -> None:
    config, scenes = july
    (first, *_) = sorted(tmp_path.glob("LC08*/*_SR_B4.TIF"))
    first.write_bytes(first.read_bytes()[:3000])
    found = open_source(config).fetch_month(config.regions[0], JULY)
    assert isinstance(found, Composite)
    assert found.scene_ids == [product_name(scene) for scene in scenes[1:]]
    (skipped,) = found.skipped
    assert skipped.startswith(product_name(scenes[0])) and "Error: " in skipped


def test_a_month_of_damaged_scenes_fails_with_their_reasons(july: tuple, tmp_path: Path) -> None:
    config, scenes = july
    for path in tmp_path.glob("LC08*/*_QA_PIXEL.TIF"):
        path.unlink()
    with pytest.raises(SourceError, match=rf"none of {len(scenes)} scenes.*wanted qa_pixel"):
        open_source(config).fetch_month(config.regions[0], JULY)


def test_a_scene_without_thermal_band_gives_its_other_bands(july: tuple, tmp_path: Path) -> None:
    config, _ = july
    for path in tmp_path.glob("LC08*/*_ST_B10.TIF"):
        path.unlink()
    found = open_source(config).fetch_month(config.regions[0], JULY)
    assert "ST_B10" not in found.bands and len(found.bands) == 6 and not found.skipped


def test_of_a_scene_processed_twice_the_newer_is_read(july: tuple, tmp_path: Path) -> None:
    config, scenes = july
    darker = {name: np.where(band > 9000, 9000, band) for name, band in scenes[0].bands.items()}
    for scene in scenes:
        shutil.rmtree(next(tmp_path.glob(f"*_{scene.acquired:%Y%m%d}_*")))
    files = write_scene(tmp_path, config, dataclasses.replace(scenes[0], bands=darker))
    for path in files.values():  # as processed a year before
        new = path.with_name(path.name.replace("_20260101_", "_20250101_"))
        path.rename(new)
    write_scene(tmp_path, config, scenes[0])
    found = open_source(config).fetch_month(config.regions[0], JULY)
    assert found.scene_ids == [product_name(scenes[0])]
    assert found.bands["SR_B4"].max() > 9000


def rename(folder: Path, old: str, new: str) -> None:
    """Give a scene's files another name."""
    for path in folder.glob(f"**/*{old}*.TIF"):
        path.rename(path.with_name(path.name.replace(old, new)))


def test_of_a_scene_in_two_tiers_the_better_is_one_look(july: tuple, tmp_path: Path) -> None:
    """Whatever was processed last, and whichever tiers are wanted."""
    config, scenes = july
    darker = {name: np.where(band > 9000, 9000, band) for name, band in scenes[0].bands.items()}
    for scene in scenes:
        shutil.rmtree(next(tmp_path.glob(f"*_{scene.acquired:%Y%m%d}_*")))
    write_scene(tmp_path, config, dataclasses.replace(scenes[0], bands=darker))
    rename(tmp_path, "_20260101_02_T1_", "_20270101_02_T2_")
    (region,) = config.regions
    assert open_source_with(config, tiers=("T2",)).fetch_month(region, JULY).n_obs.max() == 1
    with pytest.raises(SourceError, match=r"there are 1 of Landsat 8 in T2: set .*ingest\.tiers"):
        open_source(config).fetch_month(region, JULY)
    write_scene(tmp_path, config, scenes[0])
    found = open_source_with(config, tiers=("T1", "T2")).fetch_month(region, JULY)
    assert found.scene_ids == [product_name(scenes[0])]
    assert found.n_obs.max() == 1 and found.bands["SR_B4"].max() > 9000


def open_source_with(config: Config, **ingest: object) -> SceneFilesSource:
    return SceneFilesSource(config.ingest.model_copy(update=ingest))


@pytest.mark.parametrize("folders", ["2014", "2014/07", "a/b/c"])
def test_scenes_are_found_in_folders_within_folders(
    july: tuple, tmp_path: Path, folders: str
) -> None:
    config, scenes = july
    home = tmp_path / folders
    home.mkdir(parents=True)
    for path in list(tmp_path.glob("LC08*")):
        path.rename(home / path.name)
    (tmp_path / "loop").symlink_to(tmp_path)  # a folder that holds itself ends, too
    found = open_source(config).fetch_month(config.regions[0], JULY)
    assert found.scene_ids == [product_name(scene) for scene in scenes]


def test_a_folder_of_other_files_says_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "LC08_L2SP_057019_20140705_20200912_02_T1.tar").write_bytes(b"")
    config = scene_config(tmp_path)
    with pytest.raises(SourceError, match=r"1 other files, such as LC08.*tar; unpack the archives"):
        open_source(config).fetch_month(config.regions[0], JULY)


def test_only_the_wanted_satellites_take_part(july: tuple, tmp_path: Path) -> None:
    config, scenes = july
    write_scene(tmp_path, config, dataclasses.replace(
        scenes[0], acquired=datetime(2014, 7, 30, 20, tzinfo=UTC)
    ), platform=9)  # fmt: skip
    (region,) = config.regions
    assert len(open_source(config).fetch_month(region, JULY).scene_ids) == len(scenes)
    both = scene_config(tmp_path, platforms=(8, 9))
    assert len(open_source(both).fetch_month(region, JULY).scene_ids) == len(scenes) + 1


def test_a_month_without_scenes_says_whether_there_could_be_any(july: tuple) -> None:
    config, _ = july
    source, (region,) = open_source(config), config.regions
    assert source.months(region) is None
    assert source.fetch_month(region, date(2014, 8, 1)).reason.startswith("no_scene")
    assert source.fetch_month(region, DECEMBER).reason.startswith("solar_zenith: sun at most")


def test_a_scene_beside_the_region_takes_no_part(july: tuple) -> None:
    config, _ = july
    away = Region(name="away", polygon=((-134, 59.5), (-133.9, 59.5), (-133.9, 59.6)), pixel_m=150)
    found = open_source(config).fetch_month(away, JULY)
    assert isinstance(found, Empty)
    assert found.reason.startswith("off_scene: none of the month's scenes touches the region: LC08")
    assert re.search(r"km about 58\.5\d N 13\d\.\d\d W\)", found.reason)


@pytest.mark.parametrize(("pixel_m", "exact"), [(150, True), (450, False)])
def test_coarser_grids_take_means_of_what_was_seen(
    july: tuple, pixel_m: float, exact: bool
) -> None:
    config, _ = july
    region = config.regions[0].model_copy(update={"pixel_m": pixel_m})
    source = open_source(config)
    coarse = source.fetch_month(region, JULY)
    fine = source.fetch_month(config.regions[0], JULY)
    means = [
        reflectance(c.bands["SR_B3"])[c.bands["SR_B3"] != NODATA].mean() for c in (coarse, fine)
    ]
    assert means[0] == pytest.approx(means[1], abs=1e-9 if exact else 0.02)


def test_another_zone_is_resampled_onto_the_regions_grid(july: tuple) -> None:
    """Seen from the next UTM zone the same place has the same mean reflectance."""
    config, _ = july
    source, (region,) = open_source(config), config.regions
    files = next(iter(source.scenes(region).values()))
    scene = describe_scene("LC08_L2SP_057019_20140701_02_T1", files)
    here = grid_of_region(region)
    other = Grid("EPSG:32607", 872085.0, 6520005.0, 150.0, 170, 120)
    values = [load_scene(scene, grid, config.ingest).bands["SR_B5"] for grid in (here, other)]
    seen = [reflectance(v)[v != NODATA] for v in values]
    assert seen[1].size > 0.5 * seen[0].size
    assert seen[1].mean() == pytest.approx(seen[0].mean(), abs=0.03)


@pytest.mark.parametrize("ending", ["txt", "json", "xml"])
def test_time_and_sun_come_from_the_metadata_in_any_form(july: tuple, ending: str) -> None:
    config, scenes = july
    source, (region,) = open_source(config), config.regions
    files = next(iter(source.scenes(region).values()))
    (mtl,) = next(iter(files.values())).parent.glob("*_MTL.txt")
    mtl.unlink()
    text = {
        "txt": '    SCENE_CENTER_TIME = "20:01:02.5Z"\n    SUN_ELEVATION = 51.25\n',
        "json": '{"SCENE_CENTER_TIME": "20:01:02.5Z", "SUN_ELEVATION": "51.25"}',
        "xml": "<SCENE_CENTER_TIME>20:01:02.5Z</SCENE_CENTER_TIME><SUN_ELEVATION>51.25<",
    }[ending]
    mtl.with_suffix(f".{ending}").write_text(text)
    found = describe_scene(product_name(scenes[0]), files)
    assert found.sun_elevation_deg == 51.25
    assert found.acquired == scenes[0].acquired.replace(hour=20, minute=1, second=2, microsecond=0)
    mtl.with_suffix(f".{ending}").unlink()
    bare = describe_scene(product_name(scenes[0]), files)
    guess = load_scene(bare, source.grid(region), config.ingest)
    assert guess.sun_elevation_deg == pytest.approx(scenes[0].sun_elevation_deg, abs=1.5)


def test_a_folder_without_scenes_says_what_was_wanted(tmp_path: Path) -> None:
    config = scene_config(tmp_path)
    with pytest.raises(
        SourceError, match=r"holds no scene of Landsat \(8,\), tiers .*there are no files"
    ):
        open_source(config).fetch_month(config.regions[0], JULY)


def test_month_files_are_not_taken_for_scenes_and_say_so(july: tuple, tmp_path: Path) -> None:
    config = tiny_config(
        tmp_path,
        regions=[{"name": "mendenhall"}],
        ingest={"source": "folder", "folder": {"path": str(tmp_path)}},
        prepare={"label": {"kind": "ndsi"}},
    )
    with pytest.raises(SourceError, match=r"set ingest\.folder\.holds: scenes"):
        open_source(config).grid(config.regions[0])


# Real scenes.

GREENLAND = Region(
    name="greenland",
    polygon=((-42, 71.3), (-37, 71.3), (-37, 73), (-42, 73)),
    pixel_m=510,
)


def real_source(real_data: Path) -> SceneFilesSource:
    folder = {"path": str(real_data / "landsat_c2l2"), "holds": "scenes"}
    return SceneFilesSource(Ingest(source="folder", folder=folder, tiers=("T1", "T2")))


def test_real_scenes_are_found_with_their_frames(real_data: Path) -> None:
    scenes = real_source(real_data).scenes(GREENLAND)
    assert list(scenes) == ["LC08_L2SP_005009_20150710_02_T2", "LC08_L2SP_008059_20191201_02_T1"]
    described = [describe_scene(name, files) for name, files in scenes.items()]
    assert described[1].sun_elevation_deg == 57.08727307
    assert described[0].acquired == datetime(2015, 7, 10, 14, 34, 35, tzinfo=UTC)


def test_a_real_scene_composites_with_its_own_scale_and_clouds(real_data: Path) -> None:
    """Non-square pixels of about 515 m, laid onto a grid in the scene's zone."""
    found = real_source(real_data).fetch_month(GREENLAND, date(2015, 7, 1))
    assert isinstance(found, Composite)
    assert found.scene_ids == ["LC08_L2SP_005009_20150710_02_T2"]
    green = reflectance(found.bands["SR_B3"])
    assert 0.8 < np.nanmedian(green) < 1.1  # snow of an ice sheet
    assert found.saturated_share == 0  # its quality band says so, though snow exceeds 1


def test_the_cloud_share_of_the_real_scene_is_that_of_its_metadata(real_data: Path) -> None:
    files = real_source(real_data).scenes(GREENLAND)["LC08_L2SP_005009_20150710_02_T2"]
    with safe_open(files["qa_pixel"]) as source:
        qa = source.read(1)
    valid = qa & 1 == 0
    assert (qa[valid] & 8 != 0).mean() == pytest.approx(0.547, abs=0.0005)
    assert is_clear(qa, "ice")[valid].mean() < 0.46


def test_real_pixels_that_are_not_square_need_a_polygon(real_data: Path) -> None:
    with pytest.raises(RasterError, match="square"):
        real_source(real_data).grid(Region(name="x"))


MAPPER = {"SR_B2": "SR_B1", "SR_B3": "SR_B2", "SR_B4": "SR_B3", "SR_B5": "SR_B4", "SR_B6": "SR_B5",
          "ST_B10": "ST_B6"}  # fmt: skip


def rename_as_landsat_5(folder: Path) -> None:
    """Scenes of Landsat 8 under the names that Landsat 5 gives such bands."""
    for path in sorted(folder.glob("**/LC08*.TIF")):  # each band leaves its name before it is taken
        name = path.name.replace("LC08", "LT05")
        for band, own in MAPPER.items():
            if f"_{band}." in path.name:
                name = name.replace(f"_{band}.", f"_{own}.")
        path.rename(path.with_name(name))


def test_scenes_of_landsat_5_give_the_same_bands_by_wavelength(july: tuple, tmp_path: Path) -> None:
    config, _ = july
    (region,) = config.regions
    expected = open_source(config).fetch_month(region, JULY)
    rename_as_landsat_5(tmp_path)
    (tmp_path / "LT05_L2SP_000000_20140701_20200101_02_T1_QA_AEROSOL.TIF").touch()
    found = open_source_with(config, platforms=(5, 7)).fetch_month(region, JULY)
    assert list(found.bands) == list(expected.bands)
    for name, values in expected.bands.items():
        np.testing.assert_array_equal(found.bands[name], values)
    assert {name[:4] for name in found.scene_ids} == {"LT05"}
    with pytest.raises(SourceError, match=r"Landsat 5 in T1: set ingest\.platforms"):
        open_source(config).fetch_month(region, JULY)


def test_a_month_of_two_generations_is_of_the_later(july: tuple, tmp_path: Path) -> None:
    config, scenes = july
    both = tmp_path / "earlier"
    both.mkdir()
    for path in sorted(tmp_path.glob("LC08*/*.TIF")):
        shutil.copy(path, both)
    rename_as_landsat_5(both)
    found = open_source_with(config, platforms=(5, 8)).fetch_month(config.regions[0], JULY)
    assert found.scene_ids == [product_name(scene) for scene in scenes]


def test_gaps_of_landsat_7_are_unseen(july: tuple, tmp_path: Path) -> None:
    """Since June 2003 its scenes have stripes of fill."""
    config, _ = july
    (region,) = config.regions
    rename_as_landsat_5(tmp_path)
    rename(tmp_path, "LT05", "LE07")
    whole = open_source_with(config, platforms=(7,)).fetch_month(region, JULY)
    for path in tmp_path.glob("**/LE07*.TIF"):
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            band = file.read(1)
            band[::7] = 1 if path.name.endswith("QA_PIXEL.TIF") else 0
            file.write(band, 1)
    found = open_source_with(config, platforms=(7,)).fetch_month(region, JULY)
    gone = (found.n_obs == 0) & (whole.n_obs > 0)
    assert gone.any() and (found.n_obs <= whole.n_obs).all()
    for band in found.bands.values():
        assert (band[gone] == NODATA).all()
