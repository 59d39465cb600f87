"""What is kept of earlier tasks: within its bounds, evenly, and as it was drawn."""

import numpy as np
import pytest
import torch

from glacier.continual.chips import Batch
from glacier.continual.learn import learn_task
from glacier.continual.memory import Reservoir
from glacier.continual.trial import bytes_of_chip
from tests.support.streams import BANDS, SIZE_PX, make_setup, make_strategy, make_tasks


def number_chips(first: int, count: int) -> Batch:
    """Chips of one pixel whose value is their number."""
    numbers = torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1)
    return Batch(numbers, torch.zeros(count, 1, 1, 1, dtype=torch.uint8))


def test_a_reservoir_never_exceeds_its_capacity() -> None:
    memory, rng = Reservoir(7), np.random.default_rng(0)
    for first in range(0, 50, 5):
        memory.offer(number_chips(first, 5), rng)
        assert len(memory) == min(7, first + 5) and memory.seen == first + 5
    nothing = Reservoir(0)
    nothing.offer(number_chips(0, 5), rng)
    assert len(nothing) == 0 and nothing.state() == {}


def test_a_reservoir_is_an_even_sample_of_all_that_came() -> None:
    """Of 40 chips each is among the 10 kept in a quarter of the cases, whenever it came."""
    counts, rounds = np.zeros(40), 400
    for seed in range(rounds):
        memory, rng = Reservoir(10), np.random.default_rng(seed)
        for first in range(0, 40, 8):
            memory.offer(number_chips(first, 8), rng)
        counts[memory.layers["images"].ravel().int().numpy()] += 1
    error = np.sqrt(0.25 * 0.75 / rounds)
    assert np.abs(counts / rounds - 0.25).max() < 4.5 * error


def test_a_reservoir_goes_on_from_what_was_saved() -> None:
    one, other = Reservoir(4), Reservoir(4)
    one.offer(number_chips(0, 9), np.random.default_rng(0))
    other.restore(one.state(), one.seen)
    for memory in (one, other):
        memory.offer(number_chips(9, 9), np.random.default_rng(1))
    assert torch.equal(one.layers["images"], other.layers["images"]) and other.seen == 18


@pytest.mark.parametrize("name", ["replay", "der"])
@pytest.mark.parametrize("chips", [1, 5, 30])
def test_a_memory_takes_no_more_bytes_than_its_budget(name: str, chips: int) -> None:
    budget = chips * bytes_of_chip(BANDS, SIZE_PX)
    strategy = make_strategy(name, budget_bytes=budget)
    for task in make_tasks():
        learn_task(strategy, task)
    assert strategy.memory_bytes() <= budget
    if name == "replay":
        assert len(strategy.memory) == chips  # type: ignore[attr-defined]


def test_der_keeps_logits_as_they_were_when_drawn() -> None:
    strategy, task = make_strategy("der"), make_tasks()[0]
    batch = task.train.take(np.arange(4))
    with torch.no_grad():
        said = strategy.net(batch.images).half()
    strategy.loss(batch)
    for value in strategy.net.parameters():
        value.data += 1.0
    strategy.after_step(batch)
    assert torch.equal(strategy.memory.layers["logits"], said)  # type: ignore[attr-defined]
    assert torch.equal(strategy.memory.layers["images"], batch.images.half())  # type: ignore[attr-defined]


def test_der_asks_nothing_more_of_logits_that_have_not_moved() -> None:
    losses = []
    for strength in (0.0, 50.0):
        strategy = make_strategy("der", strength=strength)
        batch = make_tasks()[0].train.take(np.arange(4))
        batch = Batch(batch.images.half().float(), batch.labels)
        strategy.loss(batch)
        strategy.after_step(batch)
        strategy.begin(0)
        losses.append(strategy.loss(batch).item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_replay_learns_from_both_in_equal_parts() -> None:
    strategy, tasks = make_strategy("replay"), make_tasks(2)
    batch = tasks[0].train.take(np.arange(4))
    alone = strategy.loss(batch).item()
    strategy.after_task(tasks[1])
    strategy.begin(1)
    both = strategy.loss(batch).item()
    strategy.begin(1)
    drawn = strategy.memory.draw(4, strategy.rng)  # type: ignore[attr-defined]
    old = super(type(strategy), strategy).loss(Batch(drawn["images"], drawn["labels"])).item()
    assert both == pytest.approx((alone + old) / 2, abs=1e-5)


def test_joint_keeps_every_chip_and_draws_every_task_alike() -> None:
    strategy = make_strategy("joint")
    tasks = make_tasks(3, chips=9)
    for task in tasks[:2]:
        learn_task(strategy, task)
    assert len(strategy.memory) == 18  # type: ignore[attr-defined]
    strategy.before_task(tasks[2])
    shares = [int(strategy.rng.binomial(4, 1 / 3)) for _ in range(3000)]
    assert np.mean(shares) == pytest.approx(4 / 3, rel=0.05)


def test_a_budget_of_bytes_is_one_of_chips() -> None:
    assert bytes_of_chip(3, 32) == 32 * 32 * 7
    assert make_setup().budget_bytes == 8 * bytes_of_chip(BANDS, SIZE_PX)
