"""The network of one trial and how it learns.

It ends in the same bytes wherever it was stopped, since the random state of an epoch follows from
the trial's seed and the epoch alone.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glacier.errors import TrainingError, WeightsError
from glacier.evaluation.calibration import Calibration, fit_calibration
from glacier.evaluation.metrics import Counts, count_pixels
from glacier.evaluation.results import Epoch
from glacier.labels import IGNORE
from glacier.samples.month_images import MonthImage
from glacier.training.checkpoint import Checkpoint, restore_checkpoint, save_checkpoint
from glacier.training.fairness import count_channels, make_batch_loss
from glacier.training.inference import Viewer, choose_device
from glacier.training.joined_rule import JoinedRule
from glacier.training.losses import choose_loss
from glacier.training.model_card import Inference
from glacier.training.model_files import load_model, read_card
from glacier.training.pretrained import Pretrained
from glacier.training.process import give_back, short_products
from glacier.training.sampler import WindowSampler
from glacier.training.selection import Selection
from glacier.training.tensors import Tensors, compare_tensors, read_weights
from glacier.training.trial import Trial
from glacier.training.unet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    autocast,
    build_unet,
    make_predictor,
    normalise,
)
from glacier.windows import Predictor, predict_blended

OnEpoch = Callable[[Epoch], None]
"""Told of each epoch as it ends."""


def band_statistics(
    trial: Trial, images: Sequence[MonthImage]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is subtracted from each band, and what it is divided by, (B,) float32 each.

    A trial that goes on from a model keeps that one's: its weights are for such numbers.

    Raises:
        TrainingError: No training pixel was ever seen.
    """
    if trial.start:
        inference = read_card(trial.start.model).inference
        return np.array(inference.mean, np.float32), np.array(inference.std, np.float32)
    if trial.settings.normalise == "imagenet":
        return np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    mean, std = measure_bands(trial, images)
    if trial.settings.normalise == "weights" and trial.weights:
        training = Pretrained.decode(trial.weights, read_weights(trial.weights)).training
        return training.scaling(trial.samples.bands, mean, std)
    return mean, std


def measure_bands(
    trial: Trial, images: Sequence[MonthImage]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of the training pixels, per band, (B,) float32.

    Raises:
        TrainingError: None was ever seen.
    """
    pixels, total, squares = 0, 0.0, 0.0
    for image in images:
        mask = trial.training_mask(image)
        if not mask.any():
            continue
        pixels_seen = image.image[:, mask]
        values = pixels_seen[:, np.isfinite(pixels_seen).all(axis=0)].astype(np.float64)
        pixels += values.shape[1]
        total, squares = total + values.sum(axis=1), squares + (values**2).sum(axis=1)
    if not pixels:
        raise TrainingError(
            f"fold {trial.split.fold}: no training pixel was ever seen; give more months, or lower "
            "sweep.folds.count"
        )
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-8))
    return np.asarray(mean, np.float32), np.asarray(std, np.float32)


def find_weights(trial: Trial) -> Tensors | None:
    """Weights that the encoder of a trial begins with, for its bands; None: random ones.

    Raises:
        StoreError, WeightsError: They are not there, or damaged.
    """
    if trial.weights is None:
        return None
    found = Pretrained.decode(trial.weights, read_weights(trial.weights))
    return found.widen(None if trial.settings.normalise == "imagenet" else trial.samples.bands)


class Learner:
    """The network of one trial and how it learns."""

    def __init__(
        self,
        trial: Trial,
        sampler: WindowSampler,
        mean: NDArray[np.float32],
        std: NDArray[np.float32],
        rule: JoinedRule | None = None,
    ) -> None:
        """Build the network from the trial's seed, on the trial's device."""
        settings = trial.settings
        self.trial, self.settings, self.sampler = trial, settings, sampler
        self.mean, self.std = mean, std
        self.size = trial.samples.size_px
        self.saved_at = time.monotonic()
        self.device = choose_device(settings.gpu_share)
        torch.manual_seed(trial.trial_seed)
        weights = find_weights(trial)
        model = build_unet(trial.encoder, len(mean), weights, settings.batch_norm_momentum)
        if trial.start:
            model.load_state_dict(load_model(trial.start.model)[0].state_dict())
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.model: nn.Module = model.to(self.device).to(memory_format=layout)
        self.layout = layout
        self.loss = make_batch_loss(
            choose_loss(settings.loss),
            settings.fairness,
            regions=int(sampler.groups.max(initial=-1)) + 1,
            channels=count_channels(model),
        )
        on_gpu = self.device.type == "cuda"
        rate = settings.learning_rate  # in a tensor, a step that was recorded follows it
        self.optimizer = torch.optim.AdamW(
            [*self.model.parameters(), *self.loss.parameters()],
            torch.tensor(rate, device=self.device) if on_gpu else rate,
            weight_decay=settings.weight_decay,
            fused=True,
            capturable=on_gpu,
        )
        self.forward: Callable[[Tensor], Tensor] = self.model
        if settings.compile and on_gpu:
            self.forward = torch.compile(self.model)
        self.predict: Predictor = make_predictor(self.model, mean, std, settings.precision)
        self.inference = Inference(
            size_px=self.size,
            stride_px=self.size // 2,
            orientations=8 if settings.test_time_augmentation else 1,
            precision=settings.precision,
            mean=tuple(map(float, mean)),
            std=tuple(map(float, std)),
            rule=rule,
        )

    def scaling(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the bands, (B, 1) float32 each, on the device."""
        mean, std = (torch.from_numpy(v)[:, None].to(self.device) for v in (self.mean, self.std))
        return mean, std

    def train(self, images: Sequence[MonthImage], on_epoch: OnEpoch) -> Checkpoint:
        """Run all epochs that are missing.

        Raises:
            TrainingError: The loss is not a number; the last sealed checkpoint stays.
        """
        checkpoint = self.restore()
        for row in checkpoint.epochs:
            on_epoch(row)
        while not self.is_done(checkpoint):
            began, epoch = time.monotonic(), checkpoint.epoch + 1
            train_loss, seen = self.run_epoch(images, epoch)
            trained_s = time.monotonic() - began
            selection = self.validate(images, self.trial.selection_units)
            row = Epoch(
                epoch=epoch,
                train_loss=train_loss,
                **selection._asdict(),
                images_per_s=seen / trained_s,
                seconds=time.monotonic() - began,
            )
            self.end_epoch(checkpoint, row, on_epoch)
        return checkpoint

    def is_done(self, checkpoint: Checkpoint) -> bool:
        """Whether all epochs have run, or the loss that chooses has long not fallen."""
        patience = self.settings.patience_epochs
        is_stale = patience is not None and checkpoint.epoch - checkpoint.best_epoch >= patience
        return is_stale or checkpoint.epoch + 1 >= self.settings.epochs

    def end_epoch(self, checkpoint: Checkpoint, row: Epoch, on_epoch: OnEpoch) -> None:
        """Note an epoch that has been trained and scored, tell of it, and save when it is time."""
        self.record_epoch(checkpoint, row)
        on_epoch(row)
        if time.monotonic() - self.saved_at >= self.settings.checkpoint_s:
            self.save(checkpoint)
            self.saved_at = time.monotonic()

    def run_epoch(self, images: Sequence[MonthImage], epoch: int) -> tuple[float, int]:
        """One pass; returns the mean loss of its batches and the number of samples.

        Raises:
            TrainingError: The loss is not a number.
        """
        torch.manual_seed(self.trial.seed_at(epoch))
        rng = np.random.default_rng(self.trial.seed_at(epoch))
        self.model.train()
        losses: list[Tensor] = []
        seen = 0
        steps = self.sampler.count_steps(self.settings)
        for step, part in enumerate(self.sampler.draw_batches(images, rng, self.settings)):
            image, label = self.sampler.cut_batch(images, part)
            self.set_step_size(epoch + step / steps, 1 / steps)
            batch = torch.from_numpy(normalise(image, self.mean, self.std)).to(self.device)
            target = torch.from_numpy(label.astype(np.int64))[:, None].to(self.device)
            regions = torch.from_numpy(self.sampler.groups[part.image])
            losses.append(self.step(batch, target, regions))
            seen += len(image)
        return self.mean_loss(torch.stack(losses), epoch), seen

    def step(self, batch: Tensor, target: Tensor, regions: Tensor | None = None) -> Tensor:
        """Lower the loss of one batch. Nothing in here waits for a GPU, so it can be recorded.

        Args:
            batch: (N, B, H, W) float32 of mean 0 and deviation 1, on the network's device.
            target: (N, 1, H, W) labels, 255 unknown.
            regions: (N,) number of the region of each window; None where the loss does not ask.

        Returns:
            () float32, the loss before the step.
        """
        with short_products(self.settings.tf32):
            with autocast(self.device, self.settings.precision), self.loss.watch(self.model):
                logits = self.forward(batch.contiguous(memory_format=self.layout))
            losses: tuple[Tensor, Tensor] = self.loss(logits.float(), target, regions)
            lowered, noted = losses
            self.optimizer.zero_grad(set_to_none=True)
            lowered.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return noted.detach()

    def mean_loss(self, losses: Tensor, epoch: int) -> float:
        """Mean loss of an epoch's batches, which are looked at once: each look waits for a GPU.

        Raises:
            TrainingError: One is not a number.
        """
        values = losses.double().cpu().numpy()
        if not np.isfinite(values).all():
            raise TrainingError(
                f"{self.trial.name}: the loss is {values[~np.isfinite(values)][0]} in epoch "
                f"{epoch + 1}; lower sweep.learning_rate ({self.settings.learning_rate})"
            )
        return float(values.mean())

    def set_step_size(self, epochs: float, step: float = 0.0) -> None:
        """Follow the schedule; it depends on the epochs gone by alone, so resuming keeps it.

        Args:
            epochs: Epochs gone by.
            step: Length of a step, epochs: the first one of a warm-up is above zero.
        """
        rate, warm_up = self.settings.learning_rate, self.settings.warm_up_epochs
        if epochs < warm_up:
            rate *= min(1.0, (epochs + step) / warm_up)
        elif self.settings.schedule == "cosine":
            gone = (epochs - warm_up) / (self.settings.epochs - warm_up)
            rate *= 0.5 * (1 + float(np.cos(np.pi * gone)))
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def validate(self, images: Sequence[MonthImage], units: tuple[str, ...]) -> Selection:
        """Scores on the split that chooses the checkpoint.

        Args:
            images: All month images.
            units: Units of the split; none: nothing chooses.

        Returns:
            Blank where nothing chooses: without units, and where they show no known ice, so that
            the loss would be the same in every epoch.
        """
        sums, counts, plain = np.zeros(3), Counts(), Calibration()
        for image in images:
            mask = self.trial.mask(image, units) & (image.label != IGNORE)
            if mask.any():
                probability = plain.probability(self.glance(image, mask)[mask])
                truth = image.label[mask] == 1
                sums += [probability[truth].sum(), probability.sum(), truth.sum()]
                counts += count_pixels(probability >= plain.threshold, image.label[mask])
        return Selection.of(sums, counts)

    def glance(self, image: MonthImage, wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Logits of an image's wanted pixels, (H, W) float32, NaN elsewhere, to choose an epoch.

        From windows side by side, as they are: a quarter of the work of a test, or less.
        """
        batch = self.settings.batch_size
        return predict_blended(self.predict, image.image, wanted, self.size, self.size, batch)

    def calibrate(self, viewer: Viewer, images: Sequence[MonthImage]) -> Calibration:
        """Temperature and threshold from the validation split, predicted as the test split is."""
        logits, label = [], []
        for image in images:
            mask = self.trial.mask(image, self.trial.split.validation)
            mask &= image.label != IGNORE
            if mask.any():
                logits.append(viewer.logits(image.image, mask)[mask])
                label.append(image.label[mask])
        if not label:
            return Calibration()
        return fit_calibration(np.concatenate(logits), np.concatenate(label))

    def record_epoch(self, checkpoint: Checkpoint, row: Epoch) -> None:
        """Note a finished epoch, and its weights if its loss is the lowest so far.

        Where nothing chooses, the last epoch is kept.
        """
        losses = [e.val_dice_loss for e in checkpoint.epochs if e.val_dice_loss is not None]
        checkpoint.epochs.append(row)
        checkpoint.epoch = row.epoch
        if row.val_dice_loss is None or row.val_dice_loss < min(losses, default=np.inf):
            checkpoint.best_epoch = row.epoch
            checkpoint.best = copy.deepcopy(self.model.state_dict())

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint with the state of the network and of the optimizer."""
        checkpoint.model = self.model.state_dict()
        checkpoint.optimizer = self.optimizer.state_dict()
        checkpoint.loss = self.loss.state_dict()
        save_checkpoint(self.trial, checkpoint)
        give_back()

    def restore(self) -> Checkpoint:
        """Go on from the last sealed checkpoint, or start afresh where there is none that fits."""
        checkpoint = restore_checkpoint(self.trial, self.device)
        if checkpoint is None:
            return Checkpoint()
        own = self.model.state_dict()
        try:
            compare_tensors(checkpoint.model, own)
            compare_tensors(checkpoint.best or own, own)
            compare_tensors(checkpoint.loss, self.loss.state_dict())
            self.optimizer.load_state_dict(checkpoint.optimizer)
        except (WeightsError, RuntimeError, ValueError, LookupError, TypeError) as error:
            print(
                f"{self.trial.name}: starts afresh; its checkpoint is of another network: {error}"
            )
            return Checkpoint()
        self.model.load_state_dict(checkpoint.model)
        self.loss.load_state_dict(checkpoint.loss)
        return checkpoint


def describe_device(device: torch.device) -> str:
    """``cpu``, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
