"""Any configuration that passes the check runs its stages, or was refused with a sentence.

Fifty drawn ones, always the same, at toy size; a handful trains too.
"""

import random
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from shapely.geometry import box

from glacier.archive.contents import read_records
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.checks import find_refusals
from glacier.config import Config
from glacier.errors import ConfigError, TrainingError
from glacier.flags import load_config
from glacier.geo.raster import Grid
from glacier.landsat import OPTICAL
from glacier.samples.month import MonthTask, prepare_month
from glacier.samples.month_images import MonthImage, read_images
from glacier.samples.prepare import describe_set
from glacier.samples.sample_set import samples_folder, write_set
from glacier.sources.factory import open_source
from glacier.training.sampler import WindowSampler
from glacier.training.saved import find_sweep, place_sweep
from glacier.training.sweep import run_sweep
from glacier.training.sweep_plan import SweepPlan, plan_sweep
from tests.support.tiny import ENCODER, write_tiny
from tests.support.user_files import write_month

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DRAWN = 70
SYNTHETIC = 50
"""So many of them are of the synthetic archive, the others of files."""

HANDFUL = 5
"""Configurations that are trained as well."""

LEAST_RUN = 15, 4
"""Configurations of both that have to pass, or the draw shows nothing."""

PLACES = ((-134.5, 58.5), (8.05, 46.45), (-125.2, 51.3), (-73.2, -49.3), (-134.45, 58.52))
"""Middles of regions, degrees; the last shares ground with the first."""


def draw_region(rng: random.Random, at: int) -> dict[str, Any]:
    """A small region, or a very small one."""
    (lon, lat), half = PLACES[at], rng.choice([0.01, 0.05, 0.1, 0.1])
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return {
        "name": f"place{at}",
        "polygon": [[lon + half * x, lat + half / 2 * y] for x, y in corners],
        "pixel_m": rng.choice([60, 100, 200]),
    }


def draw_values(seed: int) -> dict[str, Any]:
    """Values that a user might write, some of them beyond what can be."""
    rng = random.Random(seed)
    first = rng.randrange(12)
    last = first + rng.choice([2, 8, 14, 30])
    layout = rng.choice(["resize", "chips", "chips"])
    size = rng.choice([32, 32, 32, 64, 128])
    bands = ["nir", "red", "green", "blue", "swir1", "ndsi"]
    protocol = rng.choice(["honest", "honest", "honest", "notebook"])
    kinds = ["shuffled", "by_year", "by_region"]
    if layout == "chips" or rng.random() < 0.1:
        kinds += ["by_block"] * 3
    image = rng.choice([["nir", "red", "green"], ["nir", "red", "green"], rng.sample(bands, 4)])
    return {
        "seed": rng.randrange(1000),
        "regions": [draw_region(rng, at) for at in rng.sample(range(5), rng.choice([1, 2, 3, 4]))],
        "months": {
            "first": f"{2014 + first // 12}-{first % 12 + 1:02}",
            "last": f"{2014 + last // 12}-{last % 12 + 1:02}",
        },
        "ingest": {"synthetic": {"cloud_share": rng.choice([0.1, 0.35, 0.9])}},
        "prepare": {
            "layout": layout,
            "size_px": size,
            "stride_px": None if layout == "resize" else rng.choice([None, 16, size]),
            "image": image,
            "scale": rng.choice(["reflectance", "reflectance", "own_maximum"]),
            "blocks": [rng.choice([1, 2, 5]), rng.choice([3, 4, 5])],
            "label": {"kind": rng.choice(["truth", "ndsi", "threshold"])},
            "quick_looks": False,
        },
        "sweep": {
            "encoders": ["resnet43" if rng.random() < 0.05 else ENCODER],
            "protocol": protocol,
            "folds": {
                "kind": rng.choice(kinds),
                "count": rng.choice([2, 2, 2, 2, 3]),
                "validation_share": rng.choice([0, 0.2, 0.2]),
                "hold_out_last": rng.random() < 0.2,
            },
            "epochs": 1,
            "steps_per_epoch": 1,
            "batch_size": 2,
            "normalise": rng.choice(["training", "training", "training", "imagenet"]),
            "calibrate": rng.random() < 0.1,
            "test_time_augmentation": rng.random() < 0.2,
            "random_forest": False,
        },
    }


OUTLINES = {0: (440_000, 6_496_000), 50_000: (545_000, 6_496_000)}
"""Shift of each place, metres, and the lower left corner of its ice."""


def draw_files(folder: Path, seed: int) -> dict[str, Any]:
    """Drawn values with files of a user's own in place of the synthetic archive.

    Months or one image of some bands, labels by them or by outlines, some of them elsewhere.
    """
    rng, values = random.Random(seed), draw_values(seed)
    names = [f"place{at}" for at in range(rng.choice([1, 2]))]
    months = [f"{2014 + k // 12}-{k % 12 + 1:02}" for k in range(6, rng.choice([7, 16, 20]))]
    bands = rng.choice([list(OPTICAL), list(OPTICAL), ["SR_B5", "SR_B4", "SR_B3"]])
    for at, name in enumerate(names):
        grid = Grid("EPSG:32608", 500_000.0 + 50_000 * at, 6_500_000.0, 60.0, 90, 120)
        for k, month in enumerate(months):
            pixels = np.random.default_rng([seed, at, k])
            numbers = pixels.integers(7_500, 40_000, (len(bands), *grid.shape)).astype(np.uint16)
            layers = dict(zip(bands, numbers, strict=True))
            write_month(folder / "files" / name, f"{month}.tif", layers, grid)
    label = {"kind": rng.choice(["ndsi", "threshold", "outlines", "outlines"])}
    if label["kind"] == "outlines":
        right = rng.choice([503_000, 503_000, 496_000])  # the last reaches no region
        shapes = [box(*corner, right + shift, 6_510_000) for shift, corner in OUTLINES.items()]
        geopandas.GeoDataFrame(geometry=shapes, crs="EPSG:32608").to_file(folder / "o.gpkg")
        label |= {"outlines": str(folder / "o.gpkg"), "margin_m": rng.choice([0, 60])}
    settings: dict[str, Any] = {"path": str(folder / "files")}
    if len(months) == 1:
        places = {band: {"file": f"{months[0]}.tif", "band": k} for k, band in enumerate(bands, 1)}
        settings["images"] = [{"month": months[0], "bands": places}]
    values["regions"] = [{"name": name} for name in names]
    values["months"] = {"first": "2014-01", "last": "2015-12"}
    values["ingest"] = {"source": "folder", "folder": settings}
    values["prepare"] |= {"label": label, "size_px": 32}
    folds = values["sweep"]["folds"]
    folds |= {"kind": "by_block" if values["prepare"]["layout"] == "chips" else "shuffled"}
    return values


def check(folder: Path, seed: int) -> Config | str:
    """The drawn configuration, or what is said against it."""
    folder.mkdir(exist_ok=True)
    values = draw_files(folder, seed) if seed >= SYNTHETIC else draw_values(seed)
    try:
        config = load_config([str(write_tiny(folder, **values))])
    except ConfigError as error:
        return str(error)
    return "\n".join(find_refusals(config, "pipeline")) or config


def run_stages(config: Config) -> tuple[SweepPlan, list[MonthImage]]:
    """Ingest, prepare and the plan of the sweep, as the jobs do them but without Ray."""
    for target in list_months(config, open_source(config)):
        assert ingest_month(config, target).status != "failed"
    archives = read_records(config)
    folder = samples_folder(config, archives)
    tasks = [
        MonthTask(record, archive, folder, config.prepare)
        for archive, records in archives.items()
        for record in records
    ]
    samples = describe_set(config, [prepare_month(task) for task in tasks])
    assert not samples.failed, samples.failed
    write_set(folder, samples)
    images = read_images(folder, samples)
    return plan_sweep(config, place_sweep(config, folder)), images


def plan_windows(plan: SweepPlan, images: list[MonthImage]) -> None:
    """Training windows of every fold, one batch of each drawn."""
    size, whole = plan.samples.size_px, plan.samples.layout == "resize"
    for split in plan.splits:
        masks = [plan.masks.mask(image, split.train) for image in images]
        sampler = WindowSampler.plan(images, masks, size, whole)
        rng = np.random.default_rng(0)
        part = next(sampler.draw_batches(images, rng, plan.config.sweep))
        image, label = sampler.cut_batch(images, part)
        assert image.shape[-2:] == label.shape[-2:] == (size, size)


def lacks_images(config: Config) -> bool:
    """Whether clouds or snow have left fewer months than there might be, which nobody foresees."""
    return any(r.status != "ok" for records in read_records(config).values() for r in records)


@pytest.mark.parametrize("seed", range(DRAWN))
def test_a_configuration_runs_or_is_refused_with_a_sentence(tmp_path: Path, seed: int) -> None:
    config = check(tmp_path, seed)
    if isinstance(config, str):
        assert config and "Traceback" not in config
        assert all(len(line) < 600 for line in config.splitlines())
        return
    try:
        plan_windows(*run_stages(config))
    except (ConfigError, TrainingError) as error:
        assert lacks_images(config) and str(error)


def test_enough_of_them_can_run(tmp_path: Path) -> None:
    found = [isinstance(check(tmp_path / str(seed), seed), Config) for seed in range(DRAWN)]
    for part, least in zip((found[:SYNTHETIC], found[SYNTHETIC:]), LEAST_RUN, strict=True):
        assert least <= sum(part) < len(part)


@pytest.mark.ray
def test_a_handful_trains(tmp_path: Path, ray_local: None) -> None:
    trained = 0
    for seed in range(DRAWN):
        config = check(tmp_path / str(seed), seed)
        if isinstance(config, str) or trained == HANDFUL:
            continue
        run_stages(config)
        failed = run_sweep(config)
        assert (failed, find_sweep(config).result.failed) == (0, ())
        trained += 1
    assert trained == HANDFUL
