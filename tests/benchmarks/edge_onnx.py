"""The script for small devices against the product: from a GeoTIFF to outlines, each by itself.

python edge_onnx.py torch MODEL_FOLDER image.tif outlines.geojson    # in a process of its own
python edge_onnx.py onnx model.onnx image.tif outlines.geojson       # the same without PyTorch
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from row import Row

EDGE = Path(__file__).parents[2] / "docs" / "edge"
THREADS = 2


@dataclass(frozen=True)
class EdgeWork:
    """How much is trained and mapped."""

    encoder: str = "resnet34"
    last: str = "2015-12"
    """Last month of the training, the first being 2014-01."""
    size_px: int = 64
    epochs: int = 6
    side: int = 1024
    """Of the scene, pixels."""
    repeats: int = 3


class Device(NamedTuple):
    """What is on a device: the model in three forms, and an image."""

    folder: Path
    model: Path
    """Folder of the product's model."""
    image: Path
    int8_score: Any


class Mapped(NamedTuple):
    """What came of a run in a process of its own."""

    seconds: float
    peak_mb: float
    mask: Any
    """(side, side) bool."""


def make_config(folder: str, work: EdgeWork) -> Any:
    """A coarse synthetic Mendenhall in chips, since the script sees images as they are."""
    from dice_parity import make_config as make_parity

    from glacier.config import Config
    from glacier.flags import overlay

    changes = {
        "months": {"first": "2014-01", "last": work.last},
        "prepare": {"layout": "chips", "size_px": work.size_px},
        "sweep": {
            "encoders": [work.encoder],
            "folds": {"kind": "shuffled", "count": 2, "validation_share": 0},
            "epochs": work.epochs,
            "precision": "float32",
        },
    }
    return Config.model_validate(overlay(make_parity(folder).model_dump(mode="json"), changes))


@contextmanager
def make_device(work: EdgeWork) -> Iterator[Device]:
    """Train a network, export it, and lay out a mosaic of its months as a GeoTIFF."""
    import torch

    from glacier.archive.ingest import run_ingest
    from glacier.samples.prepare import run_prepare
    from glacier.training.fit import run_trial

    with tempfile.TemporaryDirectory() as name:
        folder, config = Path(name), make_config(name, work)
        run_ingest(config)
        run_prepare(config)
        trial, images = plan_first(config, work.encoder)
        torch.set_num_threads(THREADS)
        run_trial(trial, images, lambda row: None)
        score = export_both(trial, images, folder)
        write_scene(config, folder / "scene.tif", work.side)
        yield Device(folder, Path(trial.model_folder), folder / "scene.tif", score)


def plan_first(config: Any, encoder: str) -> tuple[Any, list[Any]]:
    """The trial of the first fold, and the month images."""
    from glacier.archive.contents import read_records
    from glacier.samples.month_images import read_images
    from glacier.samples.sample_set import samples_folder
    from glacier.training.saved import place_sweep
    from glacier.training.sweep_plan import plan_sweep

    at = samples_folder(config, read_records(config))
    plan = plan_sweep(config, place_sweep(config, at))
    return plan.trial(encoder, 0), read_images(at, plan.samples)


def export_both(trial: Any, images: list[Any], folder: Path) -> Any:
    """Write the ONNX files of a model; returns what 8 bits cost on its test part."""
    from glacier.training.export import describe_file, encode_onnx, trace
    from glacier.training.int8 import Ground, quantise, score_int8
    from glacier.training.model_files import load_model
    from glacier.training.standalone import Standalone

    model, card = load_model(trial.model_folder)
    program = trace(Standalone(model, card).eval(), card)
    size, exact = card.inference.size_px, encode_onnx(program, {"glacier": describe_file(card)})
    masks = [trial.masks.mask(image, card.split.train) for image in images]
    shown = [
        image.image[:, :size, :size]
        for image, mask in zip(images, masks, strict=True)
        if mask.any()
    ]
    small = quantise(exact, np.stack(shown[:16]))
    (folder / "model.onnx").write_bytes(exact)
    (folder / "model-int8.onnx").write_bytes(small)
    tested = [
        Ground(image.image, image.label, trial.masks.mask(image, card.split.test))
        for image in images
    ]
    return score_int8((exact, small), card, tested)


def write_scene(config: Any, path: Path, side: int) -> None:
    """A mosaic of the archive's months as a deflated GeoTIFF, as USGS has its own."""
    import rasterio
    from predict_scene import tile

    months = sorted(Path(config.storage).glob("archive/*/????-??.tif"))
    numbers = []
    for month in months:
        with rasterio.open(month) as source:
            least = min(source.shape)
            numbers.append(source.read()[:, :least, :least])
            profile, names = source.profile, source.descriptions
    profile |= {"height": side, "width": side, "compress": "deflate", "driver": "GTiff"}
    with rasterio.open(path, "w", **profile) as out:
        out.write(tile(numbers, side))
        for k, name in enumerate(names, 1):
            out.set_band_description(k, name)


def map_with_product(model: str, image: str, out: str) -> None:
    """Map a GeoTIFF with PyTorch and write its outlines, as workers of ``glacier predict`` do."""
    import shapely
    import torch

    from glacier.geo.map_strips import MapStrips, read_map_grid
    from glacier.geo.polygonise import polygonise
    from glacier.geo.raster_rows import open_landsat
    from glacier.mapping.answers import LoadedModel
    from glacier.mapping.assignment import ModelName, Part
    from glacier.mapping.raster_map import map_raster
    from glacier.training.inference import Viewer
    from glacier.training.model_files import load_model

    torch.set_num_threads(THREADS)
    network, card = load_model(model)
    name = ModelName(encoder=card.encoder, fold=card.fold)
    files = Path(out).with_suffix(".p.tif"), Path(out).with_suffix(".c.tif")
    with open_landsat(image, card.image.landsat_bands) as opened:
        models = {name: LoadedModel(Viewer.of(network, card.inference), card)}
        map_raster(opened, [Part(rectangles=None, models=(name,))], models, files)
    grid = read_map_grid(files[1], files[0])
    patches = [patch.polygon for patch in polygonise(MapStrips(files[1], files[0]), grid)]
    Path(out).write_text(shapely.to_geojson(shapely.GeometryCollection(patches)))


def map_with_script(model: str, image: str, out: str) -> None:
    """The same by the script, which keeps the smallest patches here."""
    sys.path.insert(0, str(EDGE))
    import map_on_edge

    map_on_edge.MIN_AREA_KM2 = 0
    map_on_edge.main(model, image, out)


WAYS: dict[str, Callable[[str, str, str], None]] = {
    "torch": map_with_product, "onnx": map_with_script,
}  # fmt: skip


def run_alone(way: str, model: Path, device: Device) -> Mapped:
    """Map the scene in a process of its own, whose memory is its own."""
    from rasterio.features import rasterize
    from shapely.geometry import shape

    out = device.folder / f"{way}.geojson"
    words = [sys.executable, __file__, way, str(model), str(device.image), str(out)]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    seconds, peak_mb = json.loads(printed.splitlines()[-1])
    found = json.loads(out.read_text())
    polygons = [shape(g) for g in found.get("geometries", [])]
    polygons += [shape(each["geometry"]) for each in found.get("features", [])]
    return Mapped(seconds, peak_mb, burn(polygons, device.image, rasterize))


def burn(polygons: list[Any], image: Path, rasterize: Callable[..., Any]) -> Any:
    """Pixels of an image that polygons cover."""
    import rasterio

    with rasterio.open(image) as source:
        shape, transform = source.shape, source.transform
    if not polygons:
        return np.zeros(shape, bool)
    return rasterize(polygons, shape, transform=transform).astype(bool)


def measure(work: EdgeWork) -> Row:
    """The row, of as much work as one likes."""
    with make_device(work) as device:
        models = {
            "torch": ("torch", device.model),
            "float32": ("onnx", device.folder / "model.onnx"),
            "int8": ("onnx", device.folder / "model-int8.onnx"),
        }
        runs: dict[str, list[Mapped]] = {name: [] for name in models}
        for _ in range(work.repeats):
            for name, (way, path) in models.items():
                runs[name].append(run_alone(way, path, device))
        weights = device.model / "model.safetensors"
        sizes = {"torch": weights.stat().st_size}
        sizes |= {
            name: path.stat().st_size for name, (way, path) in models.items() if way == "onnx"
        }
        return describe(work, runs, sizes, device.int8_score)


def describe(
    work: EdgeWork, runs: dict[str, list[Mapped]], sizes: dict[str, int], score: Any
) -> Row:
    """What was measured, as a row."""
    seconds = {name: statistics.median(run.seconds for run in each) for name, each in runs.items()}
    rates = {name: work.side**2 / taken / 1e6 for name, taken in seconds.items()}
    facts: dict[str, Any] = {}
    for name, each in runs.items():
        facts[f"{name}_megapixels_per_s"] = round(rates[name], 4)
        facts[f"{name}_peak_mb"] = round(max(run.peak_mb for run in each))
        facts[f"{name}_model_mb"] = round(sizes[name] / 1e6, 1)
        if name != "torch":
            same = (each[0].mask == runs["torch"][0].mask).mean()
            facts[f"{name}_share_of_pixels_called_the_same"] = float(same)
    facts["glacier_share"] = round(float(runs["torch"][0].mask.mean()), 3)
    facts["int8_times_as_fast_as_torch"] = round(seconds["torch"] / seconds["int8"], 2)
    if score is not None:
        facts["float32_iou"], facts["int8_iou"] = round(score.iou_float32, 4), round(score.iou, 4)
    return Row(
        what=f"docs/edge/map_on_edge.py, onnxruntime in float32: a GeoTIFF of {work.side} x "
        f"{work.side} px to GeoJSON, U-Net over {work.encoder}, {work.size_px} px windows, in a "
        "process of its own; Python's start and imports left out",
        against="the product in float32, likewise: load_model, map_raster with "
        f"{THREADS} threads, polygonise",
        ours=rates["float32"],
        baseline=rates["torch"],
        unit="megapixels/s",
        repeats=work.repeats,
        limit="the network's products; the script gives onnxruntime one window at a time",
        higher_is_better=True,
        facts=facts,
    )


def bench_edge_onnx() -> Row:
    """The script against the product."""
    return measure(EdgeWork())


def main(way: str, *words: str) -> None:
    """Map in this process, and print seconds and peak memory."""
    if way == "torch":
        from glacier.mapping import raster_map  # noqa: F401  # imports are not measured
    else:
        import onnxruntime  # noqa: F401
    began = time.perf_counter()
    WAYS[way](*words)
    taken = time.perf_counter() - began
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    print(json.dumps([taken, peak]))


if __name__ == "__main__":
    main(*sys.argv[1:])
