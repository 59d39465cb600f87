"""One trial: train one encoder on one fold, keep its best weights, test them once.

No Ray in here. A trial can be stopped at any moment and run again: it goes on from its last
checkpoint and ends in the same bytes.
"""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glacier import store
from glacier.evaluation.calibration import Calibration, Reliability, measure_reliability
from glacier.evaluation.scorecard import Scorecard
from glacier.samples.dataset import MonthImage
from glacier.training.learner import (
    Checkpoint,
    Learner,
    OnEpoch,
    band_statistics,
    configure_process,
    describe_device,
)
from glacier.training.model_card import describe_model
from glacier.training.sampler import Crops
from glacier.training.trial import Trial
from glacier.training.unet import save_model


def run_trial(trial: Trial, images: list[MonthImage], on_epoch: OnEpoch) -> dict[str, Any]:
    """Train, choose, test and export; a trial that has ended returns at once.

    Args:
        trial: What to train.
        images: All month images of the run, read-only.
        on_epoch: Called with the row of each epoch as it ends.

    Returns:
        Content of ``done.json``: epoch rows, best epoch, test counts by image, costs, and
        where the model and the test predictions lie.

    Raises:
        TrainingError: The loss is not a number, or no training window fits.
        WeightsError: The initial weights do not fit.
    """
    done_address = store.join(trial.folder, "done.json")
    if store.exists(done_address):
        return dict(store.read_json(done_address))
    configure_process(trial.settings.cpus_per_trial)
    mean, std = band_statistics(trial, images)
    crops = Crops.plan(
        images,
        [trial.part(image, trial.split.train) for image in images],
        trial.samples["size_px"],
        whole=trial.samples["layout"] == "resize",
    )
    learner = Learner(trial, crops, mean, std)
    checkpoint = learner.train(images, on_epoch)
    return conclude_trial(trial, images, learner, checkpoint)


def conclude_trial(
    trial: Trial, images: list[MonthImage], learner: Learner, checkpoint: Checkpoint
) -> dict[str, Any]:
    """Test the best weights, export them, write ``done.json``, drop the checkpoint."""
    learner.model.load_state_dict(checkpoint.best)
    calibration = learner.calibrate(images) if trial.settings.calibrate else Calibration()
    scores, predictions = test_images(trial, images, learner, calibration)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **predictions)  # type: ignore[arg-type]  # numpy's stub takes a bool for any keyword
    predictions_address = store.join(trial.folder, "predictions.npz")
    sha256 = store.write_bytes(predictions_address, buffer.getvalue())
    seconds = [row["seconds"] for row in checkpoint.rows]
    facts = {
        "encoder": trial.encoder,
        "fold": trial.split.fold,
        "best_epoch": checkpoint.best_epoch,
        "parameters": sum(p.numel() for p in learner.model.parameters()),
        "images_per_s": float(np.median([row["images_per_s"] for row in checkpoint.rows])),
        "epoch_s": float(np.median(seconds)),
        "train_s": float(np.sum(seconds)),
        "device": describe_device(learner.device),
        "threads": trial.settings.cpus_per_trial,
        **asdict(calibration),
        **scores,
    }
    card = model_card(trial, learner, facts)
    store.write_bytes(store.join(trial.model_folder, "model.md"), describe_model(card).encode())
    save_model(trial.model_folder, checkpoint.best, card)
    done = facts | {
        "rows": checkpoint.rows,
        "model": trial.model_folder,
        "predictions": {"address": predictions_address, "sha256": sha256},
    }
    store.write_json(store.join(trial.folder, "done.json"), done)
    seal_address = store.join(trial.folder, "checkpoint.json")
    if store.exists(seal_address):
        store.remove(store.join(trial.folder, store.read_json(seal_address)["file"]))
        store.remove(seal_address)
    return done


def test_images(
    trial: Trial, images: list[MonthImage], learner: Learner, calibration: Calibration
) -> tuple[dict[str, Any], dict[str, NDArray[np.uint8]]]:
    """Scores on the images with test pixels, and the probabilities of those pixels.

    Returns:
        Content of :meth:`Scorecard.as_dict`, and ``uncalibrated``, what its ``calibration`` would
        be at temperature 1; and by ``<region>/<YYYY-MM>`` (H, W) uint8 images of
        probability x 255 (0 outside the test part). Held-out images have a picture, no score.
    """
    kind = trial.settings.folds.kind
    card, pictures = Scorecard(trial.samples, kind, trial.split.test), {}
    plain = Reliability()
    for image in images:
        part = trial.part(image, trial.split.test)
        if image.key in trial.held_out:
            part = np.ones_like(part)
        if not part.any():
            continue
        logits = learner.logits(image, part, learner.size // 2)
        probability = np.nan_to_num(calibration.probability(logits))
        pictures[image.key] = np.rint(probability * 255).astype(np.uint8)
        if image.key not in trial.held_out:
            card.add(image, part, probability, calibration.threshold)
            given = np.nan_to_num(Calibration().probability(logits))
            plain += measure_reliability(given, image.label, part)
    return card.as_dict() | {"uncalibrated": plain.as_dict()}, pictures


def model_card(trial: Trial, learner: Learner, facts: dict[str, Any]) -> dict[str, Any]:
    """``model.json``: all that is needed to use the model, how it was made, what it scored."""
    from_samples = ("bands", "scale", "range", "size_px", "resize", "label")
    fill = trial.samples["fill"]
    return {
        **{name: trial.samples[name] for name in from_samples},
        "schema": 1,
        "data": describe_months(trial.samples["parts"]),
        "encoder": trial.encoder,
        "fold": trial.split.fold,
        "mean": [float(v) for v in learner.mean],
        "std": [float(v) for v in learner.std],
        "fill": [float(v) for v in learner.mean] if fill == "mean" else [fill] * len(learner.mean),
        "threshold": facts["threshold"],
        "temperature": facts["temperature"],
        "split": trial.split.as_dict(),
        "training": trial.settings.model_dump(mode="json"),
        "seed": trial.seed,
        "scores": {"best_epoch": facts["best_epoch"], "tested": facts["tested"]},
        "parameters": facts["parameters"],
    }


def describe_months(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Regions, first and last month and number of the images that a set of samples holds."""
    good = [part for part in parts if part["status"] == "ok"]
    months = sorted(part["month"][:7] for part in good)
    return {
        "regions": list(dict.fromkeys(part["region"] for part in good)),
        "first": months[0],
        "last": months[-1],
        "images": len(good),
    }
