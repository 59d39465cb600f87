"""The same application by Ray Serve."""

import subprocess
import sys
from pathlib import Path

import pytest

from glacier.serving.on_ray import describe_replicas
from glacier.settings.serve import Serve

ROOT = Path(__file__).parents[2]


def test_replicas_have_what_their_workers_take() -> None:
    told = describe_replicas(Serve(workers=3, cpus_per_worker=2, gpus_per_worker=0.25))
    assert told["ray_actor_options"] == {"num_cpus": 6, "num_gpus": 0.75}
    assert told["num_replicas"] == 1 and "autoscaling_config" not in told
    told = describe_replicas(Serve(workers=3, gpus_per_worker=0.5, replicas=(1, 4), folder="x"))
    assert told["ray_actor_options"]["num_gpus"] == 2
    assert told["autoscaling_config"]["max_replicas"] == 4 and "num_replicas" not in told


@pytest.mark.slow
@pytest.mark.ray
def test_replicas_answer_alike_and_know_each_others_maps(tmp_path: Path) -> None:
    """In a program of its own, as a service is: Ray Serve outlives what it is asked by."""
    command = [sys.executable, "-m", "tests.support.replicas", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
