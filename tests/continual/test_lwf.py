"""Distillation holds answers where they were."""

import numpy as np
import pytest
import torch

from glacier.continual.lwf import WARMTH, distil
from tests.support.streams import make_strategy, make_tasks


def test_nothing_is_asked_where_nothing_has_changed() -> None:
    strategy, tasks = make_strategy("lwf", strength=1000.0), make_tasks(2)
    batch = tasks[1].train
    plain = strategy.loss(batch)
    strategy.before_task(tasks[1])
    assert strategy.loss(batch).item() == pytest.approx(plain.item(), abs=1e-4)
    for value in strategy.net.parameters():
        value.data += 0.2
    assert strategy.loss(batch) > plain + 1


def test_the_distance_is_a_divergence_in_closed_form() -> None:
    logits, before = torch.tensor([[[[1.0]]]]), torch.tensor([[[[-2.0]]]])
    p, q = (1 / (1 + np.exp(-value / WARMTH)) for value in (-2.0, 1.0))
    wanted = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert distil(logits, before).item() == pytest.approx(WARMTH**2 * wanted, rel=1e-5)
    assert distil(before, before).item() == pytest.approx(0, abs=1e-7)


def test_the_network_of_before_does_not_learn() -> None:
    strategy, tasks = make_strategy("lwf"), make_tasks(2)
    strategy.before_task(tasks[0])
    assert strategy.teacher is None  # type: ignore[attr-defined]
    strategy.before_task(tasks[1])
    strategy.loss(tasks[1].train).backward()
    assert all(value.grad is None for value in strategy.teacher.parameters())  # type: ignore[attr-defined]
    assert all(value.grad is not None for value in strategy.net.parameters())
