"""Weights to begin with: Reptile and MAML."""

import pytest
import torch
from torch import nn

from glacier.continual import maml, reptile
from glacier.continual.chips import Batch
from glacier.continual.meta import SMALL_TASKS, part_chips
from tests.support.streams import copy_weights, make_chips, make_strategy, make_tasks


def test_the_step_of_reptile_is_the_mean_of_task_differences() -> None:
    weights = {"w": torch.tensor([1.0, 2.0])}
    led = [{"w": torch.tensor([3.0, 2.0])}, {"w": torch.tensor([1.0, 6.0])}]
    moved = reptile.step_towards(weights, led)["w"]
    assert torch.allclose(moved, weights["w"] + reptile.OUTER_RATE * torch.tensor([1.0, 2.0]))
    still = reptile.step_towards(weights, [weights, weights])["w"]
    assert torch.equal(still, weights["w"])


def test_reptile_leaves_its_network_alone_while_it_adapts() -> None:
    strategy, chips = make_strategy("reptile"), make_tasks()[0].train
    before = copy_weights(strategy.net)
    led = strategy.adapt(chips)  # type: ignore[attr-defined]
    assert all(
        torch.equal(before[name], value) for name, value in strategy.net.state_dict().items()
    )
    assert any(not torch.equal(before[name], value) for name, value in led.state_dict().items())


def test_the_gradient_of_maml_goes_through_the_step() -> None:
    """With a loss of (w x - y)^2 / 2 a step and its gradient are known in closed form."""
    net = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(net.weight, 2.0)

    def chip(x: float, y: float) -> Batch:
        return Batch(torch.full((1, 1, 1, 1), x), torch.full((1, 1, 1, 1), y))

    def squares(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return (logits - label).square().sum() / 2

    found = maml.meta_gradient(net, [(chip(3.0, 1.0), chip(2.0, 5.0))], squares)["weight"]
    w, rate = 2.0, maml.INNER_RATE
    stepped = w - rate * (w * 3 - 1) * 3
    assert found.item() == pytest.approx((stepped * 2 - 5) * 2 * (1 - rate * 9), rel=1e-5)


@pytest.mark.parametrize("name", ["reptile", "maml"])
def test_only_the_first_task_changes_the_start(name: str) -> None:
    strategy, tasks = make_strategy(name, steps=16), make_tasks(2)
    begun = copy_weights(strategy.net)
    strategy.before_task(tasks[0])
    learned = copy_weights(strategy.net)
    assert any(not torch.equal(begun[key], learned[key]) for key in begun)
    strategy.before_task(tasks[1])
    assert all(torch.equal(learned[key], value) for key, value in strategy.net.state_dict().items())


@pytest.mark.parametrize(("count", "parts"), [(1, 1), (5, 2), (64, SMALL_TASKS)])
def test_small_tasks_are_parts_of_neighbours(count: int, parts: int) -> None:
    chips = make_chips(count, 1, 0)
    found = part_chips(chips)
    assert len(found) == parts and sum(map(len, found)) == count
    assert torch.equal(torch.cat([part.images for part in found]), chips.images)
