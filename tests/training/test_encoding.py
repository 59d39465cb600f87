"""The encoder of a stored network: its deepest features, by the way that its logits take."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glacier.errors import StoreError
from glacier.training.encoding import load_encoder
from glacier.training.model_files import load_model, save_model
from glacier.training.unet import build_unet, normalise
from tests.support.model_cards import make_card
from tests.support.tiny import ENCODER


def write_model(folder: Path, encoder: str = ENCODER, **windows: object) -> str:
    """A stored network that learned nothing; its checksum."""
    torch.manual_seed(1)
    look = {"size_px": 32, "stride_px": 16, "mean": (0.3, 0.2, 0.4), "std": (0.2,) * 3} | windows
    card = make_card(encoder=encoder, inference=look)
    save_model(str(folder), build_unet(encoder, 3).state_dict(), card)
    return load_model(str(folder))[1].sha256


@pytest.mark.parametrize("encoder", [ENCODER, "resnet18"])
def test_features_are_the_mean_of_the_deepest_map_of_windows_as_the_card_scales_them(
    tmp_path: Path, encoder: str
) -> None:
    sha256 = write_model(tmp_path, encoder, orientations=8)
    windows = np.random.default_rng(0).uniform(0, 1, (6, 3, 32, 32)).astype(np.float32)
    windows[2, :, :9] = np.nan
    found = load_encoder(str(tmp_path), sha256).encode(windows)
    model, card = load_model(str(tmp_path))
    mean, std = (np.array(v, np.float32) for v in (card.inference.mean, card.inference.std))
    scaled = normalise(windows, mean, std)
    with torch.inference_mode():
        wanted = model.encoder(torch.from_numpy(scaled))[-1].mean((2, 3)).numpy()
    assert found.dtype == np.float32 and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5 * np.abs(wanted).max())


def test_a_window_has_its_features_whatever_else_is_looked_at(tmp_path: Path) -> None:
    encode = load_encoder(str(tmp_path), write_model(tmp_path)).encode
    windows = np.random.default_rng(0).uniform(0, 1, (5, 3, 32, 32)).astype(np.float32)
    np.testing.assert_array_equal(encode(windows)[[4, 1]], encode(windows[[4, 1]]))


def test_a_process_loads_a_network_once_and_no_other_in_its_place(tmp_path: Path) -> None:
    sha256 = write_model(tmp_path)
    assert load_encoder(str(tmp_path), sha256) is load_encoder(str(tmp_path), sha256)
    with pytest.raises(StoreError, match=r"another network .* run `glacier predict` again"):
        load_encoder(str(tmp_path), "b" * 64)
