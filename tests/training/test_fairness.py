"""What each way against unfairness does, by its closed form."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from glacier.samples.folds import Split
from glacier.samples.month_images import MonthImage
from glacier.settings.fairness import Fairness
from glacier.settings.identity import identity
from glacier.settings.sweep import Sweep
from glacier.training.fairness import (
    AdversarialLoss,
    BatchLoss,
    ConstrainedLoss,
    RobustLoss,
    make_batch_loss,
    reverse_gradient,
)
from glacier.training.fit import make_learner
from glacier.training.learner import Learner
from glacier.training.losses import dice_loss
from glacier.training.process import configure_process
from glacier.training.sampler import WindowSampler
from tests.support.discs import SIZE, make_images, make_trial

REGIONS = ("a",) * 6 + ("b",) * 2 + ("c",)
WAYS = ("reweighted", "group_dro", "adversarial", "worst_group")


def mean_logit(logits: Tensor, target: Tensor) -> Tensor:
    """A loss that a test can set."""
    return logits.mean()


def make_places() -> list[MonthImage]:
    """Discs of three regions, of which one has most of the images."""
    names = ("c", "c", "c", "c", "c", "a", "a", "a", "a", "b", "b", "c")
    return [replace(image, region=name) for image, name in zip(make_images(), names, strict=True)]


IMAGES = make_places()


def make_place_learner(folder: Path, kind: str, epochs: int = 1) -> Learner:
    """A learner of two steps an epoch on all three regions, by which nothing is chosen."""
    configure_process(1)
    trial = make_trial(folder, epochs=epochs, steps_per_epoch=2, fairness=Fairness(kind=kind))
    split = Split(0, (), (), tuple(image.key for image in IMAGES))
    return make_learner(replace(trial, split=split), IMAGES)


def draw_places(count: int, **settings: object) -> list[int]:
    """Places of the images that an epoch is drawn from, of three regions of different size."""
    starts = [np.zeros((1, 2), np.int32)] * len(REGIONS)
    sampler = WindowSampler(SIZE, True, starts, 0, (), REGIONS)
    images = [replace(make_images()[0], region=name) for name in REGIONS]
    config = Sweep(batch_size=4, steps_per_epoch=count // 4, **settings)
    table = sampler.draw_table(images, np.random.default_rng(1), config)
    return table.image.tolist()


@pytest.mark.parametrize("kind", ["reweighted", "group_dro", "worst_group"])
def test_every_region_is_drawn_equally_often(kind: str) -> None:
    drawn = draw_places(36, fairness=Fairness(kind=kind))
    assert Counter(REGIONS[place] for place in drawn) == {"a": 12, "b": 12, "c": 12}
    within = Counter(place for place in drawn if REGIONS[place] == "a")
    assert set(within.values()) == {2}  # and within a region every image


def test_without_a_way_images_count_and_not_regions() -> None:
    drawn = draw_places(36)
    assert Counter(REGIONS[place] for place in drawn) == {"a": 24, "b": 8, "c": 4}
    assert drawn == draw_places(36, fairness=Fairness(kind="adversarial"))


def test_images_without_a_window_are_of_no_region() -> None:
    starts = [np.zeros((n, 2), np.int32) for n in (1, 0, 1)]
    sampler = WindowSampler(SIZE, True, starts, 0, (), ("z", "m", "a"))
    assert sampler.groups.tolist() == [1, -1, 0]


def test_the_weights_of_regions_follow_the_exponentiated_gradient() -> None:
    robust = RobustLoss(mean_logit, regions=3, step=0.5)
    target, regions = torch.zeros(4, 1, 1, 1), torch.tensor([0, 2, 0, 2])
    expected, losses = np.full(3, 1 / 3), np.array([0.2, 0.0, 1.0])  # region 1 is not shown
    for _ in range(3):
        logits = torch.tensor([0.1, 1.5, 0.3, 0.5]).reshape(4, 1, 1, 1).requires_grad_()
        lowered, noted = robust(logits, target, regions)
        expected = expected * np.exp(0.5 * losses)
        expected /= expected.sum()
        np.testing.assert_allclose(robust.weights, expected, rtol=1e-5)
        assert lowered.item() == pytest.approx(float(expected @ losses), rel=1e-5)
        assert noted.item() == pytest.approx(0.6)
        lowered.backward()
        np.testing.assert_allclose(logits.grad[1], expected[2] / 2, rtol=1e-5)
    for _ in range(200):
        robust(logits.detach(), target, regions)
    assert robust.weights[2] > 0.99  # the worst region's


def test_a_multiplier_rises_only_where_the_constraint_is_broken() -> None:
    penalised = ConstrainedLoss(mean_logit, regions=3, step=0.5, tolerance=0.1)
    target, regions = torch.zeros(3, 1, 1, 1), torch.tensor([0, 1, 2])

    def show(*losses: float) -> tuple[float, list[float]]:
        logits = torch.tensor(losses).reshape(3, 1, 1, 1)
        lowered, noted = penalised(logits, target, regions)
        assert noted.item() == pytest.approx(np.mean(losses))
        return lowered.item(), penalised.multipliers.tolist()

    assert show(0.3, 0.35, 0.4) == (pytest.approx(0.35), [0, 0, 0])  # all within the tolerance
    lowered, multipliers = show(0.2, 0.2, 0.8)
    assert multipliers == pytest.approx([0, 0, 0.5 * 0.3])
    assert lowered == pytest.approx(0.4 + 0.15 * 0.3)
    assert show(0.2, 0.2, 0.8)[1] == pytest.approx([0, 0, 0.3])
    assert show(0.4, 0.4, 0.4)[1] == pytest.approx([0, 0, 0.25])  # falls while it holds
    for _ in range(6):
        show(0.4, 0.4, 0.4)
    assert penalised.multipliers.tolist() == [0, 0, 0]


def test_the_gradient_that_comes_back_is_minus_strength_times_the_plain_one() -> None:
    features = torch.randn(5, 7, requires_grad=True)
    head = torch.nn.Linear(7, 3)
    head(features).square().sum().backward()
    plain, own = features.grad.clone(), head.weight.grad.clone()
    features.grad, head.weight.grad = None, None
    head(reverse_gradient(features, 0.3)).square().sum().backward()
    torch.testing.assert_close(features.grad, -0.3 * plain)
    torch.testing.assert_close(head.weight.grad, own)  # the head itself learns to tell


def test_no_way_is_the_loss_itself_and_each_way_has_its_own() -> None:
    kinds = {
        kind: type(make_batch_loss(dice_loss, Fairness(kind=kind), 3, 8))
        for kind in ("none", *WAYS)
    }
    assert kinds == {
        "none": BatchLoss, "reweighted": BatchLoss, "group_dro": RobustLoss,
        "adversarial": AdversarialLoss, "worst_group": ConstrainedLoss,
    }  # fmt: skip
    logits, target = torch.randn(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    lowered, noted = BatchLoss(dice_loss)(logits, target, None)
    assert lowered is noted and torch.equal(noted, dice_loss(logits, target))


@pytest.mark.parametrize("kind", WAYS[1:])
def test_what_a_way_has_learned_of_regions_goes_on_from_a_checkpoint(
    kind: str, tmp_path: Path
) -> None:
    """Two epochs in one go and in two end in the same bytes."""

    def train(folder: str, epochs: int) -> dict[str, Tensor]:
        learner = make_place_learner(tmp_path / folder, kind, epochs)
        learner.train(IMAGES, lambda row: None)
        return {**learner.model.state_dict(), **learner.loss.state_dict()}

    whole = train("whole", 2)
    train("parts", 1)
    again = train("parts", 2)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_adversary_learns_with_the_network_and_is_no_part_of_it(tmp_path: Path) -> None:
    plain = make_place_learner(tmp_path, "none")
    learner = make_place_learner(tmp_path, "adversarial")
    assert learner.model.state_dict().keys() == plain.model.state_dict().keys()
    before = [value.clone() for value in learner.loss.parameters()]
    assert before[-1].shape == (3,)
    learner.train(IMAGES, lambda row: None)
    moved = zip(before, learner.loss.parameters(), strict=True)
    assert all(not torch.equal(old, new) for old, new in moved)
    assert not learner.model.get_submodule("encoder")._forward_hooks


def test_settings_that_do_nothing_tell_no_run_from_another() -> None:
    plain = identity(Sweep())
    assert "fairness" not in plain and "choose_by" not in plain
    fair = identity(Sweep(fairness=Fairness(kind="group_dro")))
    assert fair["fairness"]["kind"] == "group_dro" and fair.keys() - plain.keys() == {"fairness"}


def test_a_loss_that_asks_for_regions_is_refused_on_a_gpu() -> None:
    for kind in WAYS[1:]:
        with pytest.raises(ValidationError, match=rf"{kind} trains on cores alone.*gpus_per_trial"):
            Sweep(fairness=Fairness(kind=kind), gpus_per_trial=0.5)
    Sweep(fairness=Fairness(kind="reweighted"), gpus_per_trial=0.5)
