"""Trials of a benchmark: which there are, what chooses, and what is never run again."""

from pathlib import Path

import pytest

from glacier import seals
from glacier.continual import tuning
from glacier.continual.strategies import STRATEGIES, choose_strategies, load_strategy
from glacier.continual.strategy import Strategy
from glacier.continual.trial import StreamKey, choose_best, explain_no_stream, name_stream
from glacier.continual.tuning import find_all
from glacier.errors import ConfigError
from tests.support.stream_plans import make_outcome, make_plan
from tests.support.stream_runs import stream_config


def test_every_strategy_can_be_loaded_and_names_its_paper() -> None:
    for name in STRATEGIES:
        kind = load_strategy(name)
        assert issubclass(kind, Strategy) and kind.__doc__
        assert "Source:" in kind.__doc__, name


def test_floor_and_ceiling_always_run() -> None:
    assert choose_strategies(["ewc"]) == ["naive", "joint", "ewc"]
    assert choose_strategies([]) == list(STRATEGIES)
    with pytest.raises(ConfigError, match="no strategy 'ewcc'; did you mean ewc"):
        choose_strategies(["ewcc"])


def test_each_strategy_chooses_among_all_rates_and_strengths(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, strategies=["ewc", "replay"], learning_rates=[1e-3, 3e-3])
    choices = plan.list_choices()
    assert len(choices) == 2 * (1 + 1 + 3 + 1)
    assert {(key.order, key.seed) for key in choices} == {(0, 0)}
    assert {key.budget_percent for key in choices} == {None, 5.0}


def test_the_compared_trials_are_strategy_by_budget_by_order_by_seed(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, strategies=["replay"], budgets_percent=[1, 5, 10], orders=2, seeds=3)
    chosen = choose_best([make_outcome(key) for key in plan.list_choices()])
    trials = plan.list_trials(chosen)
    assert len(trials) == len({key.name for key in trials}) == (1 + 1 + 3) * 2 * 3
    assert all(choice in trials for choice in chosen)  # what chose is not trained again


def test_validation_chooses_and_not_the_test(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, strategies=["naive"], learning_rates=[1e-3, 3e-3])
    low, high = (key for key in plan.list_choices() if key.strategy == "naive")
    found = choose_best([make_outcome(low, 0.9, 0.4), make_outcome(high, 0.1, 0.6)])
    assert found == [high]
    assert choose_best([make_outcome(low), make_outcome(high)]) == [low]


def test_a_seed_tests_a_fold_of_its_own(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    key = StreamKey(strategy="naive", budget_percent=None, order=1, seed=0, rate=0.1, strength=1)
    folds = [plan.split(key.model_copy(update={"seed": seed})).fold for seed in range(4)]
    assert folds == [0, 1, 0, 1]
    assert [task.name for task in plan.order(key)] == ["b", "a"]


def test_a_budget_is_of_all_chips_and_one_at_least(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    chip = 16 * 16 * 7
    assert plan.budget_bytes(10, (30, 50)) == 8 * chip
    assert plan.budget_bytes(0.1, (30, 50)) == chip
    assert plan.budget_bytes(None, (30, 50)) == 0


def test_trials_are_addressed_by_what_changes_them(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("glacier.continual.trial.describe_samples", lambda address: address)

    def name(samples: str = "x", **continual: object) -> str:
        return name_stream(stream_config(tmp_path, continual=continual), samples)

    same = {"strategies": ["mas"], "orders": 2, "seeds": 2, "max_retries": 3}
    assert name(**same) == name(budgets_percent=[1]) == name()
    assert len({name(), name("y"), name(steps_per_task=9), name(width=8)}) == 4


def test_only_what_has_ended_is_found(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, strategies=["naive"])
    assert find_all(plan, owned=True) is None
    keys = {*plan.list_choices(), *plan.list_trials(plan.list_choices())}
    for key in keys:
        seals.vouch(plan.address(key), make_outcome(key))
    found = find_all(plan, owned=True)
    assert found and {outcome.key for outcome in found.outcomes} == keys and not found.lost


def test_trials_that_have_ended_are_not_run_again(tmp_path: Path, monkeypatch) -> None:
    plan = make_plan(tmp_path, strategies=["naive"])
    key = plan.list_choices()[0]
    seals.vouch(plan.address(key), make_outcome(key))
    monkeypatch.setattr(tuning, "run_tuner", lambda *_: pytest.fail("run again"))
    assert tuning.tune_stream(plan, [key], "comparing") == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        (
            {"sweep": {"folds": {"kind": "by_block", "count": 4, "validation_share": 0}}},
            "validation",
        ),
        ({"sweep": {"folds": {"kind": "by_region", "count": 2}}}, "which by_block gives"),
        ({"continual": {"strategies": ["repaly"]}}, "did you mean replay?"),
    ],
)
def test_what_has_no_stream_is_explained(tmp_path: Path, changes: dict, said: str) -> None:
    assert said in explain_no_stream(stream_config(tmp_path, **changes))
    assert bool(said) == bool(explain_no_stream(stream_config(tmp_path, **changes)))
