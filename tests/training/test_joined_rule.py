"""A rule beside a network: it finds ice and water by NDSI, and leaves all else to the network."""

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from glacier.evaluation.calibration import Calibration
from glacier.samples.month_images import MonthImage
from glacier.settings.identity import identity
from glacier.settings.sweep import Sweep
from glacier.training.export import ONNX, compare_files, encode_files
from glacier.training.fit import make_learner, run_trial
from glacier.training.inference import Viewer
from glacier.training.joined_rule import JoinedRule, fit_rule
from glacier.training.model_card import ModelCard, describe_model
from glacier.training.model_files import map_probability, read_card
from glacier.training.trial import Start, Trial
from glacier.training.unet import build_unet
from tests.support.discs import SIZE, make_samples, make_trial
from tests.support.model_cards import make_card
from tests.support.months import make_month

BANDS = ("nir", "green", "swir1")
ICE, WATER, ROCK = (0.6, 0.7, 0.1), (0.05, 0.1, 0.01), (0.3, 0.2, 0.3)
"""Reflectance of the bands: NDSI 0.75 and bright, 0.82 and dark, -0.2."""
RULE = {"nir": 0, "green": 1, "swir1": 2, "bright": 0.8, "dark": 0.1}


def draw_month(ice: int, water: int, month: int = 1, unseen: int = 0) -> MonthImage:
    """An image whose first rows are ice, the next ones water, the others rock; some not seen."""
    picture = np.empty((3, SIZE, SIZE), np.float32)
    picture[:] = np.array(ROCK)[:, None, None]
    picture[:, :ice] = np.array(ICE)[:, None, None]
    picture[:, ice : ice + water] = np.array(WATER)[:, None, None]
    picture[1, :unseen] = np.nan
    label = np.zeros((SIZE, SIZE), np.uint8)
    label[:ice] = 1
    return make_month("a", date(2020, month, 1), picture, label)


def give_trial(folder: Path, **settings: object) -> Trial:
    """A trial on images of these bands."""
    trial = make_trial(folder, **({"joined_rule": "ndsi"} | settings))
    return dataclasses.replace(trial, samples=make_samples(bands=BANDS))


def card_with(rule: JoinedRule, orientations: int = 1, **changes: object) -> ModelCard:
    """A card of these bands with a rule."""
    inference = {
        "size_px": SIZE, "stride_px": SIZE // 2, "mean": (0.3,) * 3, "std": (0.1,) * 3,
        "orientations": orientations, "rule": rule,
    }  # fmt: skip
    return make_card(BANDS, **({"inference": inference} | changes))


def test_the_rule_is_worth_what_it_is_worth_on_known_training_ground() -> None:
    first, second = draw_month(8, 4), draw_month(6, 10, 2, unseen=1)
    first.label[:2] = 0  # a quarter of its ice is snow on rock
    first.label[2, :16] = 255  # nobody knows
    second.label[6:8] = 1  # shade on a glacier
    everywhere = np.ones((SIZE, SIZE), bool)
    upper = everywhere.copy()
    upper[10:] = False
    rule = fit_rule(BANDS, [(first, everywhere), (second, upper)])
    bright = (6 * SIZE - 16) + 5 * SIZE, (8 * SIZE - 16) + 5 * SIZE
    assert rule.bright == pytest.approx(bright[0] / bright[1])
    assert rule.dark == pytest.approx(2 / (4 + 4))
    assert (rule.nir, rule.green, rule.swir1) == (0, 1, 2)


def test_what_no_training_pixel_tells_stays_unsaid_and_nothing_is_certain() -> None:
    everywhere = np.ones((SIZE, SIZE), bool)
    rule = fit_rule(BANDS, [(draw_month(5, 0), everywhere)])
    assert rule.bright == 0.99 and rule.dark is None
    windows, low = draw_month(5, 5).image[None], np.full((1, SIZE, SIZE), -9, np.float32)
    joined = rule.join(low, windows)[0]
    assert joined[:5] == pytest.approx(np.log(99)) and (joined[5:] == -9).all()
    assert "darker ground" not in describe_model(card_with(rule))
    silent = fit_rule(BANDS, [(draw_month(0, 0), everywhere)])
    np.testing.assert_array_equal(silent.join(low, windows), low)
    assert "rule speaks" not in describe_model(card_with(silent))


@given(
    st.floats(-20, 20, width=32), st.sampled_from([ICE, WATER, ROCK]), st.floats(0.01, 0.99),
    st.floats(0.01, 0.99),
)  # fmt: skip
def test_each_ground_has_its_bound_and_all_other_the_networks_word(
    logit: float, ground: tuple[float, ...], bright: float, dark: float
) -> None:
    rule = JoinedRule(**(RULE | {"bright": bright, "dark": dark}))
    window = np.full((1, 3, 1, 1), np.array(ground)[:, None, None], np.float32)
    found = rule.join(np.full((1, 1, 1), logit, np.float32), window).item()
    if ground == ICE:
        assert found == pytest.approx(max(logit, np.log(bright / (1 - bright))), abs=1e-5)
    elif ground == WATER:
        assert found == pytest.approx(min(logit, np.log(dark / (1 - dark))), abs=1e-5)
    else:
        assert found == np.float32(logit)


def test_unseen_ground_is_neither() -> None:
    window = draw_month(10, 10).image[None]
    window[0, 2, 5:15] = np.nan
    logits = np.random.default_rng(0).normal(size=(1, SIZE, SIZE)).astype(np.float32)
    joined = JoinedRule(**RULE).join(logits, window)
    np.testing.assert_array_equal(joined[0, 5:15], logits[0, 5:15])


def test_a_trial_is_tested_and_its_model_maps_with_the_rule(tmp_path: Path) -> None:
    """The network learns from rock and water alone; its test part has ice."""
    ice = [draw_month(12, 6, month) for month in (1, 2, 3)]
    images = ice + [draw_month(3, 6, month) for month in range(4, 13)]
    for image in images[3:]:  # ice that a label knows on two rows of three
        image.label[2] = 0
    alone, joined = tmp_path / "alone", tmp_path / "joined"
    plain = run_trial(give_trial(alone, joined_rule="none", epochs=1), images, lambda row: None)
    done = run_trial(give_trial(joined, epochs=1), images, lambda row: None)
    card = read_card(str(joined / "model"))
    assert card.inference.rule is not None
    assert card.inference.rule.bright == pytest.approx(2 / 3)
    assert card.inference.rule.dark == 0.01
    assert read_card(str(alone / "model")).sha256 == card.sha256  # training is the same
    assert [each.val_dice_loss for each in plain.epochs] == [
        each.val_dice_loss for each in done.epochs
    ]
    found, without = (
        map_probability(str(folder / "model"), ice[0].image) for folder in (joined, alone)
    )
    assert (found[:12] >= 0.66).all() and (found[12:18] <= 0.0101).all()
    np.testing.assert_array_equal(found[18:], without[18:])
    assert all(image.counts.fn == 0 for image in done.scorecard.images)
    text = describe_model(card)
    assert "at least 0.67 and darker ground with one of at most 0.01" in text


def test_turned_windows_are_joined_as_a_file_for_other_programs_does(tmp_path: Path) -> None:
    torch.manual_seed(3)
    windows = np.random.default_rng(3).uniform(0, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    windows[:, :, :8], windows[:, :, 8:16] = (
        np.array(each, np.float32)[:, None, None] for each in (ICE, WATER)
    )
    card = card_with(JoinedRule(**RULE), orientations=8)
    model = build_unet("resnet18", 3).eval()
    files = encode_files(model, card)
    assert compare_files(files, model, card, windows)[ONNX] < 1e-5
    logits = Viewer.of(model, card.inference).predict(windows)
    probability = Calibration().probability(logits)
    assert probability[:, :8].min() >= 0.799 and probability[:, 8:16].max() <= 0.101


def test_a_model_that_goes_on_learning_keeps_its_rule(tmp_path: Path) -> None:
    images = [draw_month(3, 6, month) for month in range(1, 13)]
    run_trial(give_trial(tmp_path, epochs=1), images, lambda row: None)
    kept = read_card(str(tmp_path / "model")).inference.rule
    for image in images:
        image.label[:] = 0
    onward = dataclasses.replace(
        give_trial(tmp_path / "on", joined_rule="none"), start=Start(str(tmp_path / "model"))
    )
    assert kept is not None and make_learner(onward, images).inference.rule == kept


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": {"bands": BANDS, "scale": "own_maximum", "range": (0, 1)}}, "own_maximum"),
        ({"image": {"bands": ("nir", "red", "swir1"), "scale": "reflectance", "range": (0, 1)}},
         "green of the joined rule is not band 1"),
    ],
)  # fmt: skip
def test_a_card_whose_rule_does_not_fit_its_bands_is_refused(
    changes: dict[str, object], why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        card_with(JoinedRule(**RULE), **changes)
    with pytest.raises(ValidationError, match="must be three bands"):
        JoinedRule(**(RULE | {"green": 0}))


def test_runs_without_a_rule_keep_their_names() -> None:
    assert "joined_rule" not in identity(Sweep())
    assert identity(Sweep(joined_rule="ndsi"))["joined_rule"] == "ndsi"
