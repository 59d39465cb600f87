"""A folded network answers as the one that it was made of."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from glacier.training import folding
from glacier.training.folding import fold, make_transposed
from glacier.training.unet import build_unet

TINY = "tu-test_efficientnet"


def make_unet(encoder: str) -> nn.Module:
    """A U-Net whose normalisations do something."""
    torch.manual_seed(0)
    model = build_unet(encoder, 2)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
            for values in (layer.bias, layer.running_mean):
                nn.init.uniform_(values, -0.2, 0.2)
    return model.eval()


def make_windows() -> torch.Tensor:
    windows = torch.randn(2, 2, 64, 96, generator=torch.Generator().manual_seed(1))
    return windows.to(memory_format=torch.channels_last)


def count(model: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(layer, kind) for layer in model.modules())


def differ(model: nn.Module, folded: nn.Module) -> float:
    """The largest difference of two networks' answers, in deviations of the first one's."""
    with torch.inference_mode():
        wanted, found = model(make_windows()), folded(make_windows()).float()
    return float((wanted - found).abs().max() / wanted.std())


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b0", TINY, "mit_b0"])
def test_a_folded_network_gives_the_same_answers(encoder: str) -> None:
    model = make_unet(encoder)
    assert differ(model, fold(model, 2, torch.float32)) < 1e-3


def test_nothing_is_left_to_fold_in_a_resnet() -> None:
    folded = fold(make_unet("resnet18"), 2, torch.float32)
    assert count(folded, nn.BatchNorm2d) == count(folded, nn.ReLU) == 0
    assert count(folded, nn.ConvTranspose2d) == 5
    assert "interpolate" not in folded.code and "add" not in folded.code


def test_bfloat16_differs_by_its_rounding() -> None:
    model = make_unet("resnet18")
    folded = fold(model, 2, torch.bfloat16)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        plain = model(make_windows()).float()
    with torch.inference_mode():
        exact = model(make_windows())
    assert 0 < differ(model, folded) < 1.5 * float((plain - exact).abs().max() / exact.std())


@pytest.mark.parametrize(
    ("place", "name", "other"),
    [(torch.backends.mkldnn, "is_available", lambda: False), (folding, "FUSED", ("renamed",))],
)
def test_without_onednns_operations_the_answers_are_the_same(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, other: object
) -> None:
    model = make_unet("resnet18")
    monkeypatch.setattr(place, name, other)
    assert not folding.can_fuse()
    assert differ(model, fold(model, 2, torch.float32)) < 1e-3


@pytest.mark.parametrize("encoder", ["resnet18", "efficientnet-b0"])
def test_the_network_itself_stays_as_it_is(encoder: str) -> None:
    model = make_unet(encoder)
    state = {name: values.clone() for name, values in model.state_dict().items()}
    checks, drawn = model.requires_divisible_input_shape, torch.get_rng_state()
    folded = fold(model, 2, torch.float32)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert model.requires_divisible_input_shape == checks
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(values, state[name]) for name, values in model.state_dict().items())
    before = folded(make_windows())
    with torch.no_grad():
        for values in model.parameters():
            values.zero_()
    assert torch.equal(folded(make_windows()), before)


def test_a_network_that_cannot_be_followed_is_left_alone() -> None:

    class Moody(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image if image.sum() > 0 else -image

    model = Moody()
    assert fold(model, 2, torch.float32) is model


class Doubled(nn.Module):
    """A sum of a convolution and itself, which is no block's end."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        answer = self.layer(image)
        return torch.relu(answer + answer)


def test_a_sum_with_itself_stays_a_sum() -> None:
    model = Doubled()
    assert differ(model, fold(model, 2, torch.float32)) < 1e-5


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (5, 4)])
def test_a_convolution_of_an_enlarged_image_is_a_transposed_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    image = torch.randn(1, 3, *shape, dtype=torch.float64)
    weight, bias = torch.randn(4, 3, 3, 3), torch.randn(4)
    large = functional.interpolate(image, scale_factor=2, mode="nearest")
    wanted = functional.conv2d(large, weight.double(), bias.double(), padding=1)
    layer = make_transposed(weight, bias).layer.double()
    torch.testing.assert_close(layer(image), wanted, rtol=0, atol=1e-5)
