"""One trial: train one encoder on one fold, keep its best weights, test them once.

No Ray in here. A trial can be stopped at any moment and run again: it goes on from its last
checkpoint and ends in the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.evaluation.calibration import Calibration, Reliability, measure_reliability
from glacier.evaluation.results import PREDICTIONS, PackRate, TrialResult
from glacier.evaluation.scorecard import Scorecard, ScorecardBuilder
from glacier.geo.footprints import find_footprint
from glacier.samples.image import ImageRecipe
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.settings.labels import Label
from glacier.settings.labels import name_files as name_of_files
from glacier.training.checkpoint import Checkpoint, drop_checkpoint
from glacier.training.inference import Viewer
from glacier.training.joined_rule import JoinedRule, fit_rule
from glacier.training.learner import (
    Learner,
    OnEpoch,
    band_statistics,
    describe_device,
)
from glacier.training.model_card import CardScores, DataSpan, ModelCard
from glacier.training.model_files import read_card, save_model
from glacier.training.process import configure_process
from glacier.training.sampler import WindowSampler
from glacier.training.trial import Trial
from glacier.training.unet import count_gflop


def run_trial(trial: Trial, images: Sequence[MonthImage], on_epoch: OnEpoch) -> TrialResult:
    """Train, choose, test and export; a trial that has ended returns at once.

    Args:
        trial: What to train.
        images: All month images of the run, read-only.
        on_epoch: Called with each epoch as it ends.

    Raises:
        TrainingError: The loss is not a number, or no training window fits.
        WeightsError: The initial weights do not fit.
    """
    if found := trial.find_result(owned=True):
        return found
    configure_process(trial.settings.cpus_per_trial)
    learner = make_learner(trial, images)
    checkpoint = learner.train(images, on_epoch)
    return conclude_trial(trial, images, learner, checkpoint)


def make_learner(trial: Trial, images: Sequence[MonthImage]) -> Learner:
    """The network of a trial, its statistics, and where its windows may lie.

    Raises:
        TrainingError: No training window fits, or no training pixel was ever seen.
        WeightsError: The initial weights do not fit.
    """
    mean, std = band_statistics(trial, images)
    sampler = WindowSampler.plan(
        images,
        (trial.training_mask(image) for image in images),
        trial.samples.size_px,
        whole=trial.samples.layout == "resize",
        bands=trial.samples.bands,
    )
    return Learner(trial, sampler, mean, std, choose_rule(trial, images))


def choose_rule(trial: Trial, images: Sequence[MonthImage]) -> JoinedRule | None:
    """What speaks beside the network of a trial: what its training ground says of the rule.

    A model that goes on learning keeps the one that it has.
    """
    if trial.start:
        return read_card(trial.start.model).inference.rule
    if trial.settings.joined_rule == "none":
        return None
    return fit_rule(trial.samples.bands, ((i, trial.training_mask(i)) for i in images))


def conclude_trial(
    trial: Trial,
    images: Sequence[MonthImage],
    learner: Learner,
    checkpoint: Checkpoint,
    pack: PackRate | None = None,
) -> TrialResult:
    """Test the best weights, export them, write the result, drop the checkpoint."""
    learner.model.load_state_dict(checkpoint.best)
    viewer, calibration = Viewer.of(learner.model, learner.inference), Calibration()
    if trial.settings.calibrate:
        calibration = learner.calibrate(viewer, images)
    card, uncalibrated, pictures = evaluate_test_split(trial, images, viewer, calibration)
    seconds = [epoch.seconds for epoch in checkpoint.epochs]
    result = TrialResult(
        encoder=trial.encoder,
        fold=trial.split.fold,
        best_epoch=checkpoint.best_epoch,
        epochs=tuple(checkpoint.epochs),
        scorecard=card,
        calibration=calibration,
        uncalibrated=uncalibrated,
        parameters=sum(p.numel() for p in learner.model.parameters()),
        gflop=count_gflop(learner.model, len(trial.samples.bands), trial.samples.size_px),
        images_per_s=float(np.median([epoch.images_per_s for epoch in checkpoint.epochs])),
        epoch_s=float(np.median(seconds)),
        train_s=float(np.sum(seconds)),
        device=describe_device(learner.device),
        threads=trial.settings.cpus_per_trial,
        pack=pack,
        files={PREDICTIONS: write_predictions(trial, pictures)},
    )
    save_model(trial.model_folder, checkpoint.best, make_card(trial, learner, result))
    seals.write_model(trial.result_address, result)
    drop_checkpoint(trial)
    return result


def evaluate_test_split(
    trial: Trial, images: Sequence[MonthImage], viewer: Viewer, calibration: Calibration
) -> tuple[Scorecard, Reliability, dict[str, NDArray[np.uint8]]]:
    """Scores on the images with test pixels, and the probabilities of those pixels.

    Returns:
        The scorecard; its reliability as it would be at temperature 1; and by
        ``<region>/<YYYY-MM>`` (H, W) uint8 images of probability x 255 (0 outside the test
        split). Held-out images have a picture, no score.
    """
    builder = ScorecardBuilder(trial.samples, trial.masks, trial.split.test)
    pictures, uncalibrated = {}, Reliability()
    for image in images:
        is_held_out = image.key in trial.masks.held_out
        mask = trial.mask(image, trial.split.test)
        wanted = np.ones_like(mask) if is_held_out else mask
        if not wanted.any():
            continue
        logits = viewer.logits(image.image, wanted)
        probability = np.nan_to_num(calibration.probability(logits))
        pictures[image.key] = np.rint(probability * 255).astype(np.uint8)
        if not is_held_out:
            builder.add(image, mask, probability, calibration.threshold)
            given = np.nan_to_num(Calibration().probability(logits))
            uncalibrated += measure_reliability(given, image.label, mask)
    return builder.build(), uncalibrated, pictures


def write_predictions(trial: Trial, pictures: dict[str, NDArray[np.uint8]]) -> str:
    """Store the probabilities of a trial's test pixels; returns the sha256 of the file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **pictures)  # type: ignore[arg-type]  # numpy's stub takes a bool for any keyword
    return store.write_bytes(trial.predictions_address, buffer.getvalue())


def make_card(trial: Trial, learner: Learner, result: TrialResult) -> ModelCard:
    """The card of a trial's model."""
    samples, mean = trial.samples, learner.inference.mean
    sides = [side for frame in samples.regions.values() for side in frame.pixel_sides_m]
    return ModelCard(
        encoder=trial.encoder,
        fold=trial.split.fold,
        image=ImageRecipe(bands=samples.bands, scale=samples.scale, range=samples.range),
        resize=samples.resize,
        pixel_m=(min(sides), max(sides)),
        fill=mean if samples.fill == "mean" else (float(samples.fill),) * len(mean),
        inference=learner.inference,
        label=name_files(trial.label),
        data=span_data(samples),
        threshold=result.calibration.threshold,
        temperature=result.calibration.temperature,
        split=trial.split,
        training=trial.settings.rename_weights(lambda source: source.rpartition("/")[2]),
        seed=trial.seed,
        scores=CardScores(
            epoch_kept=result.epoch_kept,
            was_chosen=result.was_chosen,
            tested=result.scorecard.images,
        ),
        parameters=result.parameters,
        parent=read_card(trial.start.model).sha256 if trial.start else "",
    )


def name_files(label: Label) -> Label:
    """A label whose files have their names alone, wherever they lay."""
    fields = {field: getattr(label, field) for field in ("outlines", "debris", "masks")}
    return label.model_copy(
        update={field: name_of_files(found) for field, found in fields.items() if found is not None}
    )


def span_data(samples: SampleSet) -> DataSpan:
    """Regions, first and last month and number of the images of a set of samples."""
    months = samples.usable
    dates = sorted(month.month for month in months)
    regions = tuple(dict.fromkeys(month.region for month in months))
    grounds = [find_footprint(samples.regions[name].grid) for name in regions]
    return DataSpan(
        regions=regions,
        bounds=tuple(ground.bounds for ground in grounds if ground is not None),
        first=f"{dates[0]:%Y-%m}",
        last=f"{dates[-1]:%Y-%m}",
        images=len(months),
        sensors=samples.sensors,
    )
