"""The laws of a plan in closed form: what doubles, what halves, and what stays as it is."""

from dataclasses import replace

import pytest

from glacier.planning.laws import (
    REPORT_IMPORTS,
    TUNE_S,
    Work,
    count_places,
    ingest_s,
    predict_mb,
    predict_run,
    predict_s,
    queue_s,
    series_mb,
    series_s,
    start_s,
    sweep_mb,
    sweep_s,
    tasks_mb,
    tasks_s,
    trial_s,
)
from tests.support.speeds import TRIAL as FAST
from tests.support.speeds import make_speeds

SLOW = FAST.model_copy(update={"encoder": "b", "step_s": 2, "memory_mb": 1500})
SPEEDS = make_speeds("k", trials=(FAST, SLOW))
WORK = Work(
    months=40, unprepared=40, trials_due=True, maps_due=True, images=40, pixels=100,
    encoders=("a", "b"), folds=4, epochs=3, steps=5, glanced=6, tested=10, models_a_map=1,
    cpus_per_trial=2, gpu_share=0, cpus_per_map=1,
)  # fmt: skip


def test_months_share_the_cores_and_grow_with_their_pixels() -> None:
    assert tasks_s(40, 2, WORK, SPEEDS) == 3 + 10 * 2
    assert tasks_s(41, 2, WORK, SPEEDS) == 3 + 11 * 2
    assert tasks_s(40, 2, replace(WORK, pixels=300), SPEEDS) == 3 + 10 * 2 * 3
    assert tasks_s(40, 2, replace(WORK, nodes=2), SPEEDS) == 3 + 5 * 2
    assert tasks_s(0, 2, WORK, SPEEDS) == 0


def test_what_a_network_brings_is_not_known_unless_it_is_there() -> None:
    asks = SPEEDS.model_copy(update={"ingest_s": None})
    assert ingest_s(WORK, asks) is None and ingest_s(replace(WORK, months=0), asks) == 0
    prediction = predict_run(WORK, asks, 3.0)
    assert prediction.seconds is None and prediction.cost is None


def test_a_trial_is_its_epochs_its_test_and_what_it_needs_besides() -> None:
    assert trial_s(WORK, FAST) == 10 + 3 * (5 * 1 + 6 * 0.5) + 9 * 2
    assert trial_s(replace(WORK, epochs=6), FAST) == 10 + 6 * 8 + 18
    assert trial_s(replace(WORK, glanced=0, tested=1), FAST) == 10 + 15


@pytest.mark.parametrize(
    ("taken", "places", "ends"),
    [([4, 4, 4, 4], 2, 8), ([4, 4, 4], 2, 8), ([9, 1, 1, 1], 2, 9), ([3], 8, 3), ([2, 2], 1, 4)],
)
def test_trials_begin_where_a_place_is_free_first(
    taken: list[float], places: int, ends: float
) -> None:
    assert queue_s(taken, places) == ends


def test_a_sweep_is_its_queue_and_the_simple_methods_on_all_cores() -> None:
    fast, slow = trial_s(WORK, FAST), trial_s(WORK, SLOW)
    simple, mean = 4 * (6 + 9 * 0.5) / 4, 4 * 10 * 0.5 / 4
    assert sweep_s(WORK, SPEEDS) == TUNE_S + 5 + 2 * fast + 2 * slow + simple + mean
    twice = replace(WORK, nodes=2)
    assert sweep_s(twice, SPEEDS) == TUNE_S + 5 + fast + slow + simple / 2 + mean
    assert sweep_s(replace(WORK, trials_due=False), SPEEDS) == 0


@pytest.mark.parametrize(
    ("gpus", "share", "places"),
    [(2, 1, 2), (4, 2, 2), (1, 0.2, 1), (0, 1, 1), (8, 1, 2), (0, 0, 2)],
)
def test_trials_on_gpus_are_as_many_as_there_are_gpus_and_cores(
    gpus: int, share: float, places: int
) -> None:
    speeds = SPEEDS.model_copy(update={"gpus": gpus})
    assert count_places(replace(WORK, gpu_share=share), speeds) == places


def test_maps_load_the_models_of_all_folds_in_each_process() -> None:
    assert predict_s(WORK, SPEEDS) == 5 + 4 * 2 + 10 * 4
    assert predict_s(replace(WORK, models_a_map=2), SPEEDS) == 5 + 8 * 2 + 10 * 8
    assert predict_mb(WORK, SPEEDS) == 800 + 4 * (900 + 3 * 100)
    assert predict_s(replace(WORK, images=0), SPEEDS) == series_s(replace(WORK, images=0), SPEEDS)


def test_memory_of_a_sweep_is_that_of_the_trials_side_by_side() -> None:
    assert sweep_mb(WORK, SPEEDS) == 800 + 2 * 1500
    assert sweep_mb(replace(WORK, cpus_per_trial=4), SPEEDS) == 800 + 1500
    assert sweep_mb(replace(WORK, trials_due=False), SPEEDS) == 800
    assert tasks_mb(SPEEDS) == 800 + 500 + 4 * 200


def test_what_is_complete_takes_nothing() -> None:
    done = replace(WORK, months=0, unprepared=0, trials_due=False, maps_due=False)
    seconds = {stage.stage: stage.seconds for stage in predict_run(done, SPEEDS, None).stages}
    assert seconds.pop("start") == start_s(done, SPEEDS) == 8 and set(seconds.values()) == {0}


def test_all_stages_add_up_to_time_and_cost() -> None:
    prediction = predict_run(WORK, SPEEDS, 3.6)
    report = next(stage for stage in prediction.stages if stage.stage == "report")
    assert report.seconds == REPORT_IMPORTS * 5
    assert prediction.seconds == sum(stage.seconds or 0 for stage in prediction.stages)
    assert prediction.cost == pytest.approx(prediction.seconds / 1000)
    assert prediction.memory_mb == max(sweep_mb(WORK, SPEEDS), series_mb(WORK, SPEEDS))
    assert series_mb(WORK, SPEEDS) == predict_mb(WORK, SPEEDS) + 4 * 200
    assert predict_run(WORK, SPEEDS, None).cost is None
