"""What a sweep costs beyond its trials."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from row import Row

ENCODER, SIZE, WIDTH, TRIAL_S = "resnet34", 64, 2, 100.0
"""The network, side of a sample in pixels, trials at once, and least seconds of a trial."""


def make_config(folder: str, epochs: int) -> Any:
    """Two years of a coarse synthetic Mendenhall, four folds of one encoder, a thread each."""
    from glacier.config import Config

    polygon = [(-134.62, 58.42), (-134.42, 58.42), (-134.42, 58.59), (-134.62, 58.59)]
    values = {
        "name": "overhead",
        "storage": folder,
        "results": f"{folder}/results",
        "regions": [{"name": "mendenhall", "polygon": polygon, "pixel_m": 150}],
        "months": {"first": "2014-01", "last": "2015-12"},
        "prepare": {"layout": "resize", "size_px": SIZE, "quick_looks": False},
        "sweep": {
            "encoders": [ENCODER],
            "folds": {"kind": "shuffled", "count": 4},
            "epochs": epochs,
            "batch_size": 4,
            "cpus_per_trial": 1,
            "random_forest": False,
        },
        "cluster": {"cpus": WIDTH},
    }
    return Config.model_validate(values)


def start_bare(folder: str, epochs: int, fold: int) -> subprocess.Popen[str]:
    """A trial as a plain process of one thread, without Ray."""
    command = [sys.executable, __file__, folder, str(epochs), str(fold)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def end_bare(process: subprocess.Popen[str]) -> float:
    """Seconds that its trial took."""
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"a bare trial ended with {process.returncode}")
    return float(json.loads(said.splitlines()[-1])["seconds"])


def run_bare(folder: str, epochs: int, fold: int) -> float:
    """Train one fold in this process; seconds from samples in memory to ``done.json``."""
    from glacier.archive.contents import read_records
    from glacier.samples.month_images import read_images
    from glacier.samples.sample_set import samples_folder
    from glacier.training.fit import run_trial
    from glacier.training.saved import place_sweep
    from glacier.training.sweep_plan import plan_sweep

    config = make_config(folder, epochs)
    at = samples_folder(config, read_records(config))
    plan = plan_sweep(config, place_sweep(config, at))
    images = read_images(at, plan.samples)
    with tempfile.TemporaryDirectory() as place:
        trial = dataclasses.replace(
            plan.trial(ENCODER, fold),
            folder=f"{place}/trial",
            model_folder=f"{place}/model",
        )
        began = time.perf_counter()
        run_trial(trial, images, lambda row: None)
        return time.perf_counter() - began


def time_sweep(config: Any) -> float:
    """Wall time of the sweep with Ray running."""
    from glacier.cluster import connect
    from glacier.training.sweep import run_sweep

    with connect(config.cluster):
        began = time.perf_counter()
        if run_sweep(config):
            raise RuntimeError("trials failed")
        return time.perf_counter() - began


def bench_sweep_overhead() -> Row:
    """The sum of four bare trials over the parallel width, against the sweep's wall time."""
    from glacier.archive.ingest import run_ingest
    from glacier.samples.prepare import run_prepare

    with tempfile.TemporaryDirectory() as folder:
        run_ingest(make_config(folder, 1))
        run_prepare(make_config(folder, 1))
        short, long = (end_bare(start_bare(folder, epochs, 0)) for epochs in (2, 12))
        epochs = math.ceil(TRIAL_S / ((long - short) / 10))
        alone = [end_bare(start_bare(folder, epochs, fold)) for fold in range(4)]
        beside = []
        for pair in ((0, 1), (2, 3)):
            processes = [start_bare(folder, epochs, fold) for fold in pair]
            beside += [end_bare(process) for process in processes]
        swept = time_sweep(make_config(folder, epochs))
        storage = sorted(Path(folder, "sweeps").glob("*/sweep.json"))
        inside = [trial["train_s"] for trial in json.loads(storage[0].read_text())["trials"]]
    return Row(
        what=f"run_sweep of four trials ({ENCODER}, {SIZE} px, {epochs} epochs, one thread each, "
        f"{WIDTH} at a time) with the baselines that need no forest, Ray's start left out",
        against=f"the sum of the same trials, each alone as a plain process, over {WIDTH}; a "
        "trial's time begins when torch and the samples are in memory",
        ours=swept,
        baseline=sum(alone) / WIDTH,
        unit="s",
        repeats=1,
        target=0.87,
        limit="what is not training, starts and imports of the workers before all: "
        f"{swept - sum(inside) / WIDTH:.0f} s of the sweep; as plain processes two at a time the "
        f"trials take {sum(beside) / sum(alone):.2f} of their time alone",
        facts={
            "bare_alone_s": [round(s, 1) for s in alone],
            "bare_two_at_a_time_s": [round(s, 1) for s in beside],
            "epochs_within_sweep_s": [round(s, 1) for s in inside],
            "ratio_to_bare_two_at_a_time": round(sum(beside) / WIDTH / swept, 3),
        },
    )


if __name__ == "__main__":
    seconds = run_bare(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"seconds": seconds}))
