"""Strategies compared over the same streams."""

import numpy as np
import pytest
from scipy import stats

from glacier.evaluation.forgetting import ScoreMatrix
from glacier.evaluation.streams import (
    Runs,
    compare_with,
    judge_replay,
    rank_methods,
    recommend,
)

CELLS = [(order, seed) for order in range(3) for seed in range(3)]


def make_runs(end: float, spread: float = 0.01) -> Runs:
    """Trials of two tasks that end at about the same score, each a little off its own way."""
    ends = end + spread * np.random.default_rng(int(1000 * end)).normal(size=len(CELLS))
    return {
        cell: ScoreMatrix(tasks=("a", "b"), rows=((0.1, 0.1), (0.9, 0.2), (value, value)))
        for cell, value in zip(CELLS, ends, strict=True)
    }


RUNS = {
    "naive": make_runs(0.5),
    "joint": make_runs(0.9),
    "replay, 5 %": make_runs(0.8),
    "ewc": make_runs(0.501),
}


def test_the_interval_is_that_of_nadeau_and_bengio() -> None:
    found = compare_with(RUNS, "naive", ["joint"], ratio=0.25)["joint"]
    one, other = (
        np.array([RUNS[name][cell].measure().average for cell in CELLS])
        for name in ("joint", "naive")
    )
    difference = one - other
    error = np.sqrt((1 / 9 + 0.25) * difference.var(ddof=1))
    reach = stats.t.ppf(0.975, 8) * error
    assert found.difference == pytest.approx(difference.mean())
    assert (found.low, found.high) == pytest.approx(
        (difference.mean() - reach, difference.mean() + reach)
    )
    assert found.p == pytest.approx(2 * stats.t.sf(abs(difference.mean()) / error, 8))


def test_only_trials_of_both_are_paired() -> None:
    short = dict(list(RUNS["ewc"].items())[:4])
    found = compare_with({**RUNS, "ewc": short}, "naive", ["ewc"], ratio=0.25)["ewc"]
    pairs = [
        RUNS["ewc"][cell].measure().average - RUNS["naive"][cell].measure().average
        for cell in CELLS[:4]
    ]
    assert found.difference == pytest.approx(np.mean(pairs))


def test_rows_say_what_is_kept_and_which_share_of_the_gap_is_closed() -> None:
    rows = {row.method: row for row in rank_methods(RUNS, "naive", "joint", 0.25)}
    assert list(rows) == list(RUNS)
    assert (rows["naive"].gap_closed, rows["joint"].gap_closed) == (0, 1)
    assert rows["replay, 5 %"].gap_closed == pytest.approx(0.75, abs=0.05)
    assert rows["naive"].against_floor is None and rows["joint"].against_floor
    assert rows["naive"].forgetting.mean == pytest.approx(0.4, abs=0.02)
    assert rows["naive"].forward.mean == pytest.approx(0.1)


def test_failed_methods_stay_in_the_correction() -> None:
    few, many = (rank_methods(RUNS, "naive", "joint", 0.25, planned) for planned in (3, 30))
    assert few[3].against_floor and many[3].against_floor and few[1].against_floor
    assert many[1].against_floor.p_holm == pytest.approx(10 * few[1].against_floor.p_holm)
    assert [row.method for row in rank_methods({**RUNS, "som": {}}, "naive", "joint", 0.2)] == list(
        RUNS
    )


def test_the_best_that_is_shown_to_be_better_is_taken() -> None:
    rows = rank_methods(RUNS, "naive", "joint", 0.25)
    said = recommend(RUNS, rows, "naive", "joint", 0.25)
    assert said.startswith("Use replay, 5 %: it ends at a mean IoU of 0.7")
    assert "no difference" not in said
    twin = {**RUNS, "twin": make_runs(0.801)}
    said = recommend(twin, rank_methods(twin, "naive", "joint", 0.25), "naive", "joint", 0.25)
    assert "no difference found between it and" in said


def test_where_nothing_is_shown_so_it_is_said() -> None:
    runs = {name: RUNS[name] for name in ("naive", "joint", "ewc")}
    said = recommend(runs, rank_methods(runs, "naive", "joint", 0.25), "naive", "joint", 0.25)
    assert said == "No difference found: no method is shown to end above naive."


def test_replay_is_judged_by_half_of_the_gap() -> None:
    rows = rank_methods(RUNS, "naive", "joint", 0.25)
    assert "of the gap between naive (0.4" in judge_replay(rows, "replay, 5 %", "naive", "joint")
    assert judge_replay(rows, "replay, 5 %", "naive", "joint").endswith("at least half of it.")
    said = judge_replay(rows, "ewc", "naive", "joint")
    assert "less than half; half of it or more is closed by replay, 5 % (" in said
    level = rank_methods({**RUNS, "joint": RUNS["naive"]}, "naive", "joint", 0.25)
    assert judge_replay(level, "ewc", "naive", "joint").startswith("There is no gap")
    assert "no trial of der" in judge_replay(rows, "der", "naive", "joint")
