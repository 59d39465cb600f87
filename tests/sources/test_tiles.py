"""Sentinel-2 and harmonised scenes: the ground's own reflectance, whatever a catalogue says."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from glacier.composite import Composite, Scene
from glacier.errors import RasterError, SourceError
from glacier.geo.raster import Grid
from glacier.landsat import CloudProfile, reflectance
from glacier.settings.ingest import Ingest
from glacier.settings.stac import Stac, name_product
from glacier.sources.passes import choose_versions, read_tile
from glacier.sources.scenes import SceneFiles, Unseen, compose_scenes
from glacier.sources.stac_items import keep_item, list_item, pick_items
from glacier.sources.tiles import TILE_PRODUCTS, find_offset, load_tile
from tests.support.tile_files import write_band, write_tile

OWN = Grid("EPSG:32632", 600_000, 5_100_000, 20, 24, 30)
"""Pixels of the quality band: 30 columns, 24 rows."""

GRID = Grid("EPSG:32632", 600_060, 5_099_940, 60, 6, 8)
"""A region within: 3 x 3 of them are one of its pixels."""

HEIGHT, WIDTH = OWN.shape

SENTINEL_2 = TILE_PRODUCTS["sentinel-2"]

NAMES = {
    "planetary computer": ("B02", "B03", "B04", "B8A", "B11", "B12"),
    "earth search": ("blue", "green", "red", "nir08", "swir16", "swir22"),
}

WHEN = datetime(2020, 7, 18, 10, 36, tzinfo=UTC)


def draw_ground(seed: int = 0) -> NDArray[np.float64]:
    """(6, 2 h, 2 w) reflectance of 10 m, in whole steps of the product."""
    rng = np.random.default_rng(seed)
    return np.rint(rng.uniform(0.01, 0.9, (6, 2 * HEIGHT, 2 * WIDTH)) * 1e4) / 1e4


def name_bands(ground: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, Any]:
    """The bands by name: three of 10 m, three of 20 m."""
    coarse = ground[:, ::2, ::2]
    return {name: (ground if k < 3 else coarse)[k] for k, name in enumerate(names)}


def average(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over the region's pixels of (k h, k w)."""
    finer = values.shape[0] // HEIGHT
    inside = values[3 * finer : 21 * finer, 3 * finer : 27 * finer]
    return inside.reshape(6, 3 * finer, 8, 3 * finer).mean(axis=(1, 3))


def make_files(files: Mapping[str, Path], offset: float = 0.0, name: str = "") -> SceneFiles:
    addresses = {asset: str(path) for asset, path in files.items()}
    return SceneFiles(
        name or "S2A_32TLR_20200718_0_L2A", addresses, WHEN.date(), WHEN, 55.0, offset
    )


def load(files: SceneFiles, **ingest: Any) -> Scene | Unseen:
    return load_tile(files, SENTINEL_2, GRID, Ingest(**ingest))


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("offset", [0.0, -0.1])
def test_every_band_is_the_mean_of_the_ground_below_a_pixel(
    tmp_path: Path, names: tuple[str, ...], offset: float
) -> None:
    bands = name_bands(draw_ground(), names)
    files = write_tile(tmp_path, bands, np.full(OWN.shape, 11, np.uint8), OWN, offset)
    found = load(make_files(files, offset))
    assert isinstance(found, Scene)
    assert list(found.bands) == ["SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"]
    for values, numbers in zip(bands.values(), found.bands.values(), strict=True):
        np.testing.assert_allclose(reflectance(numbers), average(values), atol=2.8e-5)


def test_scenes_of_two_baselines_are_the_same_ground(tmp_path: Path) -> None:
    bands = name_bands(draw_ground(), NAMES["planetary computer"])
    clear = np.full(OWN.shape, 4, np.uint8)
    before, after = (
        load(make_files(write_tile(tmp_path / str(offset), bands, clear, OWN, offset), offset))
        for offset in (0.0, -0.1)
    )
    assert isinstance(before, Scene) and isinstance(after, Scene)
    for name, numbers in before.bands.items():
        np.testing.assert_array_equal(numbers, after.bands[name])


HIDDEN: dict[CloudProfile, set[int]] = {
    "ice": {0, 3, 8, 9},
    "notebook": {0, 3, 8, 9},
    "standard": {0, 3, 7, 8, 9},
    "strict": {0, 3, 7, 8, 9, 10},
}


@pytest.mark.parametrize("profile", HIDDEN)
@pytest.mark.parametrize("mask_saturated", [False, True])
def test_the_classes_of_a_profile_hide_the_ground(
    profile: CloudProfile, mask_saturated: bool, tmp_path: Path
) -> None:
    classes = np.repeat(np.arange(12), 3)[:WIDTH].astype(np.uint8)
    quality = np.broadcast_to(np.roll(classes, 3), OWN.shape).copy()  # the region begins with 0
    quality[9:] = np.repeat(np.arange(4, 14), 3)[:WIDTH]
    quality[quality > 11] = 11
    files = write_tile(tmp_path, name_bands(draw_ground(), NAMES["earth search"]), quality, OWN)
    found = load(make_files(files), cloud_profile=profile, mask_saturated=mask_saturated)
    assert isinstance(found, Scene)
    own = quality[3:21:3, 3:27:3]
    hidden = HIDDEN[profile] | ({1} if mask_saturated else set())
    assert {*own.ravel().tolist()} >= {0, 1, 3, 7, 8, 9, 10, 11}
    np.testing.assert_array_equal(found.bands["SR_B3"] == 0, np.isin(own, list(hidden)))
    assert found.qa_radsat is not None
    glare = (own == 1) & (found.bands["SR_B3"] != 0)
    np.testing.assert_array_equal(found.qa_radsat != 0, glare)


def test_a_pixel_of_which_a_fine_part_is_unknown_is_unseen_there(tmp_path: Path) -> None:
    bands = name_bands(draw_ground(), NAMES["earth search"])
    bands["green"][6:12, 6:12] = np.nan  # the region's first pixel
    bands["green"][6:12, 12] = np.nan  # half of three of the next one's nine own pixels
    files = write_tile(tmp_path, bands, np.full(OWN.shape, 5, np.uint8), OWN)
    found = load(make_files(files))
    assert isinstance(found, Scene)
    assert (found.bands["SR_B3"] == 0).sum() == 1 and found.bands["SR_B3"][0, 0] == 0
    rest = np.mean(bands["green"][6:12, 14:18])  # of the next one without the own pixels it hides
    assert reflectance(found.bands["SR_B3"])[0, 1] == pytest.approx(rest, abs=3e-5)


def test_a_scene_beside_the_region_or_of_fill_alone_shows_nothing(tmp_path: Path) -> None:
    bands = name_bands(draw_ground(), NAMES["earth search"])
    far = Grid("EPSG:32632", 700_000, 5_100_000, 20, 24, 30)
    files = write_tile(tmp_path / "far", bands, np.full(OWN.shape, 5, np.uint8), far)
    found = load(make_files(files))
    assert isinstance(found, Unseen) and found.why == "beside"
    empty = {name: np.full_like(values, np.nan) for name, values in bands.items()}
    files = write_tile(tmp_path / "fill", empty, np.zeros(OWN.shape, np.uint8), OWN)
    found = load(make_files(files))
    assert isinstance(found, Unseen) and found.why == "blank"


def test_a_band_of_other_pixels_or_numbers_is_refused_by_name(tmp_path: Path) -> None:
    bands = name_bands(draw_ground(), NAMES["earth search"])
    clear = np.full(OWN.shape, 5, np.uint8)
    files = write_tile(tmp_path, bands, clear, OWN)
    moved = Grid(OWN.crs, OWN.left_m + 20, OWN.top_m, 20, *OWN.shape)
    write_band(files["swir16"], np.ones(OWN.shape, np.uint16), moved, 20)
    with pytest.raises(RasterError, match=r"swir16.tif lies on .* quality band on"):
        load(make_files(files))
    write_band(files["swir16"], np.ones(OWN.shape, np.float32), OWN, 20)
    with pytest.raises(RasterError, match=r"swir16.tif holds float32, where .* uint16"):
        load(make_files(files))
    with pytest.raises(SourceError, match="wanted SCL and bands"):
        load(make_files({"red": files["red"]}))


# Harmonised data.

FMASK = {"ice": 0b1010, "notebook": 0b1010, "standard": 0b1110, "strict": 0b1111}


@pytest.mark.parametrize("product", ["hls-l30", "hls-s30"])
@pytest.mark.parametrize("profile", FMASK)
def test_harmonised_scenes_are_masked_by_the_bits_of_fmask(
    product: Any, profile: CloudProfile, tmp_path: Path
) -> None:
    ground = draw_ground()[:, ::2, ::2]
    bits = np.arange(HEIGHT * WIDTH).reshape(OWN.shape) % 64
    quality = np.repeat(np.repeat(bits[::3, ::3], 3, 0), 3, 1).astype(np.uint8)
    quality[3:6, 3:6] = 255
    names = dict.fromkeys(TILE_PRODUCTS[product].bands.values())
    assets = {band: name for name, band in TILE_PRODUCTS[product].bands.items()}
    files = {"Fmask": tmp_path / "Fmask.tif"}
    write_band(files["Fmask"], quality, OWN, 20)
    for k, band in enumerate(names):
        numbers = np.rint(ground[k] * 1e4).astype(np.int16)
        numbers[6:9, 3:6] = -9999
        files[assets[band]] = tmp_path / f"{assets[band]}.tif"
        write_band(files[assets[band]], numbers, OWN, 20)
    scene = make_files(files, name=f"HLS.{product[4:].upper()}.T32TLR.2020200T103600.v2.0")
    found = load_tile(scene, TILE_PRODUCTS[product], GRID, Ingest(cloud_profile=profile))
    assert isinstance(found, Scene) and found.qa_radsat is None
    own = quality[3:21:3, 3:27:3]
    hidden = (own & FMASK[profile] != 0) | (own == 255)
    hidden[1, 0] = True  # no data
    for k, band in enumerate(names):
        values = reflectance(found.bands[band])
        np.testing.assert_array_equal(np.isnan(values), hidden)
        expected = average(ground[k])
        np.testing.assert_allclose(values[~hidden], expected[~hidden], atol=2.8e-5)


# What an item says.


@pytest.mark.parametrize(
    ("properties", "offset", "fault"),
    [
        ({"s2:processing_baseline": "02.14"}, 0.0, ""),
        ({"s2:processing_baseline": "03.01"}, 0.0, ""),
        ({"s2:processing_baseline": "04.00"}, -0.1, ""),
        ({"s2:processing_baseline": "05.09"}, -0.1, ""),
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": True}, 0.0, ""),
        ({"s2:processing_baseline": "03.01", "earthsearch:boa_offset_applied": False}, 0.0, ""),
        ({"s2:processing_baseline": "05.09", "earthsearch:boa_offset_applied": False}, 0.0,
         "sentinel-2-c1-l2a"),
        ({}, 0.0, "says no processing baseline"),
        ({"s2:processing_baseline": "new"}, 0.0, "says no processing baseline ('new')"),
    ],
)  # fmt: skip
def test_the_offset_follows_the_baseline_and_not_the_year(
    properties: dict[str, Any], offset: float, fault: str
) -> None:
    found, why = find_offset(properties, "sentinel-2-l2a")
    assert found == offset and (fault in why if fault else why == "")


def test_what_its_first_collection_says_wrongly_holds_in_the_second_of_earth_search() -> None:
    properties = {"s2:processing_baseline": "05.10", "earthsearch:boa_offset_applied": False}
    assert find_offset(properties, "sentinel-2-c1-l2a") == (-0.1, "")
    item = make_item("S2A_T32TLR_20200718T103716_L2A", "05.10")
    item["collection"] = "sentinel-2-c1-l2a"
    item["properties"] |= properties
    found = list_item(keep_item(item, "sentinel-2"), "sentinel-2")
    assert (found.files.offset, found.fault) == (-0.1, "")


@pytest.mark.parametrize(
    ("name", "mission", "tile", "day"),
    [
        ("S2A_MSIL2A_20200718T103631_R008_T32TLR_20201115T000000", "S2A", "32TLR", (2020, 7, 18)),
        ("S2B_MSIL2A_20200718T103631_N0214_R008_T32TLR_20200718T134433", "S2B", "32TLR",
         (2020, 7, 18)),
        ("S2C_32TLR_20250718_0_L2A", "S2C", "32TLR", (2025, 7, 18)),
        ("S2A_T32TLR_20200718T103716_L2A", "S2A", "32TLR", (2020, 7, 18)),
        ("HLS.S30.T32TLR.2020200T103631.v2.0", "S30", "32TLR", (2020, 7, 18)),
        ("HLS.L30.T32TLR.2019365T101010.v2.0", "L30", "32TLR", (2019, 12, 31)),
    ],
)  # fmt: skip
def test_a_name_tells_satellite_tile_and_day(
    name: str, mission: str, tile: str, day: tuple[int, int, int]
) -> None:
    found = read_tile(name)
    assert found is not None
    assert (found.mission, found.tile, found.day) == (mission, tile, date(*day))


@pytest.mark.parametrize("name", ["S2A_32TLR_20201340_0_L2A", "S2A_MSIL1C_20200718T103631", "x"])
def test_what_is_no_such_name_tells_nothing(name: str) -> None:
    assert read_tile(name) is None


def test_of_a_scene_that_was_made_twice_the_later_is_read() -> None:
    names = [
        "S2A_MSIL2A_20200718T103631_R008_T32TLR_20201115T000000",
        "S2A_MSIL2A_20200718T103631_R008_T32TLR_20230301T000000",
        "S2A_MSIL2A_20200718T103631_R008_T32TMR_20201115T000000",
        "S2A_32TLR_20200720_9_L2A", "S2A_32TLR_20200720_10_L2A",
    ]  # fmt: skip
    found = choose_versions((read_tile(name), name) for name in names)
    assert found == [names[1], names[2], names[4]]


def make_item(name: str, baseline: str = "03.01") -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "bbox": [7, 45, 8, 46],
        "geometry": {"type": "Point", "coordinates": [7, 45]}, "links": [],
        "properties": {"datetime": WHEN.isoformat(), "platform": "Sentinel-2A",
                       "s2:processing_baseline": baseline, "s2:mean_solar_zenith": 31.5},
        "assets": {name: {"href": f"https://host/{name}.tif?sig=x"}
                   for name in (*NAMES["planetary computer"], "B01", "SCL", "visual")},
    }  # fmt: skip


def test_an_item_keeps_what_is_read_of_it() -> None:
    kept = keep_item(make_item("S2A_MSIL2A_20200718T103631_R008_T32TLR_20201115T000000", "05.09"),
                     "sentinel-2")  # fmt: skip
    found = list_item(kept, "sentinel-2")
    assert {*found.files.addresses} == {*NAMES["planetary computer"], "SCL"}
    assert found.files.addresses["SCL"] == "https://host/SCL.tif"
    assert (found.files.offset, found.files.sun_elevation_deg) == (-0.1, 58.5)
    assert (found.files.acquired, found.fault) == (WHEN, "")


def test_items_of_a_month_are_picked_whatever_satellites_of_landsat_are_wanted() -> None:
    ingest = Ingest(source="stac", stac=Stac(collection="sentinel-2-l2a"))
    names = ["S2A_32TLR_20200718_0_L2A", "S2B_32TLR_20200720_0_L2A"]
    unknown = make_item(names[1])
    del unknown["properties"]["s2:processing_baseline"]
    items = [
        list_item(keep_item(item, "sentinel-2"), "sentinel-2")
        for item in (make_item(names[0]), unknown)
    ]
    found, faults = pick_items(items, date(2020, 7, 1), ingest)
    assert [files.name for files in found] == names[:1]
    assert list(faults) == names[1:] and "baseline" in faults[names[1]]
    assert pick_items(items, date(2020, 8, 1), ingest) == ([], {})


# A month of a region.


def test_tiles_of_one_pass_count_once_and_of_two_passes_twice(tmp_path: Path) -> None:
    bands = name_bands(draw_ground(), NAMES["earth search"])
    clear = np.full(OWN.shape, 11, np.uint8)
    cloudy = clear.copy()
    cloudy[:12] = 9
    names = ["S2A_32TLR_20200718_0_L2A", "S2A_32TMR_20200718_0_L2A", "S2B_32TLR_20200720_0_L2A"]
    loads = []
    for name, quality in zip(names, (cloudy, clear, cloudy), strict=True):
        files = make_files(write_tile(tmp_path / name, bands, quality, OWN), name=name)
        loads.append((name, lambda files=files: load(files)))
    found = compose_scenes(loads, Ingest())
    assert isinstance(found, Composite)
    assert found.scene_ids == names
    np.testing.assert_array_equal(found.n_obs[:3], 1)  # cloud of one tile, seen by the next
    np.testing.assert_array_equal(found.n_obs[3:], 2)


@pytest.mark.parametrize(
    ("collection", "product"),
    [
        ("landsat-c2-l2", "landsat"), ("my scenes", "landsat"), ("sentinel-2-l2a", "sentinel-2"),
        ("sentinel-2-c1-l2a", "sentinel-2"), ("hls2-l30", "hls-l30"), ("HLSS30_2.0", "hls-s30"),
    ],
)  # fmt: skip
def test_a_collection_is_known_by_its_name(collection: str, product: str) -> None:
    assert name_product(collection) == product


@pytest.mark.parametrize(
    ("collection", "remedy"),
    [("sentinel-2-l1c", "take sentinel-2-l2a"), ("hls2", "hls2-l30 or hls2-s30")],
)
def test_a_collection_that_is_no_surface_reflectance_of_one_product_is_refused(
    collection: str, remedy: str
) -> None:
    with pytest.raises(ValueError, match=remedy):
        Stac(collection=collection)
