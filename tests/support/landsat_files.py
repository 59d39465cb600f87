"""Synthetic scenes written as USGS would deliver them: one GeoTIFF a band, by product name."""

from datetime import date
from pathlib import Path

import numpy as np

from glacier.composite import Scene
from glacier.config import Config
from glacier.geo.raster import encode_cog
from glacier.settings.synthetic import Synthetic
from glacier.sources.synthetic.source import SyntheticSource


def synthetic(config: Config) -> SyntheticSource:
    """The synthetic archive of another source's months, of two scenes each."""
    few = {"synthetic": Synthetic(scenes_per_month=(2, 2))}
    ingest = config.ingest.model_copy(update=few)
    return SyntheticSource.from_config(config.model_copy(update={"ingest": ingest}))


def product_name(scene: Scene, platform: int = 8) -> str:
    """The name without processing date, as catalogues have it."""
    return f"LC0{platform}_L2SP_057019_{scene.acquired:%Y%m%d}_02_T1"


def write_scene(folder: Path, config: Config, scene: Scene, platform: int = 8) -> dict[str, Path]:
    """Write a scene into a folder of its own; returns its files by band."""
    grid = synthetic(config).grid(config.regions[0])
    name = product_name(scene, platform).replace("_02_T1", "_20260101_02_T1")
    layers = dict(scene.bands) | {"QA_PIXEL": scene.qa_pixel}
    if scene.qa_radsat is not None:
        layers["QA_RADSAT"] = scene.qa_radsat
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    files = {}
    for band, pixels in layers.items():
        files[band] = home / f"{name}_{band}.TIF"
        files[band].write_bytes(encode_cog({band: pixels.astype(np.uint16)}, grid, {}))
    (home / f"{name}_MTL.txt").write_text(
        f"    DATE_ACQUIRED = {scene.acquired:%Y-%m-%d}\n"
        f'    SCENE_CENTER_TIME = "{scene.acquired:%H:%M:%S}.8610990Z"\n'
        f"    SUN_ELEVATION = {scene.sun_elevation_deg:.8f}\n"
    )
    return files


def scenes_of(config: Config, month: date) -> list[Scene]:
    return synthetic(config).fetch_scenes(config.regions[0], month)
