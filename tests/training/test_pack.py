"""Packs: what a fold learns in one, it learns alone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from glacier.errors import TrainingError
from glacier.evaluation.results import Epoch, PackRate
from glacier.samples.folds import Split
from glacier.training import learner, pack
from glacier.training.fit import run_trial
from glacier.training.throughput import Throughput
from glacier.training.trial import Trial
from tests.support.discs import KEYS, make_images, make_trial

IMAGES = make_images()


def make_trials(folder: Path, count: int = 2, **settings: object) -> list[Trial]:
    """Folds of one encoder, of which no two train on the same months or as many."""
    trials = []
    for fold in range(count):
        plain = {"epochs": 2, "steps_per_epoch": None, "brightness_jitter": 0.2, "batch_size": 3}
        trial = make_trial(folder / str(fold), **(plain | settings))
        split = Split(fold, tuple(KEYS[:2]), tuple(KEYS[2:4]), tuple(KEYS[4 + fold :]))
        trials.append(dataclasses.replace(trial, split=split))
    return trials


def read_model(trial: Trial) -> bytes:
    return Path(trial.model_folder, "model.safetensors").read_bytes()


def run(trials: Sequence[Trial]) -> list[tuple[int, Epoch]]:
    """A pack of trials, all of which end well; what was told of their epochs, by fold."""
    told: list[tuple[int, Epoch]] = []
    failed = pack.run_pack(trials, IMAGES, lambda trial, row: told.append((trial.split.fold, row)))
    assert failed == []
    return told


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    """Folds that were trained alone."""
    trials = make_trials(tmp_path_factory.mktemp("alone"), 3)
    for trial in trials:
        run_trial(trial, IMAGES, lambda row: None)
    return trials


@pytest.mark.parametrize("resident", [True, False])
def test_a_fold_learns_in_a_pack_what_it_learns_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: list[Trial], resident: bool
) -> None:
    """To the last bit, with samples gathered where they lie, and with streamed ones."""
    if not resident:
        monkeypatch.setattr(pack, "load_images", lambda *_: None)
    together = make_trials(tmp_path, pack=5)
    told = run(together)
    for trial, other in zip(together, alone, strict=False):
        expected, found = other.read_result(), trial.read_result()
        assert read_model(trial) == read_model(other)
        assert found.scorecard == expected.scorecard and found.best_epoch == expected.best_epoch
        for row, given in zip(found.epochs, expected.epochs, strict=True):
            assert row.train_loss == given.train_loss
            assert row.val_dice_loss == pytest.approx(given.val_dice_loss, abs=1e-6)
            assert row.val_dice == pytest.approx(given.val_dice, abs=1e-3)
        assert [row for fold, row in told if fold == trial.split.fold] == list(found.epochs)
        assert found.pack is not None and found.pack.resident == resident
        assert found.pack.folds == 2


def test_a_fold_whose_loss_is_no_number_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: list[Trial]
) -> None:
    step, trials = learner.Learner.step, make_trials(tmp_path, pack=3, count=3)

    def spoil(self: learner.Learner, *batch: torch.Tensor) -> torch.Tensor:
        return step(self, *batch) * (float("nan") if self.trial.split.fold == 1 else 1.0)

    with monkeypatch.context() as patch:
        patch.setattr(learner.Learner, "step", spoil)
        failed = pack.run_pack(trials, IMAGES, lambda trial, row: None)
    assert [(trial.fold, trial.reason[:35]) for trial in failed] == [
        (1, "TrainingError: " + trials[1].name[:20])
    ]
    assert "loss is nan in epoch 1" in failed[0].reason
    assert [Path(trial.result_address).exists() for trial in trials] == [True, False, True]
    for fold in (0, 2):
        assert read_model(trials[fold]) == read_model(alone[fold])


def test_a_pack_that_was_lost_goes_on_with_what_is_not_done(
    tmp_path: Path, alone: list[Trial]
) -> None:
    """One fold had ended, one had a checkpoint, one had not begun."""
    cut = make_trials(tmp_path, 3, pack=3)
    run(cut[:1])

    class Lost(Exception):
        pass

    def stop(trial: Trial, row: Epoch) -> None:
        if row.epoch == 1:
            raise Lost

    with pytest.raises(Lost):
        pack.run_pack(cut[:2], IMAGES, stop)
    told = [(fold, row.epoch) for fold, row in run(cut)]
    assert told == [(1, 0), (1, 1), (2, 0), (2, 1)]  # the first of them it was told of again
    for trial, other in zip(cut, alone, strict=True):
        assert read_model(trial) == read_model(other)
    assert run(cut) == []


@pytest.fixture
def conclusions(monkeypatch: pytest.MonkeyPatch) -> list[PackRate]:
    """What is said of the pack at the end of each trial, whose test is left out."""
    found: list[PackRate] = []
    monkeypatch.setattr(pack, "conclude_trial", lambda *given: found.append(given[-1]))
    return found


def test_folds_that_wait_join_when_others_are_done(
    tmp_path: Path, conclusions: list[PackRate]
) -> None:
    told = run(make_trials(tmp_path, 3, pack=2, epochs=1, steps_per_epoch=1))
    assert [fold for fold, _ in told] == [0, 1, 2] and len(conclusions) == 3


def test_a_measured_pack_grows_by_one_each_epoch_while_that_helps(
    tmp_path: Path, conclusions: list[PackRate]
) -> None:
    trials = make_trials(tmp_path, 4, epochs=4, steps_per_epoch=1)
    made = pack.Pack(trials, IMAGES, lambda trial, row: None)
    made.throughput, rates = Throughput(None), {1: 10.0, 2: 19.0, 3: 19.5}
    note, sizes = made.throughput.note, []

    def feign(folds: int, images_per_s: float) -> None:
        sizes.append(folds)
        note(folds, rates[folds])

    made.throughput.note = feign
    assert made.run() == []
    assert sizes == [1, 2, 3, 3, 3, 2, 1, 1]
    assert conclusions[0].limit == ("the GPU: the last fold that joined raised the rate by 3% only")


def test_a_fold_that_does_not_fit_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conclusions: list[PackRate]
) -> None:
    prepare, held = pack.Pack.prepare, []

    def refuse(self: pack.Pack, trial: Trial) -> pack.PackedFold:
        if len(self.running) == 2:
            raise torch.OutOfMemoryError
        held.append(trial.split.fold)
        return prepare(self, trial)

    monkeypatch.setattr(pack.Pack, "prepare", refuse)
    run(make_trials(tmp_path, 3, pack=3, epochs=1, steps_per_epoch=1))
    assert held == [0, 1, 2]
    assert (conclusions[2].folds, conclusions[2].limit) == (2, "the memory of the GPU")


def test_a_fold_whose_answers_are_no_numbers_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, conclusions: list[PackRate]
) -> None:
    """Its losses were, and the last step spoiled it."""
    step = learner.Learner.step

    def spoil(self: learner.Learner, *batch: torch.Tensor) -> torch.Tensor:
        loss = step(self, *batch)
        if self.trial.split.fold == 0:
            with torch.no_grad():
                next(self.model.parameters()).fill_(float("nan"))
        return loss

    monkeypatch.setattr(learner.Learner, "step", spoil)
    trials = make_trials(tmp_path, pack=2, epochs=1, steps_per_epoch=1)
    (failed,) = pack.run_pack(trials, IMAGES, lambda trial, row: None)
    assert failed.fold == 0 and "loss on the split that chooses the epoch is nan" in failed.reason
    assert len(conclusions) == 1


def test_a_network_that_never_fits_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: pack.Pack, trial: Trial) -> pack.PackedFold:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(pack.Pack, "prepare", refuse)
    failed = pack.run_pack(make_trials(tmp_path), IMAGES, lambda trial, row: None)
    assert ["too little memory for one network" in trial.reason for trial in failed] == [True] * 2


def test_a_layer_without_fixed_order_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> pack.PackedFold:
        raise RuntimeError("adaptive_max_pool2d does not have a deterministic implementation")

    (trial,) = make_trials(tmp_path, 1)
    made = pack.Pack([trial], IMAGES, lambda trial, row: None)
    monkeypatch.setattr(pack, "PackedFold", refuse)
    with pytest.raises(TrainingError, match=r"set sweep\.deterministic to false"):
        made.prepare(trial)
