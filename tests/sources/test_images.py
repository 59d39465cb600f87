"""Images with a band map: their numbers in Landsat's encoding, their holes kept."""

import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.enums import ColorInterp

from glacier.composite import Composite, Empty
from glacier.config import Config
from glacier.errors import ConfigError, RasterError, SourceError
from glacier.flags import load_config
from glacier.geo.raster import Grid, encode_cog, read_named
from glacier.landsat import reflectance
from glacier.settings.folder import Folder, Image
from glacier.settings.regions import Region
from glacier.sources.factory import open_source
from glacier.sources.images import ImagesSource
from tests.support.tiny import tiny_config
from tests.support.user_files import GRID, REGION, coordinates, write_image

ROOT = Path(__file__).parents[2]


def image_source(folder: Path, bands: dict, **settings: object) -> ImagesSource:
    values = {"month": "2000-10", "bands": bands, "scale": 1 / 255, "offset": 0.0, **settings}
    image = Image.model_validate(values)
    return ImagesSource(Folder(path=str(folder), images=(image,)))


OCTOBER = date(2000, 10, 1)
NAMES = ("SR_B4", "SR_B3", "SR_B2", "SR_B5")
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


def declare(path: Path, scale: float, offset: float) -> None:
    with rasterio.open(path, "r+") as out:
        out.scales, out.offsets = (scale,), (offset,)


@pytest.mark.parametrize("given", [{}, {"scale": 1e-4, "offset": 0.1}])
def test_what_a_file_declares_of_its_scale_is_used(tmp_path: Path, given: dict) -> None:
    values = np.arange(2000, 2120).reshape(1, 12, 10).astype(np.int16)
    write_image(tmp_path / "a.tif", values)
    declare(tmp_path / "a.tif", 1e-4, 0.1)
    settings = {"scale": None, "offset": None} | given
    source = image_source(tmp_path, {"SR_B3": {"file": "a.tif"}}, **settings)
    month = source.fetch_month(REGION, OCTOBER)
    found = reflectance(month.bands["SR_B3"])
    np.testing.assert_allclose(found, values[0] * 1e-4 + 0.1, atol=1.4e-5)


def test_a_scale_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.ones((1, 12, 10), np.int16))
    declare(tmp_path / "a.tif", 1e-4, 0.0)
    source = image_source(tmp_path, {"SR_B3": {"file": "a.tif"}})
    with pytest.raises(SourceError, match=r"a\.tif declares scale 0\.0001 .*images says 0\.0039"):
        source.fetch_month(REGION, OCTOBER)


def test_without_any_scale_the_numbers_are_landsats(tmp_path: Path) -> None:
    dn = coordinates()["SR_B3"]
    write_image(tmp_path / "a.tif", dn[None])
    source = image_source(tmp_path, {"SR_B3": {"file": "a.tif"}}, scale=None, offset=None)
    np.testing.assert_array_equal(source.fetch_month(REGION, OCTOBER).bands["SR_B3"], dn)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
def test_numbers_that_nothing_says_the_scale_of_are_refused(tmp_path: Path, kind: type) -> None:
    """As Landsat's own, 8-bit numbers would all be darker than black."""
    write_image(tmp_path / "a.tif", np.full((1, 12, 10), 100, kind))
    source = image_source(tmp_path, {"SR_B3": {"file": "a.tif"}}, scale=None, offset=None)
    with pytest.raises(SourceError, match=r"declares no scale.*set scale and offset of the image"):
        source.fetch_month(REGION, OCTOBER)


@pytest.mark.parametrize("half", [{"scale": 1e-4}, {"offset": 0.0}])
def test_half_a_scale_is_refused(half: dict) -> None:
    """The other half would be Landsat's -0.2, and every pixel too dark."""
    with pytest.raises(ValueError, match="go together"):
        Image.model_validate({"month": "2000-10", "bands": {"SR_B3": {"file": "a.tif"}}} | half)


@pytest.mark.parametrize("months", [("2016-01", "2016-12"), ("1999-01", "2000-09")])
def test_a_month_outside_the_span_is_refused_before_any_work(
    tmp_path: Path, months: tuple[str, str]
) -> None:
    first, last = months
    folder = {"path": str(tmp_path), "images": [{"month": "2000-10", "bands": TWO_FILES}]}
    config = tiny_config(
        tmp_path,
        regions=[{"name": "m"}],
        months={"first": first, "last": last},
        ingest={"source": "folder", "folder": folder},
        prepare={"label": {"kind": "ndsi"}},
    )
    with pytest.raises(ConfigError, match=rf"2000-10 lies outside .* {first} to {last}"):
        open_source(config)


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


def test_a_fourth_band_that_is_mapped_hides_nothing_in_the_others(tmp_path: Path) -> None:
    """GDAL calls the fourth of four 8-bit bands alpha, also where it is near infrared."""
    raw = np.arange(480).reshape(4, 12, 10).astype(np.uint8)
    raw[3, :2] = 0  # dark water
    with rasterio.open(
        tmp_path / "rgbn.tif", "w", driver="GTiff", height=12, width=10, count=4, dtype="uint8",
        crs=GRID.crs, transform=GRID.transform, photometric="RGB",
    ) as out:  # fmt: skip
        out.colorinterp = (*out.colorinterp[:3], ColorInterp.alpha)
        out.write(raw)
    bands = {n: {"file": "rgbn.tif", "band": k} for k, n in enumerate(NAMES, 1)}
    month = image_source(tmp_path, bands).fetch_month(REGION, OCTOBER)
    assert isinstance(month, Composite) and (month.n_obs == 1).all()
    del bands["SR_B5"]  # then it is what GDAL says
    month = image_source(tmp_path, bands).fetch_month(REGION, OCTOBER)
    np.testing.assert_array_equal(month.n_obs == 0, raw[3] == 0)


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
    with pytest.raises(
        SourceError, match=r"shifted\.tif lies on .* another image or band of the region on"
    ):
        apart.fetch_month(REGION, OCTOBER)


def lay(folder: Path, region: Region, **settings: object) -> Composite:
    """The month of an image on a region's own grid."""
    month = image_source(folder, {"red": {"file": "a.tif"}}, **settings).fetch_month(
        region, OCTOBER
    )
    assert isinstance(month, Composite)
    return month


def frame(left: float, bottom: float, right: float, top: float, pixel_m: float) -> Region:
    """A region whose grid covers a rectangle of the zone of ``GRID``, metres."""
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    to_degrees = pyproj.Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True)
    polygon = tuple(to_degrees.transform(*corner) for corner in corners)
    return Region(name="m", polygon=polygon, pixel_m=pixel_m)


def test_on_a_region_s_own_grid_pixels_are_means_of_the_image_s(tmp_path: Path) -> None:
    """A grid of three by three pixels each: in closed form, holes weigh nothing."""
    fine = Grid(GRID.crs, GRID.left_m, GRID.top_m, 10.0, 36, 30)
    raw = np.random.default_rng(0).integers(1, 256, (36, 30)).astype(np.uint8)
    raw[:3, :3] = 0  # a whole pixel of the grid
    raw[3, :2] = 0  # a part of one
    write_image(tmp_path / "a.tif", raw[None], fine)
    region = frame(*(edge + d for edge, d in zip(GRID.bounds, (1, 1, -1, -1), strict=True)), 30.0)
    source = image_source(tmp_path, {"red": {"file": "a.tif"}}, nodata=0)
    assert source.grid(region) == GRID
    found = reflectance(lay(tmp_path, region, nodata=0).bands["SR_B4"])
    known = np.where(raw == 0, np.nan, raw / 255).reshape(12, 3, 10, 3)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        wanted = np.nanmean(known, axis=(1, 3))
    np.testing.assert_allclose(found, wanted, atol=3e-5)  # twice rounded to Landsat's numbers


def test_an_image_in_degrees_lies_where_it_lies(tmp_path: Path) -> None:
    """A ramp to the east and north in degrees is the same ramp on the ground."""
    west, north, step = -134.62, 58.60, 0.00025
    lon = west + step * (np.arange(400) + 0.5)
    lat = north - step * (np.arange(300) + 0.5)
    ramp = 0.1 + (lon - west)[None] * 2 + (north - lat)[:, None] * 3
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=300, width=400, count=1, dtype="float32",
        crs="EPSG:4326", transform=rasterio.Affine(step, 0, west, 0, -step, north),
    ) as out:  # fmt: skip
        out.write(ramp.astype(np.float32), 1)
    corners = ((-134.60, 58.54), (-134.54, 58.54), (-134.54, 58.58), (-134.60, 58.58))
    region = Region(name="m", polygon=corners, pixel_m=60)
    settings = {"scale": 1.0, "offset": 0.0}
    source = image_source(tmp_path, {"red": {"file": "a.tif"}}, **settings)
    grid, month = source.grid(region), lay(tmp_path, region, **settings)
    rows, columns = np.indices(grid.shape) + 0.5
    to_degrees = pyproj.Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
    x, y = to_degrees.transform(grid.left_m + 60 * columns, grid.top_m - 60 * rows)
    wanted = 0.1 + (x - west) * 2 + (north - y) * 3
    assert (month.n_obs == 1).all()
    found = reflectance(month.bands["SR_B4"])
    np.testing.assert_allclose(found, wanted, atol=5e-5)  # a tenth of a step of the image


def test_a_band_is_found_by_what_its_file_calls_it(tmp_path: Path) -> None:
    raw = np.arange(240).reshape(2, 12, 10).astype(np.uint8)
    write_image(tmp_path / "a.tif", raw)
    with rasterio.open(tmp_path / "a.tif", "r+") as out:
        out.descriptions = ("B04", "B08")
    month = image_source(tmp_path, {"nir": {"file": "a.tif", "band": "B08"}})
    found = month.fetch_month(REGION, OCTOBER).bands["SR_B5"]
    np.testing.assert_array_equal(np.rint(reflectance(found) * 255), raw[1])
    wrong = image_source(tmp_path, {"nir": {"file": "a.tif", "band": "B8A"}})
    with pytest.raises(SourceError, match=r"0 bands described as 'B8A', .* there are B04, B08"):
        wrong.fetch_month(REGION, OCTOBER)


def test_each_region_has_its_own_images(tmp_path: Path) -> None:
    raw = write_two_files(tmp_path)
    image = {"bands": {"red": {"file": "rgb.tif"}}, "scale": 1 / 255, "offset": 0}
    images = [
        image | {"region": "a", "month": "2000-11"},
        image | {"region": "a", "month": "2000-10", "sensor": "sentinel-2",
                 "level": "top_of_atmosphere"},
        image | {"region": "b", "month": "2000-10", "bands": {"red": {"file": "nir.tif"}}},
    ]  # fmt: skip
    config = images_config(tmp_path, images, "a", "b")
    source, (a, b) = open_source(config), config.regions
    assert source.months(a) == [OCTOBER, date(2000, 11, 1)] and source.months(b) == [OCTOBER]
    month = source.fetch_month(a, OCTOBER)
    assert month.platforms == ("sentinel-2, top of atmosphere",)
    nir = reflectance(source.fetch_month(b, OCTOBER).bands["SR_B4"]) * 255
    np.testing.assert_array_equal(np.rint(nir), raw["SR_B5"])
    assert source.find_lacking(a, {"SR_B4", "SR_B6"}) == {"SR_B6"}


def images_config(folder: Path, images: list[dict], *regions: str) -> Config:
    return tiny_config(
        folder,
        regions=[{"name": name} for name in regions],
        months={"first": "2000-10", "last": "2000-11"},
        ingest={"source": "folder", "folder": {"path": str(folder), "images": images}},
        prepare={"label": {"kind": "ndsi"}},
    )


@pytest.mark.parametrize(
    ("image", "regions", "why"),
    [
        ({}, ("a", "b"), r"images\[0\]\.region is not said, and the run has 2"),
        ({"region": "c"}, ("a", "b"), r"images\[0\]\.region = c is none of the run's: a, b"),
        ({"region": "a"}, ("a", "b"), "none shows region b"),
    ],
)
def test_images_of_no_region_and_regions_without_images_are_refused(
    tmp_path: Path, image: dict, regions: tuple[str, ...], why: str
) -> None:
    whole = {"month": "2000-10", "bands": TWO_FILES} | image
    with pytest.raises(ConfigError, match=why):
        open_source(images_config(tmp_path, [whole], *regions))


def test_two_images_of_a_month_are_refused() -> None:
    image = {"month": "2000-10", "bands": TWO_FILES}
    with pytest.raises(ValueError, match="two stand for 2000-10"):
        Folder.model_validate({"images": [image, image]})


SENTINEL = ("blue B02", "green B03", "red B04", "nir B08", "swir1 B11", "swir2 B12")


def test_real_images_of_sentinel_2_in_degrees(real_data: Path) -> None:
    """Khumbu: on the ground each band has the mean that it has in degrees."""
    folder = real_data / "khumbu_s2_seasons"
    places = {name.partition(" ")[0]: {"file": "s2_l2a_autumn_2024.tif", "band": name} for name in
              SENTINEL}  # fmt: skip
    source = image_source(folder, places, scale=1e-4)
    with rasterio.open(folder / "s2_l2a_autumn_2024.tif") as raw:
        numbers = raw.read() / 1e4
        west, south, east, north = raw.bounds
    middle = (west + east) / 2, (south + north) / 2
    corners = tuple((middle[0] + dx, middle[1] + dy) for dx, dy in
                    ((-0.02, -0.015), (0.02, -0.015), (0.02, 0.015), (-0.02, 0.015)))  # fmt: skip
    region = Region(name="khumbu", polygon=corners)
    month = source.fetch_month(region, OCTOBER)
    assert isinstance(month, Composite) and (month.n_obs == 1).all()
    rows = slice(*(round(256 * (0.5 + s * 0.015 / (north - south))) for s in (-1, 1)))
    columns = slice(*(round(256 * (0.5 + s * 0.02 / (east - west))) for s in (-1, 1)))
    for k, name in enumerate(("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7")):
        mean = reflectance(month.bands[name]).mean()
        assert mean == pytest.approx(numbers[k][rows, columns].mean(), rel=0.02)


def test_the_identity_follows_the_image(tmp_path: Path) -> None:
    write_two_files(tmp_path)
    source = image_source(tmp_path, TWO_FILES)
    first = source.identity(REGION)
    assert image_source(tmp_path, TWO_FILES, scale=1 / 256).identity(REGION) != first
    assert image_source(tmp_path, TWO_FILES, nodata=0).identity(REGION) != first
    write_image(tmp_path / "other.tif", np.ones((1, 12, 10), np.uint8))
    assert source.identity(REGION) == first


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
