"""One trial without Ray: learning, choosing, testing, resuming, failing."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch

from glacier.errors import TrainingError
from glacier.evaluation.calibration import Calibration
from glacier.evaluation.results import PREDICTIONS, Epoch, TrialResult
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.settings.folds import Folds
from glacier.settings.labels import Label, Provenance
from glacier.settings.sweep import Sweep
from glacier.training import learner
from glacier.training.fit import make_learner, run_trial
from glacier.training.learner import Learner
from glacier.training.losses import dice_loss
from glacier.training.model_card import describe_model
from glacier.training.model_files import load_model, map_probability
from glacier.training.pretrained import RGB, Pretrained, Training
from glacier.training.tuning import keep_weights
from tests.support.discs import SIZE, SPLIT, TINY, make_images, make_samples, make_trial
from tests.support.months import make_month


def strip_times(done: TrialResult) -> list[Epoch]:
    """The epochs of a trial without what differs from run to run."""
    return [epoch.model_copy(update={"images_per_s": 0.0, "seconds": 0.0}) for epoch in done.epochs]


@contextmanager
def count_epochs() -> Iterator[list[int]]:
    """The epochs that are trained within."""
    trained: list[int] = []
    run_epoch = Learner.run_epoch

    def note(self: Learner, images: list[MonthImage], epoch: int) -> tuple[float, int]:
        trained.append(epoch)
        return run_epoch(self, images, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "run_epoch", note)
        yield trained


def test_a_trial_learns_and_is_tested_on_its_test_part_alone(tmp_path: Path) -> None:
    images = make_images()
    done = run_trial(make_trial(tmp_path, epochs=12), images, lambda row: None)
    images = done.scorecard.images
    assert [image.month for image in images] == [date(2020, month, 1) for month in (1, 2, 3)]
    assert {image.counts.pixels for image in images} == {SIZE * (SIZE - 2)}  # 255 counts nowhere
    assert done.scorecard.counts.iou > 0.7
    assert done.best_epoch == int(np.argmin([epoch.val_dice_loss for epoch in done.epochs]))


def test_test_pixels_change_nothing_but_the_test(tmp_path: Path) -> None:
    images = make_images()
    spoiled = [
        dataclasses.replace(
            i, numbers=np.full_like(i.numbers, 7273), label=1 - np.minimum(i.label, 1)
        )
        if i.key in SPLIT.test
        else i
        for i in images
    ]
    first = run_trial(make_trial(tmp_path / "a"), images, lambda row: None)
    second = run_trial(make_trial(tmp_path / "b"), spoiled, lambda row: None)
    assert strip_times(first) == strip_times(second)
    weights = [(tmp_path / n / "model/model.safetensors").read_bytes() for n in "ab"]
    assert weights[0] == weights[1]
    assert first.scorecard != second.scorecard


@pytest.mark.parametrize("stop_after", [0, 1, 2])
def test_a_stopped_trial_ends_in_the_same_bytes(tmp_path: Path, stop_after: int) -> None:
    images = make_images()
    whole = run_trial(make_trial(tmp_path / "whole"), images, lambda row: None)

    class Stopped(Exception):
        pass

    def stop(row: Epoch) -> None:
        if row.epoch > stop_after:
            raise Stopped

    with pytest.raises(Stopped):
        run_trial(make_trial(tmp_path / "cut"), images, stop)
    with count_epochs() as trained:
        resumed = run_trial(make_trial(tmp_path / "cut"), images, lambda row: None)
    assert trained == list(range(stop_after + 1, 4))  # it goes on, and does not begin again
    assert strip_times(whole) == strip_times(resumed)
    files = [tmp_path / name / "model/model.safetensors" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert whole.scorecard == resumed.scorecard


def test_a_finished_trial_returns_at_once(tmp_path: Path) -> None:
    images = make_images()
    done = run_trial(make_trial(tmp_path), images, lambda row: None)
    again = run_trial(make_trial(tmp_path), [], lambda row: pytest.fail("trained again"))
    assert again == done


@pytest.mark.parametrize(
    "name",
    [
        "model/model.safetensors",
        "model/model.json",
        "model/model.md",
        "model/model.item.json",
        "trial/predictions.npz",
    ],
)
def test_what_was_deleted_is_made_again(tmp_path: Path, name: str) -> None:
    images = make_images()
    trial = make_trial(tmp_path, epochs=1)
    run_trial(trial, images, lambda row: None)
    made = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    assert trial.find_result(owned=True) is None
    run_trial(trial, images, lambda row: None)
    assert (tmp_path / name).read_bytes() == made and trial.find_result(owned=True)


def test_a_damaged_checkpoint_is_refused_and_the_result_is_the_same(tmp_path: Path) -> None:
    images = make_images()
    whole = run_trial(make_trial(tmp_path / "whole"), images, lambda row: None)

    def stop(row: Epoch) -> None:
        if row.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(make_trial(tmp_path / "cut"), images, stop)
    (checkpoint,) = (tmp_path / "cut/trial").glob("*.pt")
    data = bytearray(checkpoint.read_bytes())
    data[len(data) // 2] ^= 1
    checkpoint.write_bytes(data)
    with count_epochs() as trained:
        resumed = run_trial(make_trial(tmp_path / "cut"), images, lambda row: None)
    assert trained == [0, 1, 2, 3]
    assert resumed.scorecard == whole.scorecard


def test_a_loss_that_is_no_number_fails_the_trial_and_spoils_no_checkpoint(tmp_path: Path) -> None:
    """The loss fails in the middle of the third epoch, once; the next start ends as if it had not.

    A checkpoint of the weights at that moment would stand between two epochs.
    """
    images = make_images()
    whole = run_trial(make_trial(tmp_path / "whole"), images, lambda row: None)
    steps, fails_at = 0, 2 * 4 + 2  # the third of four epochs of four steps

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return dice_loss(logits, target) * (float("nan") if steps == fails_at else 1.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner, "choose_loss", lambda name: loss)
        with pytest.raises(
            TrainingError, match=r"loss is nan in epoch 3; lower sweep\.learning_rate"
        ):
            run_trial(make_trial(tmp_path / "cut"), images, lambda row: None)
    assert not (tmp_path / "cut/trial/done.json").exists()
    with count_epochs() as trained:
        resumed = run_trial(make_trial(tmp_path / "cut"), images, lambda row: None)
    assert trained == [2, 3]
    assert resumed.scorecard == whole.scorecard


@pytest.mark.parametrize("value", [0, 255])
def test_a_validation_part_without_known_ice_chooses_nothing(tmp_path: Path, value: int) -> None:
    """Neither an epoch, nor when to stop, nor a temperature: the last epoch is kept."""
    images = [
        dataclasses.replace(i, label=np.full_like(i.label, value))
        if i.key in SPLIT.validation
        else i
        for i in make_images()
    ]
    trial = make_trial(tmp_path, calibrate=True, patience_epochs=1)
    done = run_trial(trial, images, lambda row: None)
    assert [row.val_dice for row in done.epochs] == [None] * 4
    assert (done.epoch_kept, done.was_chosen) == (4, False)
    assert done.calibration == Calibration()
    assert done.scorecard.counts.glacier_pixels
    card = (tmp_path / "model/model.md").read_text()
    assert "those of its last epoch; nothing was chosen" in card
    stored = json.loads((tmp_path / "model/model.json").read_text())["scores"]
    assert (stored["epoch_kept"], stored["was_chosen"]) == (4, False)


def test_a_test_part_without_ice_fails_no_trial_of_the_published_protocol(tmp_path: Path) -> None:
    images = [
        dataclasses.replace(i, label=np.zeros_like(i.label)) if i.key in SPLIT.test else i
        for i in make_images()
    ]
    split = Split(0, SPLIT.test, (), SPLIT.validation + SPLIT.train)
    trial = dataclasses.replace(make_trial(tmp_path, protocol="notebook"), split=split)
    done = run_trial(trial, images, lambda row: None)
    assert done.epoch_kept == 4 and not done.scorecard.counts.glacier_pixels


def test_a_model_is_the_same_wherever_its_files_lay(tmp_path: Path) -> None:
    """The card names the files of outlines, debris and weights, and no folder of the user's."""
    provenance = Provenance(source="RGI 7.0", years=(2000, 2000), owner="RGI", licence="CC BY 4.0")
    stored = []
    for home in ("/home/alice", "/home/bob"):
        trial = make_trial(tmp_path / home[6:], epochs=1, encoder_weights=f"{home}/w.safetensors")
        label = Label(outlines=f"{home}/rgi.gpkg", debris=f"{home}/d.gpkg", provenance=provenance)
        run_trial(dataclasses.replace(trial, label=label), make_images(), lambda row: None)
        stored.append(Path(trial.model_folder, "model.json").read_bytes())
    assert stored[0] == stored[1] and b"/home" not in stored[0]
    card = json.loads(stored[0])
    assert (card["label"]["outlines"], card["label"]["debris"]) == ("rgi.gpkg", "d.gpkg")
    assert card["label"]["provenance"]["source"] == "RGI 7.0"
    assert card["training"]["encoder_weights"] == "w.safetensors"


def test_a_card_names_the_files_of_each_region_and_the_weights_of_each_encoder(
    tmp_path: Path,
) -> None:
    trial = make_trial(tmp_path, epochs=1, encoder_weights={TINY: "/home/alice/w.safetensors"})
    label = Label(kind="outlines", outlines={"a": "/x/a.gpkg"}, masks={"b": "/x/{year}.tif"})
    run_trial(dataclasses.replace(trial, label=label), make_images(), lambda row: None)
    card = json.loads(Path(trial.model_folder, "model.json").read_text())
    assert card["label"]["outlines"] == {"a": "a.gpkg"}
    assert card["label"]["masks"] == {"b": "{year}.tif"}
    assert card["training"]["encoder_weights"] == {TINY: "w.safetensors"}
    assert "from the weights of w.safetensors;" in Path(trial.model_folder, "model.md").read_text()


@pytest.mark.parametrize("normalise", ["training", "weights"])
def test_a_network_begins_with_its_weights_and_looks_at_images_as_they_were_trained(
    tmp_path: Path, normalise: str
) -> None:
    """Our bands are near infrared, red and green; green has the weights of blue, too."""
    state = smp.encoders.get_encoder(TINY, weights=None).state_dict()
    training = Training(RGB, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    data = Pretrained.of(state, training).encode()
    address = keep_weights(str(tmp_path / "weights"), TINY, data)
    trial = dataclasses.replace(
        make_trial(tmp_path, normalise=normalise, encoder_weights="/w.pt"), weights=address
    )
    made = make_learner(trial, make_images())
    first, own = "model.conv_stem.weight", state["model.conv_stem.weight"]
    found = made.model.get_submodule("encoder").state_dict()[first]
    wanted = torch.stack([own[:, 0] / 2, own[:, 0] / 2, own[:, 1] + own[:, 2]], dim=1)
    torch.testing.assert_close(found, wanted)
    means = made.inference.mean
    if normalise == "weights":
        assert means == pytest.approx((0.1, 0.1, 0.2))
        assert made.inference.std == pytest.approx((0.4, 0.4, 0.5))
    else:
        assert means == make_learner(make_trial(tmp_path / "x"), make_images()).inference.mean


def test_the_exported_model_gives_the_tested_answer(tmp_path: Path) -> None:
    images = make_images()
    run_trial(make_trial(tmp_path), images, lambda row: None)
    folder = str(tmp_path / "model")
    model, card = load_model(folder)
    assert Path(folder, "model.md").read_text() == describe_model(card)
    mean, std = (
        np.array(v, np.float32)[:, None, None] for v in (card.inference.mean, card.inference.std)
    )
    predictions = np.load(tmp_path / "trial" / PREDICTIONS)
    for image in images[:3]:
        filled = np.where(np.isnan(image.image), np.array(card.fill)[:, None, None], image.image)
        with torch.inference_mode():
            logits = model(torch.from_numpy(((filled - mean) / std).astype(np.float32))[None])
        expected = torch.sigmoid(logits)[0, 0].numpy()
        assert np.abs(expected - predictions[image.key] / 255).max() < 0.51 / 255 + 1e-4
        seen = np.isfinite(image.image).all(axis=0)
        mapped = map_probability(folder, image.image)
        np.testing.assert_allclose(mapped[seen], expected[seen], atol=1e-4)
        tested = predictions[image.key][seen]  # of the same bytes, since one function made both
        np.testing.assert_array_equal(np.rint(mapped[seen] * 255), tested)
        assert np.isnan(mapped[~seen]).all()


def test_the_notebook_protocol_chooses_on_the_test_part(tmp_path: Path) -> None:
    images = make_images()
    trial = make_trial(tmp_path, protocol="notebook")
    trial = dataclasses.replace(
        trial, split=Split(0, SPLIT.test, (), SPLIT.validation + SPLIT.train)
    )
    done = run_trial(trial, images, lambda row: None)
    best = done.kept
    assert best.val_iou == pytest.approx(done.scorecard.counts.iou, abs=0.01)


def test_where_nothing_chooses_the_last_weights_are_kept(tmp_path: Path) -> None:
    images, seen = make_images(), []
    folds = Folds(kind="shuffled", validation_share=0)
    split = Split(0, SPLIT.test, (), SPLIT.validation + SPLIT.train)
    trial = dataclasses.replace(make_trial(tmp_path / "a", folds=folds), split=split)
    done = run_trial(trial, images, seen.append)
    assert done.best_epoch == len(done.epochs) - 1
    assert {row.val_dice_loss for row in seen} == {None}
    spoiled = [
        dataclasses.replace(i, label=1 - np.minimum(i.label, 1)) if i.key in SPLIT.test else i
        for i in images
    ]
    other = dataclasses.replace(make_trial(tmp_path / "b", folds=folds), split=split)
    run_trial(other, spoiled, lambda row: None)
    weights = [(tmp_path / n / "model/model.safetensors").read_bytes() for n in "ab"]
    assert weights[0] == weights[1]  # the test part chose nothing either
    card = (tmp_path / "a/model/model.md").read_text()
    assert "those of its last epoch; nothing was chosen" in card


def test_turns_are_averaged_only_where_they_were_trained() -> None:
    with pytest.raises(ValueError, match="test_time_augmentation needs flips"):
        Sweep(flips=False, test_time_augmentation=True)


@pytest.mark.parametrize("setting", [{"calibrate": True}, {"patience_epochs": 2}])
def test_what_is_fitted_needs_a_validation_part(setting: dict) -> None:
    with pytest.raises(ValueError, match=r"need a validation part; set folds\.validation_share"):
        Sweep(folds=Folds(validation_share=0), **setting)


def test_chips_score_every_test_pixel_once(tmp_path: Path) -> None:
    """One image of 4 x 4 blocks: the test column is scored whole, and nothing else is."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, (128, 128)).astype(np.uint8)
    label[5, :] = 255
    image = make_month("a", date(2020, 7, 1), rng.random((3, 128, 128), np.float32), label)
    columns = [[f"a/r{r}c{c}" for r in range(4)] for c in range(4)]
    split = Split(0, tuple(columns[0]), tuple(columns[3]), tuple(columns[1] + columns[2]))
    trial = make_trial(tmp_path, epochs=1, steps_per_epoch=2, folds=Folds(kind="by_block"))
    samples = make_samples(blocks=(4, 4), layout="chips", resize=None)
    masks = FoldMasks("by_block", (4, 4))
    trial = dataclasses.replace(trial, split=split, samples=samples, masks=masks)
    counts = run_trial(trial, [image], lambda row: None).scorecard.counts
    assert counts.glacier_pixels == int((label[:, :32] == 1).sum())
    assert counts.fp + counts.tn == int((label[:, :32] == 0).sum())


def test_seeds_come_from_seed_encoder_and_fold_alone(tmp_path: Path) -> None:
    trial = make_trial(tmp_path)
    moved = dataclasses.replace(trial, folder="elsewhere", model_folder="elsewhere")
    assert trial.trial_seed == moved.trial_seed
    seeds = {
        dataclasses.replace(trial, encoder=e, split=dataclasses.replace(SPLIT, fold=f)).trial_seed
        for e in ("a", "b")
        for f in range(5)
    }
    assert len(seeds) == 10
    assert trial.seed_at(0) != trial.seed_at(1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision_and_layout_are_settings(tmp_path: Path, precision: str) -> None:
    trial = make_trial(tmp_path, epochs=1, precision=precision, channels_last=True)
    done = run_trial(trial, make_images(), lambda row: None)
    assert np.isfinite(done.epochs[0].train_loss)


def test_patience_ends_a_trial_that_has_stopped_improving(tmp_path: Path) -> None:
    """With steps of size zero nothing improves after the first epoch but batch statistics."""
    settings = {"learning_rate": 1e-12, "epochs": 30, "patience_epochs": 2}
    done = run_trial(make_trial(tmp_path, **settings), make_images(), lambda row: None)
    assert done.epochs[-1].epoch == done.best_epoch + 2 < 29


def test_weight_decay_shrinks_the_weights(tmp_path: Path) -> None:
    sizes = []
    for decay in (0.0, 1.0):
        folder = tmp_path / str(decay)
        run_trial(
            make_trial(folder, weight_decay=decay, learning_rate=0.02, epochs=1),
            make_images(),
            lambda row: None,
        )
        model, _ = load_model(str(folder / "model"))
        sizes.append(sum(float((p.detach() ** 2).sum()) for p in model.parameters() if p.ndim == 4))
    assert sizes[1] < 0.95 * sizes[0]


def test_calibration_looks_at_the_validation_part_alone(tmp_path: Path) -> None:
    """With the labels of the test part turned round, temperature and threshold stay."""
    images = make_images()
    turned = [
        dataclasses.replace(i, label=np.where(i.label == 255, 255, 1 - i.label).astype(np.uint8))
        if i.key in SPLIT.test
        else i
        for i in images
    ]
    cards = []
    for name, some in (("a", images), ("b", turned)):
        done = run_trial(make_trial(tmp_path / name, calibrate=True), some, lambda row: None)
        _, card = load_model(str(tmp_path / name / "model"))
        cards.append(Calibration(card.temperature, card.threshold))
        assert cards[-1] == done.calibration
    assert cards[0] == cards[1] != Calibration()
