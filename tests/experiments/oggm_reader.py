"""Whether OGGM's own reader takes our outlines, in an environment of its own.

    python tests/experiments/oggm_reader.py outlines.gpkg          # makes the environment: minutes
    python tests/experiments/oggm_reader.py outlines.gpkg FOLDER   # keeps it there for next time

Feeds the layer ``oggm`` to ``oggm.workflow.init_glacier_directories``, and the largest glaciers to
``define_glacier_region`` and ``glacier_masks``, on a made-up slope as their terrain. The package
index is needed once, and no other network: what OGGM and salem would fetch (coast lines, names of
regions) is stood in for.

Seen with OGGM 1.6.3: it took all 87 rows of a map of the glaciers around Everest that was cut at
the divides of RGI 6, each as a glacier of unknown type and with the year of its outline (OGGM turns
years from 2020 on into 2019). Its masks of the largest three were 0.2 to 7 % larger than the
outlines, since they count all pixels that an outline touches.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = (
    "oggm", "geopandas", "pyogrio", "rasterio", "salem", "scikit-image", "matplotlib", "netCDF4",
)  # fmt: skip
"""OGGM and what its reader imports but does not ask for."""

LARGEST = 3
"""Glaciers that are taken as far as a mask; reading is tried with all."""


def make_environment(folder: Path) -> Path:
    """The Python of a new environment with OGGM in it, or of one that is there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return python


def read_with_oggm(path: str, work: str) -> None:
    """Give OGGM the layer and say what it took; runs within the environment."""
    skip_downloads()
    import geopandas
    import oggm
    from oggm import cfg, tasks, workflow

    cfg.initialize_minimal(logging_level="ERROR")
    cfg.PATHS["working_dir"] = work
    cfg.PARAMS["use_intersects"] = cfg.PARAMS["use_multiprocessing"] = False
    cfg.PARAMS["border"] = 10
    name_regions()
    table = geopandas.read_file(path, layer="oggm")
    directories = workflow.init_glacier_directories(table)
    print(f"OGGM {oggm.__version__} took {len(directories)} of {len(table)} rows")
    cfg.PATHS["dem_file"] = draw_slope(table.total_bounds, work)
    for glacier in sorted(directories, key=lambda each: -each.rgi_area_km2)[:LARGEST]:
        tasks.define_glacier_region(glacier, source="USER")
        tasks.process_dem(glacier)
        tasks.glacier_masks(glacier)
        print(glacier)
        print(f"  Date: {glacier.rgi_date}, mask {measure_mask(glacier):.3f} km2")


def skip_downloads() -> None:
    """Give salem an empty archive for its sample data, which it fetches when it is imported."""
    import urllib.request
    import zipfile

    def write_nothing(url: str, path: str, *_: object) -> None:
        zipfile.ZipFile(path, "w").close()

    urllib.request.urlretrieve = write_nothing


def name_regions() -> None:
    """Stand in for the names of regions, which OGGM fetches."""
    import pandas
    from oggm.utils import _funcs

    regions = pandas.DataFrame({"Full_name": [f"region {k}" for k in range(20)]}, range(20))
    parts = pandas.DataFrame({"Full_name": ["part"]}, ["00-00"])
    _funcs._RGI_METADATA["6"] = (regions, parts)


def draw_slope(bounds: tuple[float, float, float, float], work: str) -> str:
    """A slope up to the north-east over all outlines, as a GeoTIFF in degrees."""
    import numpy as np
    import rasterio

    west, south, east, north = bounds
    margin, side = 0.1, 0.001
    width, height = (round((b - a + 2 * margin) / side) for a, b in ((west, east), (south, north)))
    slope = 4000 + np.add.outer(np.arange(height)[::-1], np.arange(width)).astype("float32")
    path = f"{work}/slope.tif"
    place = rasterio.Affine(side, 0, west - margin, 0, -side, north + margin)
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype="float32",
        crs="EPSG:4326", transform=place,
    ) as out:  # fmt: skip
        out.write(slope, 1)
    return path


def measure_mask(glacier: object) -> float:
    """Area of OGGM's mask of a glacier, km2."""
    import netCDF4

    with netCDF4.Dataset(glacier.get_filepath("gridded_data")) as data:
        return float(data["glacier_mask"][:].sum()) * glacier.grid.dx**2 / 1e6


def main(arguments: list[str]) -> int:
    """Make the environment, and run the reading in it."""
    if arguments[0] == "--within":
        read_with_oggm(*arguments[1:])
        return 0
    path, *kept = arguments
    with tempfile.TemporaryDirectory() as scratch:
        python = make_environment(Path(kept[0] if kept else f"{scratch}/environment"))
        work = Path(scratch) / "work"
        work.mkdir()
        command = [str(python), __file__, "--within", str(Path(path).absolute()), str(work)]
        home = {**os.environ, "HOME": scratch}  # for their caches
        return subprocess.run(command, env=home).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
