"""A measurement of this machine: every part is done once, and nothing is left."""

from pathlib import Path

import pytest

from glacier.planning.measure import mean_trial, measure_part, stand_in
from glacier.planning.months import settled
from glacier.planning.speeds import TrialSpeed
from tests.support.tiny import ENCODER, tiny_config


def test_scenes_of_a_network_are_stood_in_for(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    assert stand_in(config) is config
    asks = tiny_config(tmp_path, ingest={"source": "stac"}, prepare={"label": {"kind": "ndsi"}})
    assert stand_in(asks).ingest.source == "synthetic"
    assert stand_in(asks).prepare == asks.prepare


def test_the_first_of_several_pays_for_first_times() -> None:
    assert settled([9.0, 1.0, 3.0]) == 2.0 and settled([9.0]) == 9.0


def test_processes_side_by_side_count_by_their_mean() -> None:
    one = TrialSpeed(encoder="a", step_s=1, glance_s=1, test_s=1, trial_s=1, memory_mb=10)
    two = one.model_copy(update={"step_s": 3, "memory_mb": 30})
    assert (mean_trial([one, two]).step_s, mean_trial([one, two]).memory_mb) == (2, 20)


@pytest.mark.slow
def test_every_part_of_a_run_is_done_once_and_nothing_is_left(tmp_path: Path) -> None:
    part = measure_part(tiny_config(tmp_path), 0.0)
    (trial,) = part.trials
    assert trial.encoder == ENCODER and trial.step_s > 0 and trial.test_s > 0
    assert min(part.ingest_s, part.prepare_s, part.map_s, part.baselines_s, part.score_s) > 0
    assert part.pixels == 127 * 80 and list(tmp_path.iterdir()) == []
