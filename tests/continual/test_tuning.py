"""Choosing and comparing trials, with a stand-in for Ray Tune."""

from collections.abc import Callable
from pathlib import Path

import pytest

from glacier import seals
from glacier.continual import tuning
from glacier.continual.trial import StreamKey, StreamPlan
from glacier.continual.tuning import LostTrial, list_lost, run_trials
from glacier.errors import SweepError
from tests.support.stream_plans import make_outcome, make_plan

Fate = Callable[[StreamKey], str]
"""What becomes of a trial: ``done``, ``gone``, or why it failed."""


def stand_in(monkeypatch: pytest.MonkeyPatch, fate: Fate) -> list[StreamKey]:
    """Let trials come to an end without running; returns those that were asked for."""
    asked: list[StreamKey] = []

    def tune_stream(plan: StreamPlan, keys: list[StreamKey], what: str) -> list[LostTrial]:
        lost = []
        for key in keys:
            if plan.find(key) is not None:
                continue
            asked.append(key)
            if (said := fate(key)) == "done":
                seals.vouch(plan.address(key), make_outcome(key))
            elif said != "gone":
                lost.append(LostTrial(key=key, reason=said))
        return lost

    monkeypatch.setattr(tuning, "tune_stream", tune_stream)
    return asked


def test_rates_are_chosen_first_and_all_others_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(tmp_path, strategies=["replay"], orders=2, seeds=2, learning_rates=[0.1, 0.2])
    asked = stand_in(monkeypatch, lambda key: "done")
    results = run_trials(plan)
    assert asked[:6] == plan.list_choices()
    assert len(results.outcomes) == 3 * 4 and not results.lost
    assert len(asked) == len(set(asked)) == 6 + 12 - 3
    asked.clear()
    assert run_trials(plan) == results and not asked


def test_a_trial_that_fails_is_a_row_and_is_not_tried_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(tmp_path, strategies=["replay"], orders=2, seeds=1)
    asked = stand_in(monkeypatch, lambda key: "no" if key.strategy == "replay" else "done")
    results = run_trials(plan)
    assert [(each.key.strategy, each.reason) for each in results.lost] == [("replay", "no")]
    assert len(asked) == len(set(asked))
    assert {key.strategy for key in results.chosen} == {"naive", "joint"}


def test_nothing_is_compared_where_all_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda key: "the disk is full")
    with pytest.raises(SweepError, match="every trial failed; the first said: the disk is full"):
        run_trials(make_plan(tmp_path))


def test_a_trial_without_an_outcome_is_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda key: "gone" if key.order else "done")
    with pytest.raises(SweepError, match="trials ended without an outcome; run the same command"):
        run_trials(make_plan(tmp_path, orders=2))


class Ended:
    """What Tune says of one trial."""

    def __init__(self, key: StreamKey, error: Exception | None, said: str | None) -> None:
        self.config = {"key": key.model_dump()}
        self.error, self.metrics = error, {"failed": said} if said else {}


def test_what_was_lost_is_said_with_its_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = make_plan(tmp_path, strategies=["replay"])
    done, failed, died = plan.list_choices()
    seals.vouch(plan.address(done), make_outcome(done))
    ended = [
        Ended(done, RuntimeError("after all was written"), None),
        Ended(failed, None, "TrainingError: nan"),
        Ended(died, RuntimeError("a long account\nthe worker died"), None),
    ]
    lost = list_lost(plan, ended)  # type: ignore[arg-type]
    assert {each.key.strategy: each.reason for each in lost} == {
        "joint": "TrainingError: nan",
        "replay": "the worker died",
    }
    assert "continual: joint-o0-s0-r0.001-k1 failed: TrainingError: nan" in capsys.readouterr().out
