"""Which trials share a GPU."""

import pytest

from glacier.settings.sweep import Sweep
from glacier.training.packing import choose_most, gpus_of_pack, part_packs

KEYS = [(encoder, fold) for encoder in ("a", "b", "c") for fold in range(5)]


@pytest.mark.parametrize(
    ("settings", "gpus", "sizes", "share"),
    [
        ({}, 0, [1] * 15, 0),  # on cores nothing is packed
        ({"pack": 5}, 0, [1] * 15, 0),
        ({"gpus_per_trial": 1}, 1, [1] * 15, 1),
        ({"gpus_per_trial": 2}, 4, [1] * 15, 2),
        ({"gpus_per_trial": 0.5}, 1, [2, 2, 1] * 3, 1),
        ({"gpus_per_trial": 0.2}, 1, [5] * 3, 1),
        ({"gpus_per_trial": 0.1}, 1, [5] * 3, 0.5),  # two packs share the GPU
        ({"gpus_per_trial": 0.2, "pack": "off"}, 1, [1] * 15, 0.2),
        ({"gpus_per_trial": 0.2, "pack": 3}, 1, [3, 2] * 3, 0.6),
        ({"gpus_per_trial": 1, "pack": 3}, 1, [3, 2] * 3, 1),
        ({"gpus_per_trial": "auto"}, 1, [5] * 3, 1),
        ({"gpus_per_trial": "auto"}, 8, [2, 2, 1] * 3, 1),  # no GPU waits while folds queue
        ({"gpus_per_trial": "auto"}, 100, [1] * 15, 1),
        ({"gpus_per_trial": "auto", "pack": 4}, 8, [4, 1] * 3, 1),
        ({"gpus_per_trial": "auto", "pack": "off"}, 1, [1] * 15, 1),
    ],
)
def test_packs_hold_folds_of_one_encoder_and_fill_the_gpus(
    settings: dict, gpus: float, sizes: list[int], share: float
) -> None:
    sweep = Sweep(**settings)
    packs = part_packs(sweep, KEYS, gpus)
    assert [key for pack in packs for key in pack] == KEYS
    assert [len(pack) for pack in packs] == sizes
    assert all(len({encoder for encoder, _ in pack}) == 1 for pack in packs)
    assert gpus_of_pack(sweep, max(sizes)) == pytest.approx(share)


def test_where_the_share_is_measured_nothing_is_decided_beforehand() -> None:
    assert choose_most(Sweep(gpus_per_trial="auto")) is None
    assert choose_most(Sweep(gpus_per_trial="auto", pack=3)) == 3
    assert choose_most(Sweep()) == 1


def test_the_yaml_word_off_is_no_truth_value() -> None:
    """YAML reads it as false."""
    assert Sweep(pack=False).pack == "off" and Sweep(pack="off").pack == "off"
