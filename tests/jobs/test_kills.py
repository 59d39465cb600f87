"""A run that is killed at points of its writing, in every stage: nothing is lost, nothing left."""

import random
from pathlib import Path

import pytest

from tests.support.kills import (
    KILL,
    STAGES,
    TERM,
    Action,
    draw_kills,
    record_points,
    run_chain,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

ACTIONS: dict[str, tuple[Action, ...]] = {
    "ingest": (("writer", (KILL,)),),
    "prepare": (("writer", (TERM,)),),
    "sweep": (("writer", (KILL,)),),
    "report": (("raylet", (KILL,)),),
    "predict": (("writer", (KILL,)),),
    "series": (("driver", (KILL,)),),
    "latest": (("writer", (KILL,)),),
}
"""Who is killed where: mostly a worker, since a run that loses one goes on by itself. How a driver
ends by each signal, test_ends.py says."""


def test_kills_in_every_stage_leave_what_an_undisturbed_run_does(
    tmp_path: Path, temp: Path
) -> None:
    recorded = record_points(tmp_path / "undisturbed", temp)
    steps = {(point.stage, point.step) for point in recorded.points}
    assert steps >= {(stage, step) for stage in STAGES for step in ("renamed", "sealed", "linked")}
    kills = draw_kills(recorded.points, ACTIONS, random.Random(1))
    outcomes = run_chain(tmp_path, temp, recorded, kills)
    assert [outcome for outcome in outcomes if outcome.wrong] == []
    assert len(outcomes) == len(STAGES)
