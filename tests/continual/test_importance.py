"""Penalties on moved weights: EWC, online EWC and MAS."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.importance import (
    MOST,
    absolute_gradients,
    choose_chips,
    measure_fisher,
    quadratic_penalty,
)
from glacier.continual.mas import Mas, measure_output
from glacier.continual.online_ewc import DECAY
from tests.support.streams import make_chips, make_strategy, make_tasks


def relabel(task: TaskChips) -> TaskChips:
    """The same chips with the opposite labels."""
    flipped = Batch(task.train.images, 1 - task.train.labels)
    return TaskChips(task.name, task.place, flipped, task.validation, task.test)


def make_scale() -> nn.Module:
    """A network of one weight, by which every pixel is multiplied."""
    net = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(net.weight, 0.5)
    return net


def test_the_penalty_is_the_weighted_squared_distance() -> None:
    net = nn.Linear(2, 1)
    anchor = {name: value.detach() - 1 for name, value in net.named_parameters()}
    weights = {"weight": torch.tensor([[2.0, 3.0]]), "bias": torch.tensor([4.0])}
    assert quadratic_penalty(net, weights, anchor).item() == pytest.approx((2 + 3 + 4) / 2)
    anchor = {name: value.detach() - 3 for name, value in net.named_parameters()}
    assert quadratic_penalty(net, weights, anchor).item() == pytest.approx(9 * (2 + 3 + 4) / 2)


def test_the_fisher_information_of_one_weight_is_that_of_logistic_regression() -> None:
    """For one pixel x with weight w it is x^2 p (1 - p), with p the probability at w x."""
    chips = Batch(torch.full((1000, 1, 1, 1), 2.0), torch.ones(1000, 1, 1, 1, dtype=torch.uint8))
    torch.manual_seed(0)
    (found,) = measure_fisher(make_scale(), chips).values()
    p = 1 / (1 + np.exp(-1.0))
    assert found.item() == pytest.approx(4 * p * (1 - p), rel=0.1)


def test_unknown_pixels_have_no_information() -> None:
    chips = Batch(torch.ones(2, 1, 4, 4), torch.full((2, 1, 4, 4), 255, dtype=torch.uint8))
    (found,) = measure_fisher(make_scale(), chips).values()
    assert found.item() == 0


def test_mas_is_the_size_of_the_gradient_of_the_squared_output() -> None:
    chips = Batch(torch.full((3, 1, 2, 2), 2.0), torch.zeros(3, 1, 2, 2, dtype=torch.uint8))
    (found,) = absolute_gradients(make_scale(), chips, measure_output).values()
    assert found.item() == pytest.approx(2 * 0.5 * 2.0**2)


def test_mas_needs_no_labels() -> None:
    task = make_tasks()[0]
    one, other = (make_strategy("mas") for _ in range(2))
    assert isinstance(one, Mas) and isinstance(other, Mas)
    found, same = one.measure(task), other.measure(relabel(task))
    assert all(torch.equal(found[name], same[name]) for name in found)
    assert any(value.any() for value in found.values())


@pytest.mark.parametrize("name", ["ewc", "online_ewc", "mas"])
def test_what_has_not_moved_costs_nothing(name: str) -> None:
    strategy, (first, second, _) = make_strategy(name, strength=100.0), make_tasks()
    assert strategy.penalty() == 0  # type: ignore[attr-defined]
    strategy.after_task(first)
    batch = second.train
    plain = super(type(make_strategy("ewc")), strategy).loss(batch)
    assert torch.equal(strategy.loss(batch), plain)
    for value in strategy.net.parameters():
        value.data += 0.1
    assert strategy.penalty() > 0  # type: ignore[attr-defined]


def test_ewc_keeps_a_spring_for_every_task_and_online_ewc_one_for_all() -> None:
    for name, count in (("ewc", 2), ("online_ewc", 1), ("mas", 1)):
        strategy = make_strategy(name)
        for task in make_tasks(2):
            strategy.after_task(task)
        assert len(strategy.springs) == count  # type: ignore[attr-defined]


def test_online_ewc_decays() -> None:
    strategy, (first, second) = make_strategy("online_ewc"), make_tasks(2)
    before, new = {"w": torch.tensor([2.0])}, {"w": torch.tensor([3.0])}
    strategy.measure = lambda task: before if task is first else new  # type: ignore[attr-defined, method-assign]
    for task in (first, second):
        strategy.after_task(task)
    ((importance, _),) = strategy.springs  # type: ignore[attr-defined]
    assert importance["w"].item() == pytest.approx(2 * DECAY + 3)


def test_importance_is_measured_on_few_chips() -> None:
    chips = make_chips(MOST + 20, 1, 0)
    assert len(choose_chips(chips, np.random.default_rng(0))) == MOST
    assert len(choose_chips(make_chips(5, 1, 0), np.random.default_rng(0))) == 5


def test_a_gradient_of_the_mean_is_no_mean_of_squares() -> None:
    """Two chips that pull in opposite ways cancel in the mean, and not in the importance."""
    chips = Batch(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1), torch.zeros(2, 1, 1, 1).byte())
    found = absolute_gradients(
        make_scale(), chips, lambda logits, known: functional.relu(logits + 5).mean()
    )
    assert next(iter(found.values())).item() == pytest.approx(1.0)
