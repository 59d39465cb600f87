"""What is explained is what was mapped: the same answers, whole or by windows."""

import numpy as np
import pytest
import torch
from torch import nn

from glacier.errors import ConfigError
from glacier.explaining.explain_map import Explainer
from glacier.explaining.open_map import find_place
from glacier.explaining.removal import make_baseline, permute_bands, replace_bands
from glacier.explaining.subject import Subject, list_windows, measure_strength, spread_tiles
from glacier.geo.raster import Grid
from glacier.settings.explain import Explain
from glacier.training.model_files import fill_unseen
from tests.support.planted import BANDS, NAME, SIDE, make_subject


def draw_image(height: int = 50, width: int = 70, seed: int = 0) -> np.ndarray:
    image = np.random.default_rng(seed).random((len(BANDS), height, width)).astype(np.float32)
    image[:, 3:9, 4:20] = np.nan
    return image


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(len(BANDS), 6, 5, padding=2), nn.ReLU(), nn.Conv2d(6, 1, 1))


@pytest.mark.parametrize("changes", [{}, {"orientations": 8}, {"stride_px": 11}])
def test_windows_add_up_to_the_blended_answer(model: nn.Module, changes: dict) -> None:
    subject = make_subject(model, draw_image(), **changes)
    for each in (subject, subject.of_decision(), subject.within(np.indices((50, 70))[0] > 20)):
        look = each.look(each.image)
        assert measure_strength(list_windows(each), each.image) == pytest.approx(
            look.strength, abs=1e-5
        )


def test_the_map_is_that_of_the_viewer(model: nn.Module) -> None:
    subject = make_subject(model, draw_image(), stride_px=11)
    network = subject.networks[NAME]
    logits = network.viewer.logits(fill_unseen(subject.image, network.card), subject.wanted)
    np.testing.assert_array_equal(subject.look(subject.image).is_ice, logits >= 0)
    assert not subject.wanted[3:9, 4:20].any()


def test_the_strength_of_a_decision_is_never_below_nought(model: nn.Module) -> None:
    subject = make_subject(model, draw_image()).of_decision()
    assert subject.look(subject.image).strength > 0


def test_an_image_smaller_than_a_window_has_a_margin(model: nn.Module) -> None:
    subject = make_subject(model, draw_image(20, 30))
    assert subject.image.shape == (len(BANDS), SIDE, SIDE)
    assert subject.wanted.sum() == 20 * 30 - 6 * 16


def test_squares_are_spread_over_the_place(model: nn.Module) -> None:
    subject = make_subject(model, draw_image(96, 96))
    few, every = spread_tiles(subject, 3), spread_tiles(subject, 1000)
    assert few.wanted.sum() == 3 * 16 * 16
    assert (every.wanted == subject.wanted).mean() > 0.9
    assert np.ptp(np.nonzero(few.wanted)[0]) > 16


def test_what_is_unseen_stays_so_whatever_is_taken_away(model: nn.Module) -> None:
    subject = make_subject(model, draw_image())
    for removal in ("mean", "permuted"):
        baseline = make_baseline(subject, removal, 0)
        np.testing.assert_array_equal(np.isnan(baseline), np.isnan(subject.image))
    dealt = permute_bands(subject.image, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(dealt, axis=None), np.sort(subject.image, axis=None))
    changed = replace_bands(subject.image, dealt, [2])
    np.testing.assert_array_equal(changed[[0, 1, 3]], subject.image[[0, 1, 3]])


def test_a_place_is_a_square_on_the_ground() -> None:
    grid = Grid("EPSG:32608", 500_000, 6_500_000, 30, 100, 80)
    assert find_place(Explain(), grid, (100, 80)).all()
    settings = Explain(point=(-134.98, 58.63), side_m=300)
    place = find_place(settings, grid, (100, 80))
    small = find_place(settings, grid, (50, 40))  # as networks see it, resized
    assert place.sum() == pytest.approx(100, abs=21) and small.sum() == pytest.approx(25, abs=11)
    with pytest.raises(ConfigError, match=r"explain\.point.*outside"):
        find_place(Explain(point=(10.0, 46.0)), grid, (100, 80))


def test_what_does_not_fit_into_the_time_is_named(model: nn.Module) -> None:
    settings = Explain(at_most_s=1e-9, patch_px=8)
    found, layers = Explainer(make_subject(model, draw_image()), settings).run()
    assert {*settings.methods} <= set(found.late) and not layers.values
    assert "raise explain.at_most_s" in found.late["bands"]


def test_a_subject_knows_its_bands(model: nn.Module) -> None:
    subject = make_subject(model, draw_image())
    assert isinstance(subject, Subject) and subject.bands == BANDS
