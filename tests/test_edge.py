"""The script for small devices: onnxruntime and NumPy alone, and the product's own outlines."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
import shapely.geometry
import torch
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter
from torch import nn

from glacier.geo.polygonise import Strip, polygonise
from glacier.geo.raster import Grid
from glacier.geo.raster_rows import open_landsat
from glacier.landsat import digital_number
from glacier.mapping.answers import LoadedModel
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.raster_map import map_raster
from glacier.training.export import describe_file, encode_onnx, trace
from glacier.training.inference import Viewer
from glacier.training.model_card import ModelCard
from glacier.training.standalone import Standalone
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card
from tests.support.tiny import ENCODER

EDGE = Path(__file__).parents[1] / "docs/edge"
ALLOWED = {"numpy", "onnxruntime", "landsat_rows", "zstandard", "compression"}
GRID = Grid("EPSG:32645", 480_000, 3_100_000, 30, 300, 420)
FORBIDDEN = ("torch", "ray", "rasterio", "glacier", "scipy", "shapely", "osgeo", "cv2", "pandas")
LIMIT_BYTES = 2**30
FACTS = {"bands": ["red"], "resize": None, "scale": "reflectance", "pixel_m": [30, 30]}

BLOCKER = f"""
import resource, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN}:
            raise ImportError(name + " is not on this device")

sys.meta_path.insert(0, Blocker())
resource.setrlimit(resource.RLIMIT_DATA, ({LIMIT_BYTES}, {LIMIT_BYTES}))
"""


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(EDGE))
    return __import__("map_on_edge")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The reader."""
    monkeypatch.syspath_prepend(str(EDGE))
    return __import__("landsat_rows")


def write_tiff(
    path: Path, grid: Grid, bands: dict[str, NDArray[np.uint16]], **profile: Any
) -> Path:
    """A GeoTIFF with named bands, deflated unless it is asked for otherwise."""
    options = {
        "driver": "GTiff", "height": grid.height, "width": grid.width, "count": len(bands),
        "dtype": "uint16", "crs": grid.crs, "transform": grid.transform, "compress": "deflate",
    }  # fmt: skip
    with rasterio.open(path, "w", **options | profile) as out:
        for k, (name, pixels) in enumerate(bands.items(), 1):
            out.write(pixels, k)
            out.set_band_description(k, name)
    return path


def draw_bands(
    shape: tuple[int, int], names: tuple[str, ...] = ("SR_B3", "SR_B4", "SR_B5"), seed: int = 0
) -> dict[str, NDArray[np.uint16]]:
    """Smooth hills of reflectance, with a corner that was not seen and single unseen pixels."""
    rng, bands = np.random.default_rng(seed), {}
    for name in names:
        hills = gaussian_filter(rng.standard_normal(shape), 9)
        values = np.clip(0.4 + hills * 8 + rng.normal(0, 0.01, shape), 0, 1.2)
        values[: shape[0] // 6, : shape[1] // 5] = np.nan
        values[rng.random(shape) < 1e-3] = np.nan
        bands[name] = digital_number(values)
    return bands


class Slope(nn.Module):
    """A network that looks at a neighbourhood: bright in one band and dark in another."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 9, padding=4)
        with torch.no_grad():
            self.conv.weight[:] = torch.tensor([1.0, -0.6, 0.2])[None, :, None, None] / 81
            self.conv.bias[:] = 0.1

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image) * 4


def make_model(**changes: Any) -> tuple[nn.Module, ModelCard]:
    windows = {"size_px": 64, "stride_px": 40, "mean": (0.4,) * 3, "std": (0.2,) * 3}
    card = make_card(**{"inference": windows, "fill": (0.4,) * 3, "sha256": "a" * 64} | changes)
    return Slope().eval(), card


def write_model(path: Path, model: nn.Module, card: ModelCard) -> Path:
    """The file ``model.onnx`` of a model."""
    program = trace(Standalone(model, card).eval(), card)
    path.write_bytes(encode_onnx(program, {"glacier": describe_file(card)}))
    return path


def map_with_product(image: Path, model: nn.Module, card: ModelCard) -> NDArray[np.uint8]:
    """Classes by the product's own way."""
    files = image.with_name("probability.tif"), image.with_name("class.tif")
    name = ModelName(encoder=card.encoder, fold=card.fold)
    models = {name: LoadedModel(Viewer.of(model, card.inference), card)}
    with open_landsat(image, card.image.landsat_bands) as opened:
        map_raster(opened, [Part(rectangles=None, models=(name,))], models, files)
    with rasterio.open(files[1]) as source:
        return source.read(1)


def run_script(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run it where there is neither torch nor Ray."""
    return run_on_device(folder, str(EDGE / "map_on_edge.py"), *words)


def run_on_device(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run Python without the forbidden packages and with a gibibyte of memory."""
    (folder / "sitecustomize.py").write_text(BLOCKER)
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(folder)}, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip


def read_mask(path: Path, grid: Grid) -> tuple[NDArray[np.bool_], list[shapely.Polygon]]:
    """What the outlines of a file cover, and they themselves."""
    found = json.loads(path.read_text())
    assert found["crs"]["properties"]["name"].endswith("EPSG::32645")
    polygons = [shapely.geometry.shape(f["geometry"]) for f in found["features"]]
    for feature, polygon in zip(found["features"], polygons, strict=True):
        assert polygon.is_valid and polygon.exterior.is_ccw
        assert feature["properties"]["area_km2"] == pytest.approx(polygon.area / 1e6)
    mask = rasterio.features.rasterize(polygons, grid.shape, transform=grid.transform)
    return mask.astype(bool), polygons


def drop_small(ice: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Ice without patches below a hundredth of a square kilometre."""
    patches = polygonise([Strip(ice, np.zeros(ice.shape, np.uint8))], grid)
    kept = [patch.polygon for patch in patches if patch.pixels * grid.pixel_km2 >= 0.01]
    return rasterio.features.rasterize(kept, grid.shape, transform=grid.transform).astype(bool)


def test_the_script_is_short_and_asks_for_two_packages() -> None:
    assert len((EDGE / "map_on_edge.py").read_text().splitlines()) < 80
    for path in EDGE.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 10))  # that of JetPack 6
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in ALLOWED | sys.stdlib_module_names


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_device_has_nothing_else(tmp_path: Path, name: str) -> None:
    ended = run_on_device(tmp_path, "-c", f"import {name}")
    assert f"{name} is not on this device" in ended.stderr


@pytest.mark.parametrize("bands", [("nir", "red", "green"), ("nir", "ndsi", "green")])
def test_without_torch_and_ray_its_outlines_are_those_of_the_product(
    tmp_path: Path, bands: tuple[str, ...]
) -> None:
    model, card = make_model(bands=bands)
    names = ("SR_B3", "SR_B4", "SR_B5", "SR_B6")
    image = write_tiff(tmp_path / "i.tif", GRID, draw_bands(GRID.shape, names), tiled=True)
    write_model(tmp_path / "model.onnx", model, card)
    ended = run_script(tmp_path, "model.onnx", "i.tif", "o.geojson")
    assert ended.returncode == 0, ended.stderr
    found, polygons = read_mask(tmp_path / "o.geojson", GRID)
    wanted = drop_small(map_with_product(image, model, card) == 1, GRID)
    assert 0.2 < wanted.mean() < 0.8 and any(polygon.interiors for polygon in polygons)
    assert (found != wanted).mean() < 1e-4
    assert not (found & ~binary_dilation(wanted)).any()
    assert not (~found & binary_erosion(wanted, border_value=1)).any()


def test_a_trained_kind_of_network_and_an_image_smaller_than_a_window(tmp_path: Path) -> None:
    torch.manual_seed(1)
    _, card = make_model(encoder=ENCODER)
    model = build_unet(ENCODER, 3).eval()
    grid = Grid("EPSG:32645", 480_000, 3_100_000, 30, 50, 90)
    image = write_tiff(tmp_path / "i.tif", grid, draw_bands(grid.shape))
    middle = card.model_copy(update={"threshold": 0.5})
    write_model(tmp_path / "model.onnx", model, middle)
    ended = run_script(tmp_path, "model.onnx", "i.tif", "o.geojson")
    assert ended.returncode == 0, ended.stderr
    found, _ = read_mask(tmp_path / "o.geojson", grid)
    wanted = drop_small(map_with_product(image, model, middle) == 1, grid)
    assert (found != wanted).mean() < 2e-3


@pytest.mark.slow
def test_a_raster_of_many_pixels_is_mapped_within_a_gibibyte(tmp_path: Path) -> None:
    grid = Grid("EPSG:32645", 480_000, 3_100_000, 30, 4000, 4000)
    small = draw_bands((500, 500))
    bands = {name: np.tile(pixels, (8, 8)) for name, pixels in small.items()}
    windows = {"size_px": 512, "stride_px": 512, "mean": (0.4,) * 3, "std": (0.2,) * 3}
    write_tiff(tmp_path / "i.tif", grid, bands, tiled=True)
    write_model(tmp_path / "model.onnx", *make_model(inference=windows))
    ended = run_script(tmp_path, "model.onnx", "i.tif", "o.geojson")
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads((tmp_path / "o.geojson").read_text())["features"]) > 100


@pytest.mark.parametrize("blur", [0, 0.8])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.8])
def test_rings_are_those_of_the_product(edge: ModuleType, share: float, blur: float) -> None:
    hills = gaussian_filter(np.random.default_rng(1).random((40, 60)), blur)
    ice = hills < np.quantile(hills, share)
    grid = Grid("EPSG:32645", 0, 0, 1, *ice.shape)
    patches = list(polygonise([Strip(ice, np.zeros(ice.shape, np.uint8))], grid))
    wanted = sorted((p.polygon for p in patches), key=lambda each: (*each.bounds, each.area))
    found = []
    for outer, *holes in edge.trace(ice):
        rings = [np.stack([col, -row], axis=1) for col, row in (outer, *holes)]
        found.append(shapely.Polygon(rings[0], rings[1:]))
    found = sorted(found, key=lambda each: (*each.bounds, each.area))
    assert len(found) == len(wanted) > 2 and any(each.interiors for each in found)
    assert shapely.is_valid(found).all() and shapely.equals(found, wanted).all()


@pytest.mark.parametrize("ice", [np.zeros((3, 4), bool), np.ones((3, 4), bool)])
def test_no_ice_and_nothing_but_ice(edge: ModuleType, ice: NDArray[np.bool_]) -> None:
    patches = edge.trace(ice)
    assert len(patches) == ice.any() and all(len(patch) == 1 for patch in patches)


@pytest.mark.parametrize("profile", [
    {}, {"compress": None}, {"tiled": True, "blockxsize": 64, "blockysize": 32},
    {"interleave": "band", "predictor": 2}, {"interleave": "pixel", "predictor": 2},
    {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band", "bigtiff": "yes"},
    {"endianness": "big"}, {"endianness": "big", "bigtiff": "yes", "blockysize": 7},
    {"sparse_ok": True, "nodata": 7},
])  # fmt: skip
def test_rows_are_those_of_gdal(tmp_path: Path, rows: ModuleType, profile: dict[str, Any]) -> None:
    grid = Grid("EPSG:32645", 480_000, 3_100_000, 30, 150, 130)
    bands = draw_bands(grid.shape)
    bands["SR_B4"][5:9] = 7
    path = write_tiff(tmp_path / "i.tif", grid, bands, **profile)
    tiff = rows.GeoTiff(str(path), FACTS)
    assert (tiff.left, tiff.top, tiff.pixel_m) == (480_000, 3_100_000, 30)
    assert tiff.names == list(bands) and tiff.shape == grid.shape
    with rasterio.open(path) as source:
        for top, count in ((0, 150), (33, 70), (149, 1)):
            wanted = source.read(window=Window(0, top, 130, count))
            wanted[wanted == profile.get("nodata", 0)] = 0
            np.testing.assert_array_equal(tiff.read(top, count), wanted)


@pytest.mark.parametrize(("change", "words"), [
    ({"dtype": "uint8"}, "does not hold 16-bit numbers: gdal_translate"),
    ({"compress": "lzw"}, "is compressed in a way that is not read here"),
    ({"crs": "EPSG:4326"}, "projected CRS"),
])  # fmt: skip
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, rows: ModuleType, change: dict[str, Any], words: str
) -> None:
    grid = Grid("EPSG:32645", 480_000, 3_100_000, 30, 40, 50)
    path = write_tiff(tmp_path / "i.tif", grid, {"SR_B4": np.ones(grid.shape, np.uint8)}, **change)
    with pytest.raises(ValueError, match=words):
        rows.GeoTiff(str(path), FACTS)


@pytest.mark.parametrize(("change", "words"), [
    ({"resize": [224, 224]}, "the model sees whole images"),
    ({"scale": "own_maximum"}, "the model sees whole images"),
    ({"bands": ["nir", "red"]}, "SR_B5 is lacking"),
    ({"bands": ["ndsi"]}, "SR_B3, SR_B6 is lacking"),
    ({"pixel_m": [10, 10]}, "has pixels of 30 m: tested on 10 m"),
])  # fmt: skip
def test_a_model_that_does_not_map_the_image_so_is_refused(
    tmp_path: Path, rows: ModuleType, change: dict[str, Any], words: str
) -> None:
    grid = Grid("EPSG:32645", 480_000, 3_100_000, 30, 40, 50)
    path = write_tiff(tmp_path / "i.tif", grid, {"SR_B4": np.ones(grid.shape, np.uint16)})
    with pytest.raises(ValueError, match=words):
        rows.GeoTiff(str(path), FACTS | change)
