"""The laws against kept runs: with the epochs that they measured, their whole time comes out."""

import json
from pathlib import Path
from typing import Any

import pytest

from glacier.planning.laws import Work, predict_run
from glacier.planning.speeds import TrialSpeed
from tests.support.speeds import make_speeds

RESULTS = Path(__file__).parents[2] / "results"

REST = {
    "cores": 2, "ray_s": 6, "import_s": 6, "task_start_s": 3, "ingest_s": 0.6, "prepare_s": 0.3,
    "map_s": 0.5, "baselines_s": 8, "score_s": 0.05, "pixels": 1,
}  # fmt: skip
"""What the kept runs did not note, as two cores do it that nobody else uses."""


def read_speeds(run: str, batch: int, steps: int, glanced: int, trial_s: float) -> Any:
    """Speeds by the epochs of a kept run."""
    encoders = json.loads((RESULTS / run / "summary.json").read_text())["encoders"]
    trials = []
    for name, row in encoders.items():
        step_s = batch / row["images_per_s"]
        glance_s = max(0.0, row["epoch_s"] - steps * step_s) / max(1, glanced)
        trials.append(TrialSpeed(encoder=name, step_s=step_s, glance_s=glance_s, test_s=0.2,
                                 trial_s=trial_s, memory_mb=1500))  # fmt: skip
    return make_speeds("k", **REST, trials=tuple(trials)), tuple(encoders)


def make_work(encoders: tuple[str, ...], **changes: Any) -> Work:
    values = {
        "unprepared": changes["months"], "trials_due": True, "maps_due": True, "pixels": 1,
        "encoders": encoders, "folds": 5, "models_a_map": 1, "cpus_per_trial": 1, "gpu_share": 0,
        "cpus_per_map": 1,
    }  # fmt: skip
    return Work(**(values | changes))


def test_everest_took_what_the_laws_say() -> None:
    speeds, encoders = read_speeds("everest", batch=8, steps=60, glanced=0, trial_s=45)
    work = make_work(encoders, months=1, images=1, epochs=20, steps=60, glanced=0, tested=1)
    wall_s = json.loads((RESULTS / "everest/summary.json").read_text())["wall_s"]
    predicted = predict_run(work, speeds, None).seconds
    assert predicted is not None and 1 / 1.5 < predicted / wall_s < 1.5


def test_both_protocols_of_the_notebook_took_what_the_laws_say() -> None:
    """Two hours and ten minutes together, as the table of kept runs has it."""
    total = 0.0
    for run, glanced, steps in (("published", 20, 10), ("honest", 16, 8)):
        speeds, encoders = read_speeds(f"notebook/{run}", 8, steps, glanced, trial_s=12)
        work = make_work(
            encoders, months=98, images=98, epochs=30, steps=steps, glanced=glanced, tested=20
        )
        total += predict_run(work, speeds, None).seconds or 0.0
    assert total == pytest.approx(130 * 60, rel=0.25)
