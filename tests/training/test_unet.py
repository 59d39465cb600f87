"""The network, its initial weights, and its files."""

from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file

from glacier.errors import ConfigError, WeightsError
from glacier.training.pretrained import RGB, WAVELENGTH_UM, Pretrained
from glacier.training.unet import (
    build_unet,
    check_network,
    count_gflop,
    fetch_encoder,
    normalise,
)

TINY = "tu-test_efficientnet"


def encoder_state(encoder: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return smp.encoders.get_encoder(encoder, in_channels=3, weights=None).state_dict()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("encoder", [TINY, "resnet18"])
def test_weights_of_a_local_file_are_the_encoders(
    tmp_path: Path, suffix: str, encoder: str
) -> None:
    state = encoder_state(encoder)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(state, path)
    else:
        save_file({k: v.contiguous() for k, v in state.items()}, path)
    weights = Pretrained.decode("w", fetch_encoder(encoder, str(path))).tensors
    model = build_unet(encoder, 3, weights)
    loaded = model.encoder.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[k], state[k]) for k in state)


@pytest.mark.parametrize(
    ("encoder", "first"),
    [
        ("resnet18", "conv1.weight"),
        ("efficientnet-b0", "_conv_stem.weight"),
        (TINY, "model.conv_stem.weight"),
    ],
)
def test_weights_for_another_band_count_keep_the_answer_to_grey(
    tmp_path: Path, encoder: str, first: str
) -> None:
    """A grey picture has the same value in all bands, so their number must not matter."""
    state = encoder_state(encoder)
    torch.save(state, tmp_path / "weights.pth")
    weights = Pretrained.decode("w", fetch_encoder(encoder, str(tmp_path / "weights.pth")))
    three, six = (
        build_unet(encoder, len(bands), weights.widen(bands)).encoder.eval()
        for bands in (RGB, tuple(WAVELENGTH_UM))
    )
    loaded = six.state_dict()
    assert loaded[first].shape[1] == 6
    assert all(torch.equal(loaded[k], state[k]) for k in state if k != first)
    grey = torch.rand(1, 1, 64, 64)
    deepest = [part(grey.repeat(1, bands, 1, 1))[-1] for part, bands in ((three, 3), (six, 6))]
    torch.testing.assert_close(*deepest)


def test_random_weights_follow_the_seed() -> None:
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(build_unet(TINY, 3).state_dict()["encoder.model.conv_stem.weight"])
    assert torch.equal(models[0], models[1]) and not torch.equal(models[0], models[2])
    assert fetch_encoder(TINY, "none") is None


def test_imagenet_without_network_says_what_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("the network is unreachable")

    monkeypatch.setattr(smp.encoders, "get_encoder", refuse)
    with pytest.raises(WeightsError, match=r"imagenet \(needs.*local file.*none \(random"):
        fetch_encoder("resnet18", "imagenet")
    with pytest.raises(
        WeightsError,
        match=r"network is unreachable; the file is https://huggingface\.co/smp-hub/resnet18\."
        r"imagenet/resolve/[0-9a-f]{40}/model\.safetensors: fetch it where there is a network, and "
        r"set sweep\.encoder_weights to its path",
    ):
        fetch_encoder("resnet18", "imagenet")
    with pytest.raises(WeightsError, match=r"get_encoder\('tu-resnet18', weights=True\)"):
        fetch_encoder("tu-resnet18", "imagenet")


@pytest.mark.parametrize("encoder", [TINY, "resnet18", "efficientnet-b0", "mit_b0"])
def test_a_network_that_maps_its_windows_passes(encoder: str) -> None:
    check_network(encoder, 3, 64)


def test_one_that_cannot_be_built_or_maps_other_windows_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no U-Net over 'tu-vit_base_patch16_224'.*224.*band"):
        check_network("tu-vit_base_patch16_224", 3, 224)
    with pytest.raises(ConfigError, match=r"prepare\.size_px = 96.*\(96\) doesn't match"):
        check_network("tu-swin_tiny_patch4_window7_224", 3, 96)


def test_a_misspelt_encoder_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'resnet43'.*did you mean resnet34"):
        fetch_encoder("resnet43", "none")


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="no plain tensors"):
        fetch_encoder("resnet18", str(tmp_path / "evil.pth"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 64])
def test_files_that_hold_no_tensors_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        fetch_encoder("resnet18", str(path))
    with pytest.raises(WeightsError, match="no such file"):
        fetch_encoder("resnet18", str(tmp_path / "missing.pth"))


def test_weights_of_another_encoder_do_not_fit(tmp_path: Path) -> None:
    torch.save(encoder_state("resnet34"), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="cannot be used for resnet50"):
        fetch_encoder("resnet50", str(tmp_path / "weights.pth"))


def test_batch_norm_momentum_is_set_everywhere() -> None:
    layers = [m for m in build_unet("efficientnet-b0", 3, momentum=0.2).modules()
              if isinstance(m, torch.nn.BatchNorm2d)]  # fmt: skip
    assert layers and all(layer.momentum == 0.2 for layer in layers)


@pytest.mark.parametrize("encoder", ["efficientnet-b0", "resnet18"])
def test_the_network_answers_as_the_library_builds_it(encoder: str) -> None:
    """Padding moved into the convolutions changes neither answers, gradients nor names."""
    torch.manual_seed(0)
    plain = smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=1).eval()
    ours = build_unet(encoder, 3).eval()
    ours.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 64, 64)
    answers = [model(image) for model in (plain, ours)]
    torch.testing.assert_close(*answers)
    for answer in answers:
        answer.square().mean().backward()
    for one, other in zip(plain.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_slow_depthwise_layers_learn_in_float32_and_answer_in_bfloat16() -> None:
    seen: dict[str, set[torch.dtype]] = {}
    model = build_unet("efficientnet-b0", 3)
    for name, layer in model.named_modules():
        if name.endswith("depthwise_conv"):
            padding = layer.static_padding
            padding.register_forward_hook(
                lambda _, given, __, name=name: seen.setdefault(name, set()).add(given[0].dtype)
            )
    image = torch.rand(2, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(image).dtype == torch.bfloat16
    layers = dict(model.named_modules())
    slow = {n for n in seen if layers[n].kernel_size[0] > 3 or layers[n].stride[0] > 1}
    assert slow and slow < seen.keys()
    assert {name for name, kinds in seen.items() if torch.float32 in kinds} == slow
    seen.clear()
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        model.eval()(image)
    assert {kind for kinds in seen.values() for kind in kinds} == {torch.bfloat16}


def test_normalising_fills_unseen_pixels_with_the_mean() -> None:
    image = np.array([[[1.0, np.nan]], [[3.0, 5.0]]], np.float32)
    scaled = normalise(image, np.array([1, 4], np.float32), np.array([2, 0.5], np.float32))
    np.testing.assert_array_equal(scaled, np.array([[[0, 0]], [[-2, 2]]], np.float32))
    assert np.isnan(image[0, 0, 1])


def test_operations_of_a_convolution_in_closed_form() -> None:
    """Each of 8 x 64 x 64 sums has 3 x 3 x 3 products and as many sums."""
    layer = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    assert count_gflop(layer, 3, 64) == pytest.approx(2 * 8 * 64 * 64 * 27 / 1e9)
