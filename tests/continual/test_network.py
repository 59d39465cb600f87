"""The small U-Net and how its stages are strung together."""

import pytest
import torch

from glacier.continual.network import SmallUNet, Stage, list_channels, string_stages


@pytest.mark.parametrize(("levels", "side"), [(2, 8), (4, 32), (5, 16)])
def test_an_image_gives_a_logit_for_every_pixel(levels: int, side: int) -> None:
    net = SmallUNet(3, levels, 8)
    assert net(torch.randn(2, 3, side, side)).shape == (2, 1, side, side)
    assert net.encode(torch.randn(2, 3, side, side)).shape == (2, 16)


def test_channels_go_down_and_up() -> None:
    assert list_channels(3, 3, 8) == [(3, 8), (8, 16), (16, 16), (32, 16), (24, 8)]


def test_a_pixel_of_one_image_says_nothing_of_another() -> None:
    """Statistics are of one image alone, so a batch of the last task changes nothing."""
    net, images = SmallUNet(2, 3, 8), torch.randn(3, 2, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(images)[:1], net(images[:1]), atol=1e-5)


def test_stages_run_in_order_with_their_skips() -> None:
    seen: list[tuple[int, int, int]] = []

    def run(place: int, inner: torch.Tensor) -> torch.Tensor:
        seen.append((place, inner.shape[1], inner.shape[2]))
        return inner[:, :1]

    outputs = string_stages(torch.zeros(1, 3, 8, 8), 3, run)
    assert seen == [(0, 3, 8), (1, 1, 4), (2, 1, 2), (3, 2, 4), (4, 2, 8)]
    assert len(outputs) == 5 and outputs[-1].shape == (1, 1, 8, 8)


def test_what_is_beside_is_added_before_the_first_norm() -> None:
    stage, image = Stage(2, 4), torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        assert torch.equal(stage(image, torch.zeros(1, 4, 8, 8)), stage(image))
        assert not torch.equal(stage(image, torch.randn(1, 4, 8, 8)), stage(image))
