import math
import os
import struct
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rasterio.enums import MaskFlags
from rasterio.warp import transform

from glacier.errors import ConfigError, RasterError
from glacier.geo.raster import (
    Grid,
    burn,
    encode_cog,
    grid_of,
    grid_of_region,
    read_named,
    trace,
)
from glacier.geo.raster_files import safe_open
from glacier.settings.regions import Region
from tests.support.loopback import serve_handler

MENDENHALL = ((-134.62, 58.42), (-134.42, 58.42), (-134.42, 58.59), (-134.62, 58.59))
GRID = Grid("EPSG:32608", 522075.0, 6494565.0, 30.0, 40, 50)


def coordinates(grid: Grid = GRID) -> dict[str, np.ndarray]:
    """Bands whose values say where they lie, so that any flip or shift shows."""
    rows, cols = np.indices((grid.height, grid.width), dtype=np.uint16)
    return {"SR_B2": rows * 256 + cols + 1, "ST_B10": rows + 1, "n_obs": cols}


def write_plain(path: Path, **profile: Any) -> Path:
    """A small GeoTIFF by rasterio itself, with parts of its profile replaced."""
    values = {
        "driver": "GTiff", "height": 8, "width": 9, "count": 1, "dtype": "uint16",
        "crs": "EPSG:32608", "transform": GRID.transform,
    }  # fmt: skip
    with rasterio.open(path, "w", **(values | profile)) as out:
        out.descriptions = [f"band{k}" for k in range(out.count)]
    return path


# The grid of a region.


def corners_of(region: Region, grid: Grid, points: int = 1) -> np.ndarray:
    """(column, row) in pixels of points along the polygon's edges, in the grid."""
    ring = np.array([*(region.polygon or ()), (region.polygon or ())[0]])
    steps = np.linspace(0, 1, points, endpoint=False)[:, None]
    along = np.concatenate([a + (b - a) * steps for a, b in pairwise(ring)])
    x, y = (np.array(v) for v in transform("EPSG:4326", grid.crs, *along.T))
    return np.stack([(x - grid.left_m) / grid.pixel_m, (grid.top_m - y) / grid.pixel_m])


def test_a_grid_knows_its_edges() -> None:
    assert GRID.shape == (40, 50)
    assert tuple(GRID.bounds) == (522075.0, 6493365.0, 523575.0, 6494565.0)
    left, top = GRID.transform @ (0, 0)
    right, bottom = GRID.transform @ (50, 40)
    assert GRID.bounds == (left, bottom, right, top)


def test_mendenhall_lies_on_landsats_own_pixels() -> None:
    region = Region(name="mendenhall", polygon=MENDENHALL)
    grid = grid_of_region(region)
    assert grid.crs == "EPSG:32608" and grid.pixel_m == 30
    assert abs(grid.height - 634) <= 1 and abs(grid.width - 394) <= 1
    assert grid.left_m % 30 == 15 and grid.top_m % 30 == 15
    assert grid.pixel_km2 == pytest.approx(0.0009)
    cols, rows = corners_of(region, grid)
    assert 0 <= cols.min() < 1 and grid.width - 1 < cols.max() <= grid.width
    assert 0 <= rows.min() < 1 and grid.height - 1 < rows.max() <= grid.height


def test_the_pixels_are_those_of_a_real_scene(real_data: Path) -> None:
    (file,) = (real_data / "alaska_qa_pixel").glob("*.TIF")
    with safe_open(file) as source:
        scene = grid_of(source)
    assert (scene.crs, scene.pixel_m) == ("EPSG:32606", 30)
    assert (scene.height, scene.width) == (8371, 8301)
    kenai = grid_of_region(Region(name="k", polygon=((-149, 60), (-148, 60), (-148.5, 60.4))))
    assert kenai.crs == scene.crs
    assert (kenai.left_m - scene.left_m) % 30 == 0 and (kenai.top_m - scene.top_m) % 30 == 0


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    lon=st.floats(-179.5, 179.5),
    lat=st.floats(-79, 83),
    size=st.tuples(st.floats(0.01, 0.4), st.floats(0.01, 0.4)),
)
def test_the_grid_is_the_smallest_that_holds_the_corners(
    lon: float, lat: float, size: tuple[float, float]
) -> None:
    east, north = min(lon + size[0], 180), min(lat + size[1], 84)
    region = Region(name="r", polygon=((lon, lat), (east, lat), ((lon + east) / 2, north)))
    grid = grid_of_region(region)
    cols, rows = corners_of(region, grid)
    assert -1e-6 <= cols.min() and cols.max() <= grid.width + 1e-6
    assert -1e-6 <= rows.min() and rows.max() <= grid.height + 1e-6
    assert grid.left_m % 30 == 15 and grid.top_m % 30 == 15
    code = int(grid.crs.removeprefix("EPSG:"))
    assert code // 100 == 326
    assert abs((lon + east) / 2 - (code % 100 * 6 - 183)) <= 3 + 1e-9


def test_south_of_the_equator_pixels_are_those_of_landsats_northern_zones() -> None:
    """The scene LC80890792016366LGN00 lies in EPSG:32656 with its origin at these numbers."""
    grid = grid_of_region(Region(name="p", polygon=((152.6, -27), (152.8, -27), (152.8, -26.9))))
    assert grid.crs == "EPSG:32656" and grid.top_m < 0
    assert (grid.left_m - 413685) % 30 == 0 and (grid.top_m - -2917485) % 30 == 0


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [(5, 60.5, "EPSG:32631"), (8, 78, "EPSG:32632"), (20.5, 79, "EPSG:32634")],
    ids=["bergen", "svalbard_west", "svalbard_east"],
)
def test_zones_are_plain_also_where_maps_have_wider_ones(lon: float, lat: float, crs: str) -> None:
    square = ((lon, lat), (lon + 0.1, lat), (lon + 0.1, lat + 0.1))
    assert grid_of_region(Region(name="n", polygon=square)).crs == crs


def test_across_the_180th_meridian_and_across_a_zones_border() -> None:
    ends = ((179.9, 68.0), (-179.9, 68.0), (-179.9, 68.2), (179.9, 68.2))
    across = grid_of_region(Region(name="w", polygon=ends))
    twin = tuple((lon - 6 if lon > 0 else lon + 354, lat) for lon, lat in ends)  # a zone west
    beside = grid_of_region(Region(name="w", polygon=twin))
    assert across.crs == "EPSG:32601" and beside.crs == "EPSG:32660"
    assert (across.left_m, across.top_m) == (beside.left_m, beside.top_m)
    assert (across.height, across.width) == (beside.height, beside.width)
    wide, high = 0.2 * 111_320 * math.cos(math.radians(68)), 0.2 * 111_320
    tilt = math.radians(3 * math.sin(math.radians(68)))  # of a meridian at the zone's edge
    assert across.width * 30 == pytest.approx(wide + high * tilt, rel=0.02)


def test_a_grid_larger_than_a_machine_holds_is_refused() -> None:
    polygon = ((10, 40), (15.5, 40), (15.5, 46), (10, 46))
    with pytest.raises(
        ConfigError, match=r"region r would be 22\d\d\d x 15\d\d\d px of 30 m.*split"
    ):
        grid_of_region(Region(name="r", polygon=polygon))
    assert grid_of_region(Region(name="r", polygon=polygon, pixel_m=300)).height < 3000


@pytest.mark.parametrize(
    "box", [(86.0, 27.5, 87.5, 28.5), (-137.0, 60.0, -133.0, 61.0), (-74.0, -51.0, -73.0, -48.0)]
)
def test_edges_that_bend_in_the_projection_are_covered_too(box: tuple[float, ...]) -> None:
    west, south, east, north = box
    region = Region(
        name="r", polygon=((west, south), (east, south), (east, north), (west, north))
    )  # fmt: skip
    grid = grid_of_region(region)
    cols, rows = corners_of(region, grid, points=200)
    assert cols.min() >= 0 and cols.max() <= grid.width
    assert rows.min() >= 0 and rows.max() <= grid.height


def test_regions_without_a_grid_are_refused() -> None:
    with pytest.raises(ConfigError, match="region r has no polygon"):
        grid_of_region(Region(name="r"))
    with pytest.raises(ConfigError, match=r"spans 7\.0 degrees .* split it"):
        grid_of_region(Region(name="r", polygon=((0, 50), (7, 50), (7, 51))))


# Written and read back.


def test_what_is_written_is_read(tmp_path: Path) -> None:
    bands, path = coordinates(), tmp_path / "2014-07.tif"
    path.write_bytes(encode_cog(bands, GRID, {"scenes": "LC08_A LC08_B"}))
    found, grid = read_named(path)
    assert grid == GRID
    assert list(found) == list(bands)
    for name, band in bands.items():
        assert found[name].dtype == np.uint16
        np.testing.assert_array_equal(found[name], band)


def test_the_file_says_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encode_cog(coordinates(), GRID, {"scenes": "LC08_A"}))
    with rasterio.open(path) as source:
        assert source.tags()["scenes"] == "LC08_A"
        assert source.tags(ns="IMAGE_STRUCTURE") == {"COMPRESSION": "ZSTD", "INTERLEAVE": "BAND"}
        assert source.nodata == 0
        assert source.scales == (2.75e-5, 0.00341802, 1.0)
        assert source.offsets == (-0.2, 149.0, 0.0)
        assert source.crs.to_epsg() == 32608
        assert source.xy(0, 0) == (522090.0, 6494550.0)  # the middle of the first pixel


def test_large_images_are_tiled_with_overviews(tmp_path: Path) -> None:
    grid = Grid("EPSG:32645", 15.0, 15.0, 30.0, 600, 130)
    path = tmp_path / "large.tif"
    path.write_bytes(encode_cog(coordinates(grid), grid, {}))
    np.testing.assert_array_equal(read_named(path)[0]["SR_B2"], coordinates(grid)["SR_B2"])
    with rasterio.open(path) as source:
        assert source.block_shapes[0] == (256, 256)
        assert source.overviews(1) == [2, 4]
        # Cloud-optimised: directories, then the pixels of overviews, smallest first, then all.
        offsets = [
            int(source.get_tag_item(tag, "TIFF", bidx=1, ovr=level))
            for tag, levels in (("IFD_OFFSET", (None, 0, 1)), ("BLOCK_OFFSET_0_0", (1, 0, None)))
            for level in levels
        ]
        assert offsets == sorted(offsets)
    with rasterio.open(path, overview_level=0) as source:
        np.testing.assert_array_equal(source.read(1), coordinates(grid)["SR_B2"][::2, ::2])


def test_the_same_bands_give_the_same_bytes() -> None:
    assert encode_cog(coordinates(), GRID, {"a": "b"}) == encode_cog(
        coordinates(), GRID, {"a": "b"}
    )


def test_class_maps_keep_their_type(tmp_path: Path) -> None:
    classes = (np.indices((40, 50)).sum(axis=0) % 8).astype(np.uint8)
    path = tmp_path / "truth.tif"
    path.write_bytes(encode_cog({"surface": classes}, GRID, {}))
    found = read_named(path)[0]["surface"]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, classes)


def test_a_band_of_another_shape_is_refused() -> None:
    with pytest.raises(RasterError, match=r"band SR_B3 has shape \(40, 49\)"):
        encode_cog({**coordinates(), "SR_B3": np.ones((40, 49), np.uint16)}, GRID, {})


def test_bands_need_distinct_names(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "a.tif", count=2)
    with rasterio.open(path, "r+") as out:
        out.descriptions = ("SR_B2", "SR_B2")
    with pytest.raises(RasterError, match="every band needs its own Landsat name"):
        read_named(path)
    with rasterio.open(tmp_path / "b.tif", "w", driver="GTiff", height=2, width=2, count=1,
                       dtype="uint8", crs="EPSG:32608", transform=GRID.transform):  # fmt: skip
        pass
    with pytest.raises(RasterError, match="every band needs its own Landsat name"):
        read_named(tmp_path / "b.tif")


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param({"crs": None}, id="no_crs"),
        pytest.param({"crs": "EPSG:4326"}, id="degrees"),
        pytest.param({"crs": "EPSG:2263"}, id="feet"),
        pytest.param({"transform": rasterio.Affine(30, 1, 0, 0, -30, 0)}, id="sheared"),
        pytest.param({"transform": rasterio.Affine(30, 0, 0, 0, -20, 0)}, id="not_square"),
        pytest.param({"transform": rasterio.Affine(30, 0, 0, 0, 30, 0)}, id="south_up"),
        pytest.param({"transform": rasterio.Affine(-30, 0, 0, 0, 30, 0)}, id="half_turn"),
    ],
)
def test_grids_other_than_square_north_up_metres_are_refused(
    tmp_path: Path, profile: dict[str, Any]
) -> None:
    path = write_plain(tmp_path / "a.tif", **profile)
    with safe_open(path) as source, pytest.raises(RasterError, match="north-up pixels"):
        grid_of(source)


# What a user's path may reach.


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """A server that nothing may call: its address and the calls that it got."""
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

    with serve_handler(Handler) as url:
        yield url, calls


VRT = """<VRTDataset rasterXSize="9" rasterYSize="8"><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""


def test_a_vrt_under_another_name_reaches_nothing(
    tmp_path: Path, canary: tuple[str, list[str]]
) -> None:
    server, calls = canary
    secret = write_plain(tmp_path / "secret.tif")
    for source in (str(secret), f"/vsicurl/{server}/x.tif"):
        path = tmp_path / "upload.tif"
        path.write_text(VRT.format(source=source))
        with pytest.raises(RasterError, match="is not a GeoTIFF"), safe_open(path):
            pytest.fail("a VRT was opened")
    assert calls == []


def test_addresses_are_not_files(canary: tuple[str, list[str]]) -> None:
    server, calls = canary
    for text in (
        f"/vsicurl/{server}/x.tif",
        f"{server}/x.tif",
        "/vsimem/x.tif",
        "MEM:::",
        "a\0b",
        VRT.format(source="x"),
        "/vsizip//tmp/a.zip/a.tif",
        "s3://bucket/a.tif",
    ):
        with pytest.raises(RasterError, match="not the path of a local file"), safe_open(text):
            pytest.fail(f"{text} was opened")
    assert calls == []


@pytest.mark.timeout(10)
def test_only_regular_files_with_a_tiff_signature(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.tif")
    (tmp_path / "folder.tif").mkdir()
    for name in ("fifo.tif", "folder.tif", "missing.tif"):
        with (
            pytest.raises(RasterError, match=f"{name} is missing or not a regular file"),
            safe_open(tmp_path / name),
        ):
            pytest.fail(f"{name} was opened")
    for data in (b"", b"II", b"\x89PNG\r\n\x1a\n" + bytes(100), b"II*\0", b"MM\0*" + bytes(50)):
        (tmp_path / "a.tif").write_bytes(data)
        with pytest.raises(RasterError), safe_open(tmp_path / "a.tif"):
            pytest.fail(f"{data!r} was opened")


@pytest.mark.timeout(10)
def test_a_link_is_as_good_as_what_it_points_to(tmp_path: Path) -> None:
    """The folder that holds a link is the user's own: a link to a GeoTIFF is read like one."""
    real = write_plain(tmp_path / "real.tif")
    (tmp_path / "link.tif").symlink_to(real)
    with safe_open(tmp_path / "link.tif") as source:
        assert source.shape == (8, 9)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "a.vrt").write_text(VRT.format(source=real))
    for target in ("fifo", "a.vrt", "nowhere", "loop.tif"):
        link = tmp_path / "loop.tif"
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / target)
        with pytest.raises(RasterError), safe_open(link):
            pytest.fail(f"a link to {target} was opened")


def test_files_beside_the_raster_change_nothing_or_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encode_cog(coordinates(), GRID, {}))
    beside = tmp_path / "a.tif.aux.xml"
    for name in ("NoDataValue", "Scale", "Offset"):
        beside.write_text(f"<PAMDataset><PAMRasterBand><{name}>257</{name}></PAMRasterBand>")
        with pytest.raises(RasterError, match=rf"{name} in .*a\.tif\.aux\.xml, which is not read"):
            read_named(path)
    beside.write_text(
        '<PAMDataset><PAMRasterBand band="1"><Description>SR_B7</Description></PAMRasterBand>'
        "<Metadata><MDI key='STATISTICS_MEAN'>7</MDI></Metadata></PAMDataset>"
    )
    assert list(read_named(path)[0]) == ["SR_B2", "ST_B10", "n_obs"]
    mask = tmp_path / "a.tif.msk"
    mask.write_bytes(write_plain(tmp_path / "m.tif").read_bytes())
    with pytest.raises(RasterError, match=r"a mask in .*a\.tif\.msk"):
        read_named(path)
    mask.unlink()
    with safe_open(path) as source:
        assert source.nodata == 0
        assert source.mask_flag_enums[0] == [MaskFlags.nodata]


def write_tile(path: Path, side: int) -> Path:
    """A deflated TIFF of 16 x 16 pixels whose one tile claims ``side`` x ``side``."""
    data = zlib.compress(bytes(1 << 20), 9)
    tags = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side),
            (324, 134), (325, len(data))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)
    assert len(head) == 134
    path.write_bytes(head + data)
    return path


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bombs_are_refused_before_a_pixel_is_decoded(tmp_path: Path) -> None:
    bomb = write_plain(
        tmp_path / "sparse.tif", height=60_000, width=60_000, sparse_ok=True, tiled=True,
        blockxsize=4096, blockysize=4096, compress="deflate",
    )  # fmt: skip
    assert bomb.stat().st_size < 10_000
    with (
        pytest.raises(RasterError, match="decodes to 7200000000 bytes"),
        safe_open(bomb),
    ):
        pytest.fail("a bomb was opened")
    layers = write_plain(tmp_path / "bands.tif", count=300)
    with pytest.raises(RasterError, match="300 bands of 8 x 9"), safe_open(layers, 43_199):
        pytest.fail("more bytes than allowed")
    with safe_open(layers, 43_200) as source:
        assert source.count == 300
    with safe_open(write_tile(tmp_path / "honest.tif", 256)) as source:
        assert source.read().shape == (1, 16, 16)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_block_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    huge = write_tile(tmp_path / "block.tif", 1 << 16)  # 4 GiB a block in a file of 1 kB
    with pytest.raises(RasterError, match="65536"), safe_open(huge):
        pytest.fail("a huge block was opened")


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8, 0.99])
def test_a_truncated_file_is_an_error_and_not_zeros(tmp_path: Path, share: float) -> None:
    noise = np.random.default_rng(0).integers(1, 65536, (40, 50)).astype(np.uint16)
    data = encode_cog({"SR_B2": noise}, GRID, {})
    path = tmp_path / "a.tif"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(RasterError, match=r"a\.tif"):
        read_named(path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_damaged_files_raise_nothing_but_raster_errors(tmp_path: Path) -> None:
    whole, rng = encode_cog(coordinates(), GRID, {"scenes": "x"}), np.random.default_rng(0)
    path, refused = tmp_path / "a.tif", 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(4, 1200)] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            read_named(path)
        except RasterError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("blank", [0, 7])
def test_blank_and_thin_images_of_any_size_are_no_bombs(tmp_path: Path, blank: int) -> None:
    """Our own files without data, which pack best of all, and one row or one column."""
    for shape in ((2500, 2500), (1, 20_000), (20_000, 1)):
        grid = Grid(GRID.crs, GRID.left_m, GRID.top_m, 30.0, *shape)
        pixels = {f"SR_B{k}": np.full(shape, blank, np.uint16) for k in (2, 3, 4)}
        path = tmp_path / "a.tif"
        path.write_bytes(encode_cog(pixels, grid, {}))
        found, _ = read_named(path)
        assert (found["SR_B3"] == blank).all()


def test_a_link_out_of_the_folder_is_refused_where_files_are_found(tmp_path: Path) -> None:
    real = write_plain(tmp_path / "real.tif")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tif").symlink_to(real)
    with safe_open(tmp_path / "in" / "a.tif") as source:
        assert source.count == 1
    with (
        pytest.raises(RasterError, match=r"a\.tif leads out of the folder .*/in; copy"),
        safe_open(tmp_path / "in" / "a.tif", within=tmp_path / "in"),
    ):
        pytest.fail("a link out was opened")


def test_names_that_are_not_text_are_a_raster_error(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(encode_cog(coordinates(), GRID, {}).replace(b"SR_B2", b"SR_\xd2\x31"))
    with pytest.raises(RasterError, match=r"a\.tif"):
        read_named(path)


def test_a_number_type_that_numpy_lacks_is_a_raster_error(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "radar.tif", dtype="complex_int16")
    with pytest.raises(RasterError, match="complex_int16"), safe_open(path):
        pytest.fail("whole complex numbers were opened")


# Outlines to pixels and back.

masks = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(derandomize=True, deadline=None, max_examples=80)
@given(mask=masks)
def test_burning_a_traced_mask_gives_the_mask(mask: np.ndarray) -> None:
    grid = Grid("EPSG:32608", 15.0, 615.0, 30.0, *mask.shape)
    polygons = trace(mask, grid)
    burnt = burn(polygons, grid)
    assert burnt.dtype == np.uint8
    np.testing.assert_array_equal(burnt, mask)


def test_a_disc_has_its_area_and_its_place() -> None:
    grid = Grid("EPSG:32608", 15.0, 6015.0, 30.0, 200, 200)
    angle = np.linspace(0, 2 * math.pi, 721)
    x, y, radius = 2115.0, 3915.0, 1500.0
    ring = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
    mask = burn([{"type": "Polygon", "coordinates": [ring.tolist()]}], grid)
    assert mask.sum() * grid.pixel_km2 == pytest.approx(math.pi * 1.5**2, rel=0.005)
    rows, cols = np.nonzero(mask)
    assert (cols.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((70, 70), abs=0.05)


def test_pixels_that_touch_at_a_corner_are_apart() -> None:
    assert len(trace(np.eye(3, dtype=bool), Grid("EPSG:32608", 15.0, 105.0, 30.0, 3, 3))) == 3


def test_nothing_burns_to_nothing() -> None:
    assert burn([], GRID).shape == (40, 50) and not burn([], GRID).any()
    assert trace(np.zeros((40, 50), bool), GRID) == []
