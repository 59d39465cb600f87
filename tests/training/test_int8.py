"""The file of 8 bits: what it is, what it costs, and that the cost is measured."""

import json
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch

from glacier.errors import ExportError
from glacier.training.export import describe_file, encode_onnx, run_onnx, trace
from glacier.training.int8 import Ground, quantise, score_int8
from glacier.training.model_card import ModelCard
from glacier.training.standalone import Standalone
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card
from tests.support.tiny import ENCODER

WINDOW = {"size_px": 32, "stride_px": 24, "mean": (0.5,) * 3, "std": (0.3,) * 3}


class Case(NamedTuple):
    """A network's file in float32 and in 8 bits."""

    card: ModelCard
    exact: bytes
    rounded: bytes


def draw_windows(count: int) -> np.ndarray:
    windows = np.random.default_rng(count).random((count, 3, 32, 32), np.float32)
    windows[0, :, 20:, :7] = np.nan
    return windows


@pytest.fixture(scope="module")
def case() -> Case:
    torch.manual_seed(1)
    card = make_card(encoder=ENCODER, inference=WINDOW, threshold=0.5)
    model = Standalone(build_unet(ENCODER, 3).eval(), card).eval()
    exact = encode_onnx(trace(model, card), {"glacier": describe_file(card)})
    return Case(card, exact, quantise(exact, draw_windows(4)))


def test_it_is_smaller_and_nearly_the_same(case: Case) -> None:
    assert len(case.rounded) < 0.5 * len(case.exact)
    windows = draw_windows(3)
    exact, rounded = run_onnx(case.exact, windows), run_onnx(case.rounded, windows)
    np.testing.assert_array_equal(np.isnan(exact), np.isnan(rounded))
    difference = np.abs(exact - rounded)
    assert 0 < np.nanmax(difference) and np.nanmean(difference) < 0.05


def test_it_says_the_same_of_itself_and_takes_any_number_of_windows(case: Case) -> None:
    facts = [
        onnxruntime.InferenceSession(data).get_modelmeta().custom_metadata_map
        for data in (case.exact, case.rounded)
    ]
    assert facts[0] == facts[1] and json.loads(facts[1]["glacier"])["size_px"] == 32
    assert run_onnx(case.rounded, draw_windows(2)).shape == (2, 32, 32)


def test_the_same_windows_give_the_same_file(case: Case) -> None:
    assert quantise(case.exact, draw_windows(4)) == case.rounded


def test_what_is_no_network_is_refused_with_a_reason() -> None:
    with pytest.raises(ExportError, match="it cannot be computed in 8 bits: "):
        quantise(b"no network", draw_windows(1))


def test_the_loss_is_counted_on_known_and_seen_pixels_of_the_mask(case: Case) -> None:
    image, mask = draw_windows(1)[0], np.ones((32, 32), bool)
    mask[:, 30:] = False
    truth = run_onnx(case.exact, image[None])[0] >= 0.5
    label = truth.astype(np.uint8)
    label[0] = 255
    score = score_int8((case.exact, case.rounded), case.card, [Ground(image, label, mask)])
    known = mask & np.isfinite(image).all(axis=0)
    known[0] = False
    other = run_onnx(case.rounded, image[None])[0] >= 0.5
    assert score is not None and (score.images, score.pixels) == (1, known.sum())
    assert score.iou_float32 == 1
    assert score.same_class == pytest.approx((truth == other)[known].mean())
    union, both = (truth | other)[known].sum(), (truth & other)[known].sum()
    assert score.iou == pytest.approx(both / union) and score.lost == pytest.approx(1 - score.iou)


def test_without_known_ground_there_is_no_score(case: Case) -> None:
    ground = Ground(draw_windows(1)[0], np.full((32, 32), 255, np.uint8), np.ones((32, 32), bool))
    assert score_int8((case.exact, case.rounded), case.card, [ground]) is None
