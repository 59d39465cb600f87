"""What networks that learned on synthetic glaciers see elsewhere: other inventions, real images.

    GLACIER_REAL_DATA=... make realism

After ``jobs.pipeline jobs/realism.yaml`` this maps a glacier of each fold with the network that
never saw it, and two real images with the mean of both networks. Pictures and ``seen.json`` go to
``results/realism/``. Nothing is tuned for this; the training settings are those of the Everest
run, chosen after test strips of that image had been seen.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.composite import Composite, Scene, composite_scenes
from glacier.config import Config
from glacier.evaluation.calibration import Calibration
from glacier.evaluation.metrics import count_pixels
from glacier.flags import load_config
from glacier.geo.raster_files import safe_open
from glacier.indices import colour
from glacier.plots.figures import INK, MUTED, encode_figure, new_figure
from glacier.plots.pictures import CLASSES, classify_errors, paint_colour
from glacier.samples.image import ImageRecipe, make_image
from glacier.samples.outlines import glacier_on
from glacier.sources.factory import open_source
from glacier.training import baselines
from glacier.training.model_files import map_probability
from glacier.training.saved import SavedSweep, find_sweep

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results" / "realism"
MONTHS = (date(2018, 8, 1), date(2018, 10, 1))
"""Of the pictures of synthetic glaciers: late summer, and under new snow."""

ETM_LEVELS = {"nir": (157.4, 1039.0), "red": (152.9, 1533.0), "green": (196.5, 1812.0)}
"""Radiance at 255 in high gain, W/m2/sr/um, and of the sun outside the air, W/m2/um.

Source: Landsat 7 Science Data Users Handbook, tables 11.2 and 11.3.
"""

SUN_DISTANCE_AU, SUN_ELEVATION_DEG = 0.993, 44.0
"""Of the Everest image at about 04:37 UTC, computed: the files do not say them, nor the gains."""


@dataclass(frozen=True)
class View:
    """An image and what the networks predict."""

    title: str
    image: NDArray[np.float32]
    """(3, H, W) float32 near infrared, red, green; NaN where unseen."""
    label: NDArray[np.uint8] | None
    """(H, W) uint8: 1 glacier, 0 not, 255 unknown; None where nobody knows."""
    probability: NDArray[np.float32]
    """(H, W) float32, 0..1, NaN where unseen."""

    def predicted(self) -> NDArray[np.bool_]:
        """(H, W) bool, predicted glacier."""
        return np.nan_to_num(self.probability) >= Calibration.threshold


def map_ice(image: NDArray[np.float32], folders: list[str]) -> NDArray[np.float32]:
    """Mean probability of glacier by some models: (H, W) float32, NaN where unseen."""
    predictions = [map_probability(folder, image) for folder in folders]
    return np.asarray(np.mean(predictions, axis=0), np.float32)


def view_unseen(saved: SavedSweep) -> list[View]:
    """The first test glacier of each fold, mapped by the network that never saw it."""
    wanted = {
        f"{saved.result.split(trial.fold).test[0]}/{month:%Y-%m}": saved.places.model(
            trial.encoder, trial.fold
        )
        for trial in saved.result.trials
        for month in MONTHS
    }
    images = {image.key: image for image in saved.read_images(wanted)}
    return [
        View(
            f"{images[key].region}, {images[key].month:%B %Y}",
            images[key].image,
            images[key].label,
            map_ice(images[key].image, [model]),
        )
        for key, model in wanted.items()
    ]


def top_of_atmosphere(bands: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Everest's false colour as reflectance above the air, were all gains high."""
    light = np.sin(np.radians(SUN_ELEVATION_DEG)) / (np.pi * SUN_DISTANCE_AU**2)
    return np.stack([
        colour(bands, name) * np.float32(at_255 / (sun * light))
        for name, (at_255, sun) in ETM_LEVELS.items()
    ])  # fmt: skip


def match_moments(image: NDArray[np.float32], model: str) -> NDArray[np.float32]:
    """The image with the mean and spread, band for band, of a model's training pixels."""
    card = seals.read_json(store.join(model, "model.json"))
    mean, std = (np.array(card[name], np.float32)[:, None, None] for name in ("mean", "std"))
    own_mean = np.nanmean(image, axis=(1, 2), keepdims=True)
    own_std = np.nanstd(image, axis=(1, 2), keepdims=True)
    return np.asarray((image - own_mean) / own_std * std + mean, np.float32)


def view_everest(config: Config, models: list[str]) -> list[View]:
    """Everest in three readings, since nobody knows the gains of its 8-bit numbers."""
    everest = load_config([str(ROOT / "jobs" / "everest.yaml")], "")
    source, region = open_source(everest), everest.regions[0]
    taken = date(2000, 10, 1)
    month = source.fetch_month(region, taken)
    assert isinstance(month, Composite)
    label = glacier_on(everest.prepare.label, region.name, taken, source.grid(region), "")
    simple = make_image(month.bands, ImageRecipe.of(config.prepare))
    readings = {
        "number / 255, as in everest.yaml": simple,
        "reflectance, were all gains high": top_of_atmosphere(month.bands),
        "mean and spread of the training": match_moments(simple, models[0]),
    }
    return [View(name, image, label, map_ice(image, models)) for name, image in readings.items()]


def find_greenland() -> Path:
    """Folder of the scene, which has to be there before anything is drawn."""
    below = Path(os.environ["GLACIER_REAL_DATA"], "landsat_c2l2")
    found = sorted(below.glob("*_005009_*"))
    if not found:
        raise SystemExit(f"{below} holds no scene *_005009_*; see the README on where it is from")
    return found[0]


def view_greenland(config: Config, folder: Path, models: list[str]) -> View:
    """The clear pixels of a scene on the ice sheet, masked as ``jobs.ingest`` does."""
    bands = {}
    for path in folder.glob("*.TIF"):
        with safe_open(path) as file:
            bands[re.split(r"_T\d_", path.stem)[1]] = file.read(1)
    qa = bands.pop("QA_PIXEL")
    scene = Scene("005009", datetime(2015, 7, 10, tzinfo=UTC), bands, qa, 40.0)
    month = composite_scenes([scene], "ice")
    assert isinstance(month, Composite)
    image = make_image(month.bands, ImageRecipe.of(config.prepare))
    return View("Greenland, 2015-07-10", image, None, map_ice(image, models))


def score(view: View) -> dict[str, Any]:
    """Overlap with the label, and what methods without a network have; or the share called ice."""
    seen = np.isfinite(view.probability)
    found = view.predicted()
    if view.label is None:
        return {"title": view.title, "predicted_glacier": float(found[seen].mean())}
    simple = baselines.threshold_prediction(view.image, ("nir", "red", "green"), (0, 1), 128)
    counts = {
        name: count_pixels(predicted, view.label, seen)
        for name, predicted in (
            ("network", found), ("threshold", simple), ("all_glacier", np.ones_like(found)),
        )
    }  # fmt: skip
    network = counts["network"]
    return {
        "title": view.title,
        "iou": {name: count.iou for name, count in counts.items()},
        "precision": network.precision,
        "recall": network.recall,
    }


def draw_views(views: list[View], name: str, caption: str) -> None:
    """One row a view: image, probability, and errors or the map."""
    height, width = views[0].probability.shape
    each_in = 2.9
    figure = new_figure(each_in * 3 + 0.5, (each_in * height / width + 0.3) * len(views) + 0.3)
    figure.suptitle(caption, color=INK, fontsize=10, x=0.01, ha="left")
    grid = figure.subplots(len(views), 3, squeeze=False)
    palette = np.array(CLASSES, np.uint8)
    for row, view in zip(grid, views, strict=True):
        seen = np.isfinite(view.probability)
        row[0].imshow(paint_colour(view.image, (0, 1), 1.0))
        shown = row[1].imshow(view.probability, vmin=0, vmax=1, cmap="cividis")
        figure.colorbar(shown, ax=row[1], fraction=0.04, pad=0.02).ax.tick_params(labelsize=7)
        label = view.label if view.label is not None else np.ones(seen.shape, np.uint8)
        row[2].imshow(palette[classify_errors(view.predicted(), label, seen)])
        if view.label is not None:
            edge = np.ma.masked_greater(view.label, 1)
            for axes in row[:2]:
                axes.contour(edge, [0.5], colors="#D55E00", linewidths=0.6)
        row[0].set_title(view.title, color=INK, fontsize=8, loc="left")
        row[1].set_title("probability of glacier", color=INK, fontsize=8, loc="left")
        row[2].set_title(describe_map(view), color=INK, fontsize=8, loc="left")
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color(MUTED)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.png").write_bytes(encode_figure(figure, caption, 128).png)


def describe_map(view: View) -> str:
    """Legend of the right panel, with its number."""
    seen, predicted = np.isfinite(view.probability), view.predicted()
    if view.label is None:
        return f"light blue: predicted glacier, {predicted[seen].mean():.0%}"
    iou = count_pixels(predicted, view.label, seen).iou
    return f"IoU {iou:.2f}: right, false (orange), missed (dark)"


def main(flags: list[str]) -> int:
    """Draw all pictures and keep the numbers."""
    greenland = find_greenland()
    config = load_config([str(ROOT / "jobs" / "realism.yaml"), *flags], __doc__ or "")
    saved = find_sweep(config)
    models = [saved.places.model(trial.encoder, trial.fold) for trial in saved.result.trials]
    groups = {
        "unseen": (view_unseen(saved), "Synthetic glaciers that the network never saw"),
        "everest": (view_everest(config, models), "Everest, 2000-10-30, read in three ways"),
        "greenland": (
            [view_greenland(config, greenland, models)],
            "Greenland's ice sheet, 500 m a pixel",
        ),
    }
    for name, (views, caption) in groups.items():
        draw_views(views, name, caption)
    scores = {name: [score(view) for view in views] for name, (views, _) in groups.items()}
    seals.write_json(str(OUT / "seen.json"), scores)
    print(scores)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
