"""A machine's speeds, made up."""

from glacier.planning.speeds import Speeds, TrialSpeed

TRIAL = TrialSpeed(encoder="a", step_s=1, glance_s=0.5, test_s=2, trial_s=10, memory_mb=1000)


def make_speeds(key: str, **changes: object) -> Speeds:
    """Those of a machine with four cores."""
    values = {
        "key": key, "machine": "m", "cores": 4, "gpus": 2, "ray_s": 8, "ray_mb": 800,
        "task_start_s": 3, "task_mb": 200, "import_s": 5, "import_mb": 500, "pixels": 100,
        "ingest_s": 2, "prepare_s": 1, "map_s": 4, "load_s": 2, "map_mb": 900, "model_mb": 100,
        "baselines_s": 6, "score_s": 0.5, "trials": (TRIAL,),
    }  # fmt: skip
    return Speeds.model_validate(values | changes)
