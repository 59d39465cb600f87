"""A storage with finished sweeps whose networks learned nothing, and images for them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from glacier import seals, store
from glacier.config import Config
from glacier.geo.raster import Grid, encode_cog
from glacier.landsat import digital_number
from glacier.samples.sample_set import write_set
from glacier.settings.predict import Predict
from glacier.training.model_files import save_model
from glacier.training.unet import build_unet
from tests.support import saved_sweeps
from tests.support.model_cards import make_card
from tests.support.sweeps import make_config, make_sweep
from tests.support.tiny import ENCODER

BANDS = ("SR_B3", "SR_B4", "SR_B5")
WINDOWS = {"size_px": 32, "stride_px": 16, "mean": (0.3,) * 3, "std": (0.2,) * 3}


def write_sweep(
    folder: Path, name: str, encoders: Sequence[str] = (ENCODER,), folds: int = 2, seed: int = 0
) -> str:
    """Write a finished sweep with its samples' description and its networks.

    Args:
        folder: The storage.
        name: Of the sweep's folder, likewise of those of its samples and networks.
        encoders: Its encoders.
        folds: Networks of each.
        seed: Of their weights.

    Returns:
        Address of the sweep.
    """
    dice = {encoder: [0.8 + 0.05 * fold for fold in range(folds)] for encoder in encoders}
    result = make_sweep(dice).model_copy(update={"samples": name, "models": name})
    own = saved_sweeps.make_config(folder)
    write_set(str(folder / "samples" / name), saved_sweeps.describe_samples(own))
    for encoder in encoders:
        for fold in range(folds):
            torch.manual_seed(seed + 10 * fold)
            card = make_card(
                encoder=encoder, fold=fold, pixel_m=(30, 30), inference=WINDOWS, threshold=0.45
            )
            place = folder / "models" / name / encoder / f"fold-{fold}"
            save_model(str(place), build_unet(encoder, 3).state_dict(), card)
    seals.write_model(str(folder / "sweeps" / name / "sweep.json"), result)
    return store.join(str(folder), "sweeps", name)


def serve_config(folder: Path, sweep: str, **predict: object) -> Config:
    """A run that serves a sweep of a storage."""
    config = make_config([ENCODER], storage=str(folder), serve={"cpus_per_worker": 1})
    settings = Predict.model_validate({"sweep": sweep, "images": str(folder)} | predict)
    return config.model_copy(update={"predict": settings})


def write_image(
    path: Path, shape: tuple[int, int] = (80, 70), pixel_m: float = 30, names: bool = True
) -> Path:
    """Three bands of noise over a slope, an unseen corner, somewhere in Alaska."""
    rng = np.random.default_rng(7)
    slope = np.add.outer(np.linspace(0, 0.5, shape[0]), np.linspace(0, 0.4, shape[1]))
    bands = {}
    for name in BANDS:
        values = slope + rng.normal(0.1, 0.03, shape)
        values[:9, :7] = np.nan
        bands[name if names else f"x{name}"] = digital_number(values)
    grid = Grid("EPSG:32608", 500_000, 6_500_000, pixel_m, *shape)
    path.write_bytes(encode_cog(bands, grid, {}))
    return path
