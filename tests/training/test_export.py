"""Files for other programs: they answer as the model does, or are refused."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from glacier.errors import ExportError
from glacier.training.eight_bit import encode_levels, feed_levels
from glacier.training.export import (
    DEEPNESS,
    ONNX,
    PT2,
    Files,
    add_gap,
    compare,
    compare_files,
    encode_files,
    encode_onnx,
    export_model,
    predict,
    run_onnx,
    run_pt2,
    trace,
)
from glacier.training.model_card import ModelCard
from glacier.training.standalone import Standalone
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card
from tests.support.tiny import ENCODER

FILL = (0.9, 0.1, 0.2)
WINDOW = {"size_px": 32, "stride_px": 24, "mean": (0.3, 0.2, 0.1), "std": (0.2, 0.1, 0.4)}
WEIGHTS, LEFT, BIAS = (1.5, -2.0, 0.5), 0.7, 0.25


class Case(NamedTuple):
    """A model and its files."""

    model: nn.Module
    card: ModelCard
    files: Files


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def plain() -> Case:
    """A network whose logit is a weighted sum of a pixel's bands and the first one on its left."""
    model = nn.Conv2d(3, 1, 3, padding=1).eval()
    with torch.no_grad():
        model.weight[:] = 0.0
        model.weight[0, :, 1, 1] = torch.tensor(WEIGHTS)
        model.weight[0, 0, 1, 0] = LEFT
        model.bias[:] = BIAS
    card = make_card(inference=WINDOW, fill=FILL, sha256="a" * 64)
    return Case(model, card, encode_files(model, card))


def draw_windows(count: int = 2, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Windows of noise, the first with a corner that was not seen."""
    windows = np.random.default_rng(count).uniform(low, high, (count, 3, 32, 32))
    windows[0, :, 20:, :7] = np.nan
    return windows.astype(np.float32)


def answer_by_hand(values: np.ndarray) -> np.ndarray:
    """Probability by the plain network of (N, 3, H, W) reflectance, NaN where unseen."""
    mean, std, weights, fill = (
        np.array(numbers)[:, None, None]
        for numbers in (WINDOW["mean"], WINDOW["std"], WEIGHTS, FILL)
    )
    seen = np.isfinite(values).all(axis=1)
    scaled = (np.where(seen[:, None], values, fill) - mean) / std
    logits = (scaled * weights).sum(axis=1) + BIAS
    logits[:, :, 1:] += LEFT * scaled[:, 0, :, :-1]
    return np.where(seen, 1 / (1 + np.exp(-logits / 1.25)), np.nan)


@pytest.mark.parametrize("count", [1, 3])
def test_all_that_the_card_says_is_inside_for_any_number_of_windows(
    plain: Case, count: int
) -> None:
    windows = draw_windows(count, -0.4, 1.4)
    wanted = answer_by_hand(np.clip(windows.astype(float), 0, 1))
    assert np.isnan(wanted[0, 20:, :7]).all() and np.isfinite(wanted[0, 20:, 7:]).all()
    for run, name in ((run_onnx, ONNX), (run_pt2, PT2)):
        np.testing.assert_allclose(run(plain.files[name], windows), wanted, atol=1e-6)


def test_levels_of_8_bits_are_turned_into_values_inside(plain: Case) -> None:
    levels = np.random.default_rng(0).integers(1, 256, (2, 3, 32, 32)).astype(np.uint8)
    levels[1, 1, :4, :9] = 0  # unseen in one band
    found = run_onnx(plain.files[DEEPNESS], feed_levels(levels))
    values = np.where((levels > 0).all(axis=1, keepdims=True), (levels - 1.0) / 254, np.nan)
    np.testing.assert_allclose(found, np.nan_to_num(answer_by_hand(values)), atol=1e-6)


def test_what_lies_under_unseen_pixels_changes_nothing(plain: Case) -> None:
    windows = draw_windows(1)
    one_band = windows.copy()
    one_band[0, 1:, 20:, :7] = 0.9  # still NaN in the first
    first, second = (run_onnx(plain.files[ONNX], each) for each in (windows, one_band))
    np.testing.assert_array_equal(first, second)


def test_nodata_and_padding_never_become_ice_in_the_plugin(plain: Case) -> None:
    levels = encode_levels(add_gap(draw_windows(2)), plain.card.image)
    levels[1] = 0  # a tile beyond the raster
    answer = run_onnx(plain.files[DEEPNESS], feed_levels(levels))
    unseen = (levels == 0).any(axis=1)
    assert unseen[1].all() and np.isfinite(answer).all()
    answer[answer < 1e-9] = 0.0  # the plug-in's own way: what is not 0 now is of the class
    assert not (answer != 0)[unseen].any() and (answer != 0)[~unseen].all()


def test_files_are_as_near_to_the_model_as_is_said(plain: Case) -> None:
    differences = compare_files(plain.files, plain.model, plain.card, draw_windows())
    assert set(differences) == set(plain.files) == {ONNX, DEEPNESS, PT2}
    assert max(differences.values()) < 1e-6


def test_a_network_of_the_sweep_answers_as_the_model_does() -> None:
    torch.manual_seed(1)
    model, card = build_unet(ENCODER, 3).eval(), make_card(inference=WINDOW, fill=FILL)
    windows = draw_windows(3)
    content = encode_onnx(trace(Standalone(model, card).eval(), card), {})
    found, wanted = run_onnx(content, windows), predict(model, card, windows)
    assert compare(ONNX, found, wanted) < 1e-5 and np.nanstd(wanted) > 0.01


@pytest.mark.parametrize(
    "spoil",
    [
        {"inference": WINDOW | {"mean": (0.3, 0.2, 0.15)}},
        {"fill": (0.8, 0.1, 0.2)},
        {"temperature": 1.3},
    ],
)
def test_files_of_another_model_are_refused_with_the_difference(plain: Case, spoil: dict) -> None:
    card = ModelCard(**(dict(plain.card) | spoil))
    words = r"resnet34, fold 2: model.onnx differs from our own probability by up to 0\.\d+, in"
    with pytest.raises(ExportError, match=words):
        compare_files(plain.files, plain.model, card, draw_windows())


def test_an_answer_for_what_was_not_seen_is_refused() -> None:
    wanted = np.array([[0.2, np.nan]], np.float32)
    assert compare("a", wanted + np.float32(5e-5), wanted) == pytest.approx(5e-5, rel=0.01)
    with pytest.raises(ExportError, match="a has 1 unseen pixels"):
        compare("a", np.array([[0.2, 0.5]], np.float32), wanted)
    with pytest.raises(ExportError, match=r"a answers with \(1, 1\), wanted \(1, 2\)"):
        compare("a", wanted[:, :1], wanted)


def test_one_file_holds_all_and_old_programs_read_it(plain: Case) -> None:
    for name in (ONNX, DEEPNESS):
        model = onnx.load_from_string(plain.files[name])
        assert model.opset_import[0].version >= 17 and model.ir_version <= 9
        assert not any(tensor.external_data for tensor in model.graph.initializer)
        session = onnxruntime.InferenceSession(plain.files[name])
        (taken,), (given,) = session.get_inputs(), session.get_outputs()
        assert (taken.type, taken.shape[1:]) == ("tensor(float)", [3, 32, 32])
        assert given.shape[1:] == [1, 32, 32] and isinstance(taken.shape[0], str)


def test_files_say_what_they_are_and_not_where_they_were_made(plain: Case) -> None:
    for name in (ONNX, DEEPNESS):
        told = onnxruntime.InferenceSession(plain.files[name]).get_modelmeta().custom_metadata_map
        assert ("seg_thresh" in told) == (name == DEEPNESS)
        facts = json.loads(told["glacier"])
        assert facts["bands"] == ["nir", "red", "green"] and facts["threshold"] == 0.43
        assert facts["weights_sha256"] == "a" * 64
    for content in plain.files.values():
        assert b"/glacier/" not in content and b"site-packages" not in content


def test_a_network_that_cannot_be_traced_is_named() -> None:
    class Moody(nn.Conv2d):
        """It looks at its numbers to decide what to do."""

        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return super().forward(input) if input.sum() > 0 else input[:, :1]

    with pytest.raises(ExportError, match="resnet34, fold 2, cannot be exported: "):
        export_model(Moody(3, 1, 1).eval(), make_card(inference=WINDOW), draw_windows())


def test_eight_orientations_are_averaged_as_our_own() -> None:
    torch.manual_seed(2)
    model = nn.Conv2d(3, 1, 3, padding=1).eval()
    card = make_card(inference=WINDOW | {"orientations": 8})
    windows = draw_windows(3)
    with torch.no_grad():
        found = Standalone(model, card)(torch.from_numpy(windows))[:, 0].numpy()
    np.testing.assert_allclose(found, predict(model, card, windows), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "orientations"),
    [("resnet18", 1), ("efficientnet-b0", 1), ("mit_b0", 1), (ENCODER, 8)],
)
def test_networks_of_many_kinds_can_be_exported(encoder: str, orientations: int) -> None:
    torch.manual_seed(3)
    windows = WINDOW | {"size_px": 64, "orientations": orientations}
    card = make_card(encoder=encoder, inference=windows)
    image = np.random.default_rng(0).random((2, 3, 64, 64), np.float32)
    made = export_model(build_unet(encoder, 3).eval(), card, image)
    assert max(made.differences.values()) < 1e-5
