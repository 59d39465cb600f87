"""Scenes on pixels of their own: masked there, then laid onto any grid, against exact areas."""

import dataclasses
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from glacier.composite import Composite, Empty, Scene
from glacier.errors import RasterError, SourceError
from glacier.geo.raster import Grid
from glacier.landsat import SATURATED_OPTICAL
from glacier.settings.ingest import Ingest
from glacier.settings.regions import Region
from glacier.sources.scene_files import SceneFilesSource, describe_scene
from glacier.sources.scenes import SceneFiles, Unseen, compose_scenes, load_scene
from tests.support.scene_grids import (
    CLOUDS,
    HERE,
    SIDE_PX,
    OwnScene,
    grid_over,
    make_scene,
    share_off,
    true_means,
    write_own,
)

NAME = "LC08_L2SP_140041_20150805_20200909_02_T1"
SHORT = "LC08_L2SP_140041_20150805_02_T1"
BANDS = ("SR_B3", "SR_B5")
AUGUST = date(2015, 8, 1)
INGEST = Ingest(source="folder", folder={"holds": "scenes"})


def describe(folder: Path, scene: OwnScene) -> SceneFiles:
    files = write_own(folder, scene, NAME, BANDS)
    assets = {"SR_B3": "green", "SR_B5": "nir08", "QA_PIXEL": "qa_pixel"}
    return describe_scene(SHORT, {assets[band]: path for band, path in files.items()})


@pytest.mark.parametrize("pixel_m", [30, 60, 120, 240])
@pytest.mark.parametrize("zone", ["EPSG:32645", "EPSG:32644"])
@pytest.mark.parametrize("kind", CLOUDS)
def test_no_pixel_mixes_cloud_or_fill(tmp_path: Path, kind: str, zone: str, pixel_m: int) -> None:
    scene, grid = make_scene(kind, zone), grid_over(pixel_m)
    found = load_scene(describe(tmp_path, scene), grid, INGEST)
    assert isinstance(found, Scene)
    for values in found.bands.values():
        assert share_off(values, scene, grid, most=2e-5) == 0  # half a number, and the exact areas
    assert (found.bands["SR_B3"] > 0).sum() > 0.3 * found.bands["SR_B3"].size


def test_pixels_that_coincide_are_copied(tmp_path: Path) -> None:
    scene = make_scene("patchy", "EPSG:32645")
    grid = Grid("EPSG:32645", HERE[0] + 300, HERE[1] + 90, 30.0, 40, 50)
    found = load_scene(describe(tmp_path, scene), grid, INGEST)
    clear = np.where(scene.cloud, 0, scene.numbers)
    expected = np.zeros((40, 50), np.uint16)
    expected[3:] = clear[:37, 10:60]
    np.testing.assert_array_equal(found.bands["SR_B3"], expected)


def test_half_of_a_pixel_is_enough_and_less_is_not(tmp_path: Path) -> None:
    scene = make_scene("striped", "EPSG:32645")
    cloud = np.zeros((SIDE_PX, SIDE_PX), bool)
    cloud[8:10, 0] = cloud[8:10, 2] = cloud[8, 3] = True  # two, then three of four own pixels
    scene = dataclasses.replace(scene, cloud=cloud)
    grid = Grid("EPSG:32645", *HERE, 60.0, 20, 20)
    found = load_scene(describe(tmp_path, scene), grid, INGEST).bands["SR_B3"]
    (upper, lower) = scene.numbers[8:10, 1]
    assert found[4, 0] == np.floor((int(upper) + int(lower)) / 2 + 0.5)
    assert found[4, 1] == 0


def test_a_scene_beside_the_region_and_a_blank_one_are_told_apart(tmp_path: Path) -> None:
    scene = make_scene("patchy", "EPSG:32645")
    away = Grid("EPSG:32645", HERE[0] + 50_000, HERE[1], 30.0, 10, 10)
    fill = Grid("EPSG:32645", HERE[0], HERE[1], 30.0, 5, 10)
    files = describe(tmp_path, scene)
    for grid, word in ((away, "off_scene: none of the month's scenes"), (fill, "no_data: ")):
        assert isinstance(load_scene(files, grid, INGEST), Unseen)
        found = compose_scenes([(SHORT, lambda g=grid: load_scene(files, g, INGEST))], INGEST)
        assert isinstance(found, Empty) and found.reason.startswith(word) and SHORT in found.reason


def test_saturated_looks_are_masked_on_the_scenes_own_pixels(tmp_path: Path) -> None:
    scene = make_scene("patchy", "EPSG:32645")
    scene = dataclasses.replace(scene, cloud=np.zeros_like(scene.cloud))
    glare = np.zeros((SIDE_PX, SIDE_PX), np.uint16)
    glare[20:40] = SATURATED_OPTICAL
    grid = Grid("EPSG:32645", HERE[0], HERE[1] - 600, 90.0, 20, 20)
    files = describe(tmp_path, scene)
    path = Path(files.addresses["qa_pixel"].replace("QA_PIXEL", "QA_RADSAT"))
    with rasterio.open(files.addresses["qa_pixel"]) as like:
        profile = like.profile | {"nodata": None}
    with rasterio.open(path, "w", **profile) as out:
        out.write(glare, 1)
    files = dataclasses.replace(files, addresses={**files.addresses, "qa_radsat": str(path)})
    kept = load_scene(files, grid, INGEST)
    assert (kept.qa_radsat[:7] > 0).all() and not (kept.qa_radsat[7:] > 0).any()  # 2 of 3 rows
    strict = INGEST.model_copy(update={"mask_saturated": True})
    hidden = load_scene(files, grid, strict)
    as_cloud = dataclasses.replace(scene, cloud=glare > 0)
    mean, share = true_means(as_cloud, grid)
    shown = hidden.bands["SR_B3"] > 0
    np.testing.assert_array_equal(shown, share >= 0.5)
    assert np.abs(hidden.bands["SR_B3"][shown] - mean[shown]).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("kind", ["float32", "int16", "uint8"])
def test_other_types_under_a_landsat_name_are_refused(tmp_path: Path, kind: str) -> None:
    files = describe(tmp_path, make_scene("patchy", "EPSG:32645"))
    with rasterio.open(files.addresses["nir08"]) as like:
        profile = like.profile | {"dtype": kind, "nodata": None}
    with rasterio.open(files.addresses["nir08"], "w", **profile) as out:
        out.write(np.ones((SIDE_PX, SIDE_PX), kind), 1)
    with pytest.raises(RasterError, match=rf"{NAME}_SR_B5\.TIF holds {kind}; .* uint16"):
        load_scene(files, grid_over(30), INGEST)


def test_another_scale_or_place_of_one_band_is_refused(tmp_path: Path) -> None:
    files = describe(tmp_path, make_scene("patchy", "EPSG:32645"))
    with rasterio.open(files.addresses["nir08"], "r+") as out:
        out.scales, out.offsets = (2.75e-5,), (-0.2,)  # Landsat's own
    assert isinstance(load_scene(files, grid_over(30), INGEST), Scene)
    with rasterio.open(files.addresses["nir08"], "r+") as out:
        out.scales, out.offsets = (1e-4,), (0.0,)
    with pytest.raises(RasterError, match=r"SR_B5\.TIF declares scale 0\.0001 and offset 0"):
        load_scene(files, grid_over(30), INGEST)
    with rasterio.open(files.addresses["nir08"], "r+") as out:
        out.scales = (1.0,)
        out.transform = rasterio.Affine(30, 0, HERE[0] + 30, 0, -30, HERE[1])
    with pytest.raises(RasterError, match=r"SR_B5\.TIF lies on .* quality band on"):
        load_scene(files, grid_over(30), INGEST)


def test_a_file_without_a_place_costs_its_scene(tmp_path: Path) -> None:
    files = describe(tmp_path, make_scene("patchy", "EPSG:32645"))
    with rasterio.open(files.addresses["qa_pixel"]) as like:
        profile = like.profile | {"crs": None}
    with rasterio.open(files.addresses["qa_pixel"], "w", **profile) as out:
        out.write(np.ones((1, SIDE_PX, SIDE_PX), np.uint16))
    with pytest.raises(
        SourceError, match=r"none of 1 scenes can be read: .*wanted a projected CRS"
    ):
        compose_scenes([(SHORT, lambda: load_scene(files, grid_over(30), INGEST))], INGEST)


@pytest.mark.parametrize("way", ["number", "mask"])
def test_what_a_scenes_file_hides_is_unknown(tmp_path: Path, way: str) -> None:
    scene = make_scene("patchy", "EPSG:32645")
    scene = dataclasses.replace(scene, cloud=np.zeros_like(scene.cloud))
    files = describe(tmp_path, scene)
    hidden = np.random.default_rng(1).random((SIDE_PX, SIDE_PX)) < 0.3
    for asset in ("green", "nir08"):
        pixels = np.where(hidden & (way == "number"), 65535, scene.numbers).astype(np.uint16)
        with rasterio.open(files.addresses[asset]) as like:
            profile = like.profile | {"nodata": 65535 if way == "number" else None}
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(files.addresses[asset], "w", **profile) as out,
        ):
            out.write(pixels, 1)
            if way == "mask":
                out.write_mask(~hidden)
    grid = Grid("EPSG:32645", *HERE, 30.0, SIDE_PX, SIDE_PX)
    found = load_scene(files, grid, INGEST).bands["SR_B3"]
    np.testing.assert_array_equal(found == 0, hidden | (scene.numbers == 0))


def test_scenes_that_were_not_read_are_named_whatever_the_others_show(tmp_path: Path) -> None:
    def broken() -> Scene:
        raise RasterError("cut short")

    cloudy = make_scene("patchy", "EPSG:32645")
    files = describe(tmp_path, dataclasses.replace(cloudy, cloud=np.ones_like(cloudy.cloud)))
    away = Grid("EPSG:32645", HERE[0] + 50_000, HERE[1], 30.0, 10, 10)
    loads = [("a", broken), (SHORT, lambda: load_scene(files, grid_over(30), INGEST))]
    found = compose_scenes(loads, INGEST)
    assert found == Empty("all_masked: not read: a: RasterError: cut short")
    loads = [("a", broken), (SHORT, lambda: load_scene(files, away, INGEST))]
    with pytest.raises(SourceError, match="1 of 2 scenes cannot be read, the others show no"):
        compose_scenes(loads, INGEST)


# Scenes over the date line, and rows of one pass.


@pytest.mark.parametrize("zone", [1, 60])
def test_scenes_across_180_degrees_are_read(tmp_path: Path, zone: int) -> None:
    """A frame in degrees spans the globe there; the scene's own metres do not."""
    rng = np.random.default_rng(0)
    left, top = (300_015.0, 7_500_015.0) if zone == 1 else (570_015.0, 7_500_015.0)
    folder = tmp_path / NAME
    folder.mkdir()
    numbers = rng.integers(8_000, 40_000, (1000, 4000)).astype(np.uint16)
    place = rasterio.Affine(30, 0, left, 0, -30, top)
    for band, pixels in (("SR_B3", numbers), ("QA_PIXEL", np.full_like(numbers, 21824))):
        with rasterio.open(
            folder / f"{NAME}_{band}.TIF", "w", driver="GTiff", height=1000, width=4000, count=1,
            dtype="uint16", crs=f"EPSG:326{zone:02}", transform=place, compress="deflate",
        ) as out:  # fmt: skip
            out.write(pixels, 1)
    around = {1: (-179.9, -179.6), 60: (179.6, 179.9)}[zone]
    polygon = tuple((lon, lat) for lon in around for lat in (67.5, 67.55))
    region = Region(name="line", polygon=(polygon[0], polygon[2], polygon[3], polygon[1]))
    crossing = ((179.95, 67.5), (-179.95, 67.5), (-179.95, 67.55), (179.95, 67.55))
    settings: dict[str, Any] = {"holds": "scenes", "path": str(tmp_path)}
    source = SceneFilesSource(Ingest(source="folder", folder=settings))
    for place_ in (region, Region(name="over", polygon=crossing)):
        found = source.fetch_month(place_, AUGUST)
        assert isinstance(found, Composite) and found.valid_share() > 0.5


def scene_of(name: str, minute: int, numbers: list[int]) -> Scene:
    band = np.array([numbers], np.uint16)
    qa = np.where(band > 0, 64, 9).astype(np.uint16)
    when = datetime(2015, 8, 5, 4, minute, tzinfo=UTC)
    return Scene(name, when, {"SR_B3": band}, qa, 50.0, np.zeros_like(qa))


def compose(*scenes: Scene) -> Composite:
    found = compose_scenes([(s.scene_id, lambda s=s: s) for s in scenes], INGEST)
    assert isinstance(found, Composite)
    return found


def test_rows_of_a_pass_are_one_look() -> None:
    upper = scene_of("LC08_L2SP_140041_20150805_02_T1", 40, [100, 200, 0, 0])
    lower = scene_of("LC08_L2SP_140042_20150805_02_T1", 41, [0, 300, 400, 0])
    found = compose(lower, upper)
    assert found.bands["SR_B3"].tolist() == [[100, 200, 400, 0]]
    assert found.n_obs.tolist() == [[1, 1, 1, 0]]
    assert found.scene_ids == [upper.scene_id, lower.scene_id]


@pytest.mark.parametrize(
    "other",
    ["LC09_L2SP_140041_20150805_02_T1", "LC08_L2SP_141041_20150805_02_T1", "something_else"],
)
def test_other_satellites_and_paths_are_looks_of_their_own(other: str) -> None:
    one = scene_of("LC08_L2SP_140041_20150805_02_T1", 40, [100, 200])
    found = compose(one, scene_of(other, 41, [200, 0]))
    assert found.bands["SR_B3"].tolist() == [[150, 200]]
    assert found.n_obs.tolist() == [[2, 1]]
