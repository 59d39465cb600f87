"""A model as files: written, read back, refused where it is not whole."""

from pathlib import Path

import pytest
import torch

from glacier.errors import StoreError, WeightsError
from glacier.training.model_files import load_model, save_model
from glacier.training.unet import build_unet
from tests.support.model_cards import make_card

TINY = "tu-test_efficientnet"


def test_a_model_is_written_and_read_back_equal(tmp_path: Path) -> None:
    model = build_unet(TINY, 4).eval()
    card = make_card(encoder=TINY, bands=("nir", "red", "green", "blue"))
    save_model(str(tmp_path / "m"), model.state_dict(), card)
    loaded, found = load_model(str(tmp_path / "m"))
    x = torch.rand(1, 4, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(x), loaded(x))
    assert found.model_copy(update={"sha256": "", "files": {}}) == card
    assert set(found.files) == {"model.safetensors", "model.md", "model.item.json"}


def test_a_flipped_bit_in_a_model_is_found(tmp_path: Path) -> None:
    save_model(str(tmp_path), build_unet(TINY, 3).state_dict(), make_card(encoder=TINY))
    path = tmp_path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        load_model(str(tmp_path))


def test_weights_that_do_not_fit_the_card_are_refused(tmp_path: Path) -> None:
    save_model(str(tmp_path), build_unet(TINY, 3).state_dict(), make_card(encoder="resnet18"))
    with pytest.raises(WeightsError, match="do not fit resnet18"):
        load_model(str(tmp_path))
