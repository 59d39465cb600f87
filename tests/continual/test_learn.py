"""Every strategy learns a stream, within its bounds, and goes on from a saved state."""

from functools import cache
from pathlib import Path

import pytest
import torch

from glacier.continual.learn import Stream, learn_task, score_tasks
from glacier.continual.strategies import STRATEGIES
from glacier.continual.strategy import Setup
from glacier.errors import TrainingError
from tests.support.streams import make_strategy, make_tasks


@cache
def run_whole(name: str) -> Stream:
    """A strategy that has learned three tasks."""
    stream = Stream(make_strategy(name), make_tasks())
    stream.run()
    return stream


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_stream_goes_on_from_a_saved_state_to_the_same_bits(name: str, tmp_path: Path) -> None:
    whole, tasks = run_whole(name), make_tasks()
    with pytest.raises(InterruptedError):
        Stream(make_strategy(name), tasks, str(tmp_path)).run(interrupt)
    resumed = Stream(make_strategy(name), tasks, str(tmp_path))
    resumed.resume()
    assert resumed.done == 2
    resumed.run()
    assert (resumed.test, resumed.validate()) == (whole.test, whole.validate())
    ours, theirs = (stream.strategy.state()[0] for stream in (resumed, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())


def interrupt(done: int) -> None:
    if done == 2:
        raise InterruptedError


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_keeps_no_more_than_its_budget(name: str) -> None:
    strategy = run_whole(name).strategy
    if STRATEGIES[name].uses_budget:
        assert 0 < strategy.memory_bytes() <= strategy.setup.budget_bytes
    assert name != "naive" or strategy.memory_bytes() == 0


@pytest.mark.parametrize("name", STRATEGIES)
def test_only_what_is_told_the_task_looks_at_it(name: str) -> None:
    strategy, tasks = run_whole(name).strategy, make_tasks()
    with torch.no_grad():
        first, last = (strategy.predict(tasks[0].test.images, place) for place in (0, 2))
    assert torch.equal(first, last) or STRATEGIES[name].knows_task


def test_a_strategy_learns_what_it_is_shown_and_naive_forgets_it() -> None:
    strategy, tasks = make_strategy("naive", steps=40, rate=2e-2), make_tasks(2)
    stream = Stream(strategy, tasks)
    stream.run()
    assert stream.test[1][0] > 0.8 and stream.test[2][1] > 0.8
    assert stream.test[2][0] < 0.3


def test_joint_forgets_nothing() -> None:
    first, second = make_tasks(3)[0], make_tasks(3)[2]
    strategy = make_strategy("joint", steps=40, rate=2e-2)
    learn_task(strategy, first)
    learn_task(strategy, second)
    assert min(score_tasks(strategy, [first.test, second.test])) > 0.8


def test_a_loss_that_is_no_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = make_strategy("naive")
    monkeypatch.setattr(strategy, "loss", lambda batch: torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match="task t0, step 1: the loss is nan"):
        learn_task(strategy, make_tasks()[0])


def test_a_seed_gives_the_same_weights() -> None:
    one, other = (make_strategy("naive").net.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert isinstance(make_strategy("naive").setup, Setup)
