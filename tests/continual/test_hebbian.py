"""A head that follows what fires together."""

import numpy as np
import pytest
import torch

from glacier.continual.hebbian import RATE, SCALE, Hebbian, follow
from glacier.continual.learn import Stream, learn_task
from tests.support.streams import copy_weights, make_strategy, make_tasks


def test_a_step_is_the_rule_in_closed_form() -> None:
    means = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    features = torch.tensor([[2.0, 4.0], [6.0, 8.0]]).T.view(1, 2, 1, 2)  # pixels (2, 4), (6, 8)
    moved = follow(means, features, torch.tensor([[[[0, 1]]]]))
    assert torch.allclose(moved[0], means[0] + RATE * (torch.tensor([2.0, 4.0]) - means[0]))
    assert torch.allclose(moved[1], means[1] + RATE * (torch.tensor([6.0, 8.0]) - means[1]))


def test_what_does_not_fire_stays_and_unknown_pixels_count_nowhere() -> None:
    means = torch.tensor([[1.0], [3.0]])
    features = torch.tensor([5.0, 900.0]).view(1, 1, 1, 2)
    moved = follow(means, features, torch.tensor([[[[0, 255]]]]))
    assert torch.allclose(moved, torch.tensor([[1 + RATE * 4], [3.0]]))


def test_the_weights_run_into_the_correlation_and_stay_bounded() -> None:
    means, features = torch.zeros(2, 1), torch.full((1, 1, 1, 1), 7.0)
    for _ in range(600):
        means = follow(means, features, torch.ones(1, 1, 1, 1))
    assert means[1].item() == pytest.approx(7, rel=1e-3)


def test_the_head_takes_no_gradient() -> None:
    strategy, task = make_strategy("hebbian", steps=4), make_tasks()[0]
    assert isinstance(strategy, Hebbian)
    before, means = copy_weights(strategy.net), strategy.means.clone()
    learn_task(strategy, task)
    after = strategy.net.state_dict()
    assert torch.equal(before["head.weight"], after["head.weight"])
    assert not torch.equal(before["stages.0.first.weight"], after["stages.0.first.weight"])
    assert not torch.equal(means, strategy.means)


def test_the_line_lies_halfway() -> None:
    strategy = make_strategy("hebbian")
    assert isinstance(strategy, Hebbian)
    images = make_tasks()[0].train.take(np.arange(2)).images
    with torch.no_grad():
        features, _ = strategy.answer(images)
        pixel = features[0, :, 3, 3]
        strategy.means = torch.stack([pixel - 0.1, pixel + 0.3])
        low = strategy.answer(images)[1][0, 0, 3, 3]
        strategy.means = torch.stack([pixel - 0.2, pixel])
        at_ice = strategy.answer(images)[1][0, 0, 3, 3]
    assert low < 0 and at_ice.item() == pytest.approx(SCALE, rel=1e-4)


def test_it_learns() -> None:
    stream = Stream(make_strategy("hebbian", steps=80, rate=1e-2), make_tasks(2)[:1])
    stream.run()
    assert stream.test[1][0] > 0.6
