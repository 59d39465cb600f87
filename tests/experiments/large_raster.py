"""How much memory a map takes, by the height of its raster.

    python tests/experiments/large_raster.py [ENCODER]

maps rasters of 10,000 columns and of 2,000 and 10,000 rows, three bands of noise as Landsat stores
them, each in a process of its own, by a network with random weights (resnet34 unless another is
named) that looks at windows of 256 px side by side. Prints the peak of each process's memory, its
time, and what memory grows by from the lower to the higher raster.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from glacier.geo.raster_rows import open_landsat
from glacier.mapping.answers import LoadedModel
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.raster_map import map_raster
from glacier.training.inference import Viewer, take_device
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card

WIDTH, HEIGHTS, ROWS = 10_000, (2_000, 10_000), 256
NAMES = ("SR_B3", "SR_B4", "SR_B5")


def write_noise(path: Path, height: int) -> None:
    """Three bands of noise, row by row."""
    rng = np.random.default_rng(height)
    profile = {
        "driver": "GTiff", "width": WIDTH, "height": height, "count": 3, "dtype": "uint16",
        "crs": "EPSG:32608", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 6.5e6), "nodata": 0,
        "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "zstd",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.descriptions = NAMES
        for top in range(0, height, ROWS):
            rows = min(ROWS, height - top)
            values = rng.integers(8_000, 40_000, (3, rows, WIDTH), np.uint16)
            out.write(values, window=Window(0, top, WIDTH, rows))


def map_noise(path: Path, encoder: str) -> None:
    """Map it, and print what it took."""
    device = take_device(2, 0)
    torch.manual_seed(0)
    windows = {"size_px": 256, "stride_px": 256, "mean": (0.4,) * 3, "std": (0.3,) * 3}
    card = make_card(encoder=encoder, inference=windows)
    model = LoadedModel(Viewer.of(build_unet(encoder, 3).eval().to(device), card.inference), card)
    name, began = ModelName(encoder=encoder, fold=0), time.monotonic()
    with open_landsat(path, NAMES) as image:
        part = Part(rectangles=None, models=(name,))
        files = path.with_name("p.tif"), path.with_name("c.tif")
        tally = map_raster(image, [part], {name: model}, files)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    pixels = tally.glacier + tally.ground + tally.unseen
    print(json.dumps({"peak_mb": peak_mb, "seconds": time.monotonic() - began, "pixels": pixels}))


def main(encoder: str) -> None:
    """Both rasters, and what memory grows by."""
    peaks = []
    for height in HEIGHTS:
        with TemporaryDirectory() as folder:
            path = Path(folder, "noise.tif")
            write_noise(path, height)
            command = [sys.executable, __file__, encoder, str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        peaks.append(found["peak_mb"])
        speed = found["pixels"] / found["seconds"] / 1e6
        print(f"{height} x {WIDTH} px by {encoder}: peak {found['peak_mb']:.0f} MB, "
              f"{found['seconds']:.0f} s, {speed:.2f} megapixels a second", flush=True)  # fmt: skip
    print(f"five times the height takes {100 * (peaks[1] / peaks[0] - 1):+.1f} % of memory")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        map_noise(Path(sys.argv[2]), sys.argv[1])
    else:
        main(*sys.argv[1:] or ["resnet34"])
