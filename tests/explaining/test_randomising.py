"""Weights dealt out anew destroy a picture that hangs on them, and no other."""

import numpy as np
import pytest
import torch
from torch import nn

from glacier.explaining.randomising import correlate, judge_weights, randomise
from glacier.explaining.removal import make_baseline
from glacier.explaining.subject import list_windows
from glacier.training.unet import build_unet
from tests.support.planted import BANDS, make_subject, plant_band, train_tiny
from tests.support.tiny import ENCODER


def test_layers_go_from_the_output_on_and_the_network_stays() -> None:
    model = build_unet(ENCODER, 3).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, last = [
        (count, {name: tensor.clone() for name, tensor in copy.state_dict().items()})
        for count, copy in randomise(model, 2, 0)
    ]
    assert 0 < first[0] < last[0]
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    stem = next(name for name, tensor in before.items() if tensor.ndim == 4)
    head = "segmentation_head.0.weight"
    assert torch.equal(first[1][stem], before[stem]) and not torch.equal(
        first[1][head], before[head]
    )
    assert not torch.equal(last[1][stem], before[stem])
    assert torch.equal(last[1][stem].flatten().sort()[0], before[stem].flatten().sort()[0])


def test_a_picture_of_what_was_learned_is_destroyed() -> None:
    rng = np.random.default_rng(0)
    model, (images, _) = train_tiny(*plant_band(rng, 12), 0), plant_band(rng, 1)
    subject = make_subject(model, images[0]).of_decision()
    found = judge_weights(list_windows(subject)[0], images[0], make_baseline(subject, "mean", 0), 0)
    assert found.passed and found.stages[-1].layers == 3
    assert all(0 <= stage.correlation <= 1 for stage in found.stages)


def test_a_picture_that_hangs_on_no_weight_fails() -> None:
    """One weight that all bands share: dealt out anew it is the same."""
    model = nn.Conv2d(len(BANDS), 1, 1)
    nn.init.constant_(model.weight, 1.0)
    image = np.random.default_rng(0).random((len(BANDS), 32, 32)).astype(np.float32)
    subject = make_subject(model, image)
    found = judge_weights(list_windows(subject)[0], image, make_baseline(subject, "mean", 0), 0)
    assert found.stages[-1].correlation == 1.0 and found.random_pairs == 1.0


def test_pictures_are_compared_by_rank() -> None:
    values = np.random.default_rng(0).normal(size=(8, 8))
    assert correlate(values, -(values**3)) == pytest.approx(1.0)
    assert correlate(values, np.zeros((8, 8))) == 0.0
