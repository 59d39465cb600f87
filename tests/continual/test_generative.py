"""Drawn chips: within a budget of megabytes, labelled, and like what was shown."""

import numpy as np
import pytest
import torch

from glacier.continual.generative import GenerativeReplay
from glacier.continual.learn import Stream
from glacier.continual.vae import ChipVae, choose_width, divergence
from glacier.errors import TrainingError
from tests.support.streams import BANDS, SIZE_PX, make_chips, make_strategy, make_tasks


@pytest.mark.parametrize("budget_mb", [0.005, 0.02, 0.1])
def test_an_autoencoder_takes_no_more_megabytes_than_its_budget(budget_mb: float) -> None:
    strategy = make_strategy("generative", budget_bytes=int(budget_mb * 1e6))
    Stream(strategy, make_tasks(2)).run()
    assert 0 < strategy.memory_bytes() <= budget_mb * 1e6


def test_a_larger_budget_gives_a_wider_one() -> None:
    widths = [choose_width(BANDS, SIZE_PX, size) or 0 for size in (4_000, 20_000, 100_000)]
    assert widths == sorted(set(widths)) and widths[0] > 0


def test_a_budget_into_which_none_fits_is_refused() -> None:
    assert choose_width(BANDS, SIZE_PX, 100) is None
    with pytest.raises(TrainingError, match=r"raise continual\.budgets_percent"):
        make_strategy("generative", budget_bytes=100)


def test_a_standard_code_diverges_from_nothing() -> None:
    assert divergence(torch.zeros(2, 3), torch.zeros(2, 3)).item() == 0
    found = divergence(torch.full((2, 1), 2.0), torch.full((2, 1), np.log(3.0)))
    assert found.item() == pytest.approx((4 + 3 - 1 - np.log(3)) / 2, rel=1e-5)


def test_drawn_chips_have_the_form_of_others() -> None:
    torch.manual_seed(0)
    drawn = ChipVae(BANDS, SIZE_PX, 4).draw(5)
    assert drawn.images.shape == (5, BANDS, SIZE_PX, SIZE_PX)
    assert drawn.labels.shape == (5, 1, SIZE_PX, SIZE_PX) and drawn.labels.dtype == torch.uint8
    assert set(drawn.labels.unique().tolist()) <= {0, 1}


def test_it_learns_chips_with_their_labels() -> None:
    torch.manual_seed(0)
    chips, vae = make_chips(64, 1, 0), ChipVae(BANDS, SIZE_PX, 16)
    optimizer = torch.optim.Adam(vae.parameters(), 1e-2)
    before = vae.loss(chips).item()
    for _ in range(40):
        optimizer.zero_grad()
        vae.loss(chips).backward()
        optimizer.step()
    assert vae.loss(chips).item() < 0.6 * before


def test_the_first_task_is_learned_without_drawn_chips(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = make_strategy("generative", budget_bytes=20_000)
    assert isinstance(strategy, GenerativeReplay)
    calls: list[int] = []
    draw = strategy.vae.draw
    monkeypatch.setattr(strategy.vae, "draw", lambda count: calls.append(count) or draw(count))
    tasks = make_tasks(2)
    strategy.before_task(tasks[0])
    strategy.loss(tasks[0].train)
    assert not calls
    strategy.before_task(tasks[1])
    strategy.loss(tasks[1].train)
    assert calls == [len(tasks[1].train)]
