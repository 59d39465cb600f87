"""Integrated gradients and Grad-CAM: they add up, and say what captum says."""

import numpy as np
import pytest
import torch
from torch import nn

from glacier.explaining.gradients import (
    answer,
    find_layer,
    integrate_gradients,
    list_batches,
    map_activation,
    weigh_features,
)
from glacier.explaining.occlusion import cut_squares, occlude_patches
from glacier.explaining.removal import make_baseline
from glacier.explaining.subject import Subject, list_windows
from glacier.training.unet import build_unet
from tests.support.planted import BANDS, SIDE, make_subject
from tests.support.tiny import ENCODER

captum_attr = None
try:
    import captum.attr as captum_attr
except ImportError:  # an oracle, where it is installed
    pass


@pytest.fixture
def subject() -> Subject:
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(len(BANDS), 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1),
    )  # fmt: skip
    image = np.random.default_rng(0).random((len(BANDS), 40, 48)).astype(np.float32)
    image[:, :4] = np.nan
    return make_subject(model.eval(), image)


def test_gradients_add_up_to_the_difference(subject: Subject) -> None:
    baseline, windows = make_baseline(subject, "mean", 0), list_windows(subject)
    found = integrate_gradients(windows, subject.image, baseline, 64)
    strength = subject.look(subject.image).strength - subject.look(baseline).strength
    assert found.difference == pytest.approx(strength, abs=1e-5)
    assert abs(found.gap) < 0.01 * np.abs(found.values).sum()
    assert not found.values[:, :4].any()


def test_a_straight_network_is_shared_exactly_by_one_step_as_by_many() -> None:
    torch.manual_seed(0)
    image = np.random.default_rng(0).random((len(BANDS), 40, 48)).astype(np.float32)
    subject = make_subject(nn.Conv2d(len(BANDS), 1, 3, padding=1), image, orientations=8)
    baseline, windows = make_baseline(subject, "permuted", 0), list_windows(subject)
    found = integrate_gradients(windows, image, baseline, 4)
    assert abs(found.gap) < 1e-5
    squares = cut_squares(image.shape[1:], 8)
    drops = occlude_patches(windows, image, baseline, squares)
    own = np.bincount(squares.ravel(), found.values.sum(axis=0).ravel())
    np.testing.assert_allclose(drops, own, atol=1e-5)


def test_gradients_answer_as_the_map_does(subject: Subject) -> None:
    """The network of the gradients is the one that maps, turns and all."""
    image = np.nan_to_num(subject.image, nan=0.4)
    for turns in (1, 8):
        (windows,) = list_windows(
            make_subject(subject.networks.popitem()[1].module, image, orientations=turns)
            if turns == 1
            else make_subject(nn.Conv2d(4, 1, 3, padding=1), image, orientations=8)
        )
        ((_, _, pixels, _), *_) = list_batches(windows, image, image)
        with torch.no_grad():
            found = answer(windows, pixels)
        expected = windows.network.viewer.predict(windows.cut(image)[: len(pixels)])
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_grad_cam_of_a_unet_takes_the_middle_of_its_decoder() -> None:
    model = build_unet(ENCODER, len(BANDS)).eval()
    assert find_layer(model) is model.decoder.blocks[2]
    image = np.random.default_rng(0).random((len(BANDS), 40, 48)).astype(np.float32)
    found = map_activation(list_windows(make_subject(model, image)), image)
    assert found.shape == (40, 48) and (found >= 0).all()


@pytest.mark.skipif(captum_attr is None, reason="captum is not installed: it is an oracle")
def test_captum_says_the_same(subject: Subject) -> None:
    assert captum_attr is not None
    baseline, (windows,) = make_baseline(subject, "mean", 0), list_windows(subject)
    batch = next(list_batches(windows, subject.image, baseline))
    _, share, end, start = batch

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return (answer(windows, pixels) * share[:1]).sum(dim=(1, 2))

    module = windows.network.module
    theirs = captum_attr.IntegratedGradients(forward).attribute(
        end[:1], start[:1], n_steps=16, method="riemann_middle"
    )
    one = [make_one(windows, share)]
    ours = integrate_gradients(one, subject.image, baseline, 16).values
    row, col = windows.starts[0]
    np.testing.assert_allclose(
        ours[:, row : row + SIDE, col : col + SIDE], theirs[0].detach(), atol=1e-5
    )
    cam = captum_attr.LayerGradCam(forward, find_layer(module)).attribute(
        end[:1].clone().requires_grad_(), relu_attributions=True
    )
    own = weigh_features(one[0], end[:1].clone(), share[:1])
    np.testing.assert_allclose(own[0], cam[0, 0].detach(), atol=1e-6)
    squares = cut_squares((SIDE, SIDE), 8)
    drops = captum_attr.Occlusion(forward).attribute(
        end[:1], (len(BANDS), 8, 8), strides=(len(BANDS), 8, 8), baselines=start[:1]
    )
    found = occlude_patches(
        [one[0]], subject.image, baseline,
        np.pad(squares, [(row, 40 - row - SIDE), (col, 48 - col - SIDE)], constant_values=-1),
    )  # fmt: skip
    np.testing.assert_allclose(found, drops[0, 0, ::8, ::8].flatten(), atol=1e-5)


def make_one(windows, share: torch.Tensor):
    from dataclasses import replace

    return replace(windows, starts=windows.starts[:1], share=share[:1].numpy())
