"""The network of one trial, how it learns, and the checkpoints from which it goes on.

It ends in the same bytes wherever it was stopped, since the random state of an epoch follows from
the trial's seed and the epoch alone.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import io
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages; torch reads it once

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glacier import store
from glacier.errors import StoreError, TrainingError
from glacier.evaluation.calibration import Calibration, fit_calibration
from glacier.evaluation.metrics import Counts, count_pixels
from glacier.labels import IGNORE
from glacier.samples.dataset import MonthImage
from glacier.training.losses import choose_loss
from glacier.training.sampler import Crops
from glacier.training.trial import Trial
from glacier.training.unet import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    autocast,
    build_unet,
    make_predictor,
    normalise,
)
from glacier.windows import Predictor, predict_blended, test_time_augmentation

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of ``mallopt``. Source: malloc.h of the GNU C library."""

State = dict[str, Any]
OnEpoch = Callable[[dict[str, Any]], None]


@dataclass
class Checkpoint:
    """All that a trial needs to go on: written whole, read back without unpickling."""

    epoch: int = -1
    """Last finished epoch; -1: none."""
    model: State = field(default_factory=dict)
    optimizer: State = field(default_factory=dict)
    best: State = field(default_factory=dict)
    """Weights of the epoch with the lowest loss on the choosing part, else of the last one."""
    best_epoch: int = -1
    rows: list[dict[str, Any]] = field(default_factory=list)
    """One row of metrics per finished epoch."""


def configure_process(threads: int) -> None:
    """Set the threads of a process that trains, and let it keep the memory that it frees.

    Every step needs the same large blocks again. The C library would give them back to the
    system, which clears each page anew: about a tenth of a step on a CPU. It changes no result.
    What a trial before left in the process is given back first.
    """
    torch.set_num_threads(threads)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # glibc; musl has none
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
            gc.collect()
            libc.malloc_trim(0)


def band_statistics(
    trial: Trial, images: list[MonthImage]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation per band, (B,) float32, from training pixels alone."""
    if trial.settings.normalise == "imagenet":
        return np.array(IMAGENET_MEAN, np.float32), np.array(IMAGENET_STD, np.float32)
    pixels, total, squares = 0, 0.0, 0.0
    for image in images:
        part = trial.part(image, trial.split.train) & np.isfinite(image.image).all(axis=0)
        values = image.image[:, part].astype(np.float64)
        pixels += values.shape[1]
        total, squares = total + values.sum(axis=1), squares + (values**2).sum(axis=1)
    if not pixels:
        raise TrainingError(f"fold {trial.split.fold}: no training pixel was ever seen")
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1e-8))
    return np.asarray(mean, np.float32), np.asarray(std, np.float32)


class Learner:
    """The network of one trial and how it learns."""

    def __init__(
        self, trial: Trial, crops: Crops, mean: NDArray[np.float32], std: NDArray[np.float32]
    ) -> None:
        """Build the network from the trial's seed, on the trial's device."""
        settings = trial.settings
        self.trial, self.settings, self.crops = trial, settings, crops
        self.mean, self.std = mean, std
        self.size: int = trial.samples["size_px"]
        on_gpu = settings.gpus_per_trial > 0 and torch.cuda.is_available()
        self.device = torch.device("cuda" if on_gpu else "cpu")
        torch.manual_seed(trial.trial_seed)
        weights = store.read_bytes(trial.weights) if trial.weights else None
        model = build_unet(trial.encoder, len(mean), weights, settings.batch_norm_momentum)
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.model: nn.Module = model.to(self.device).to(memory_format=layout)
        self.layout = layout
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.loss = choose_loss(settings.loss)
        self.predict: Predictor = make_predictor(self.model, mean, std, settings.precision)

    def train(self, images: list[MonthImage], on_epoch: OnEpoch) -> Checkpoint:
        """Run all epochs that are missing.

        Raises:
            TrainingError: The loss is not a number, or the part that chooses shows no glacier;
                the last sealed checkpoint stays.
        """
        checkpoint = self.restore()
        for row in checkpoint.rows:
            on_epoch(row)
        chooser = self.trial.split.validation
        if self.settings.protocol == "notebook":
            chooser = self.trial.split.test
        saved = time.monotonic()
        for epoch in range(checkpoint.epoch + 1, self.settings.epochs):
            if self.is_stale(checkpoint):
                break
            began = time.monotonic()
            train_loss, seen = self.run_epoch(images, epoch)
            trained_s = time.monotonic() - began
            scores = self.score(images, chooser)
            row = {
                "epoch": epoch,
                "train_loss": train_loss,
                **scores,
                "images_per_s": seen / trained_s,
                "seconds": time.monotonic() - began,
            }
            self.keep(checkpoint, row)
            on_epoch(row)
            if time.monotonic() - saved >= self.settings.checkpoint_s:
                self.save(checkpoint)
                saved = time.monotonic()
        return checkpoint

    def is_stale(self, checkpoint: Checkpoint) -> bool:
        """Whether the loss on the choosing part has not fallen for the patience of epochs."""
        patience = self.settings.patience_epochs
        return patience is not None and checkpoint.epoch - checkpoint.best_epoch >= patience

    def run_epoch(self, images: list[MonthImage], epoch: int) -> tuple[float, int]:
        """One pass; returns the mean loss of its batches and the number of samples.

        Raises:
            TrainingError: The loss is not a number.
        """
        torch.manual_seed(self.trial.seed_at(epoch))
        rng = np.random.default_rng(self.trial.seed_at(epoch))
        self.model.train()
        losses, seen = [], 0
        steps = self.crops.count_steps(self.settings)
        for step, (image, label) in enumerate(self.crops.draw_epoch(images, rng, self.settings)):
            self.set_step_size(epoch + step / steps)
            batch = torch.from_numpy(normalise(image, self.mean, self.std))
            batch = batch.to(self.device, memory_format=self.layout)
            target = torch.from_numpy(label.astype(np.int64))[:, None].to(self.device)
            with autocast(self.device, self.settings.precision):
                logits = self.model(batch)
            loss = self.loss(logits.float(), target)
            value = float(loss.detach())
            if not np.isfinite(value):
                raise TrainingError(
                    f"{self.trial.encoder}, fold {self.trial.split.fold}: the loss is {value} in "
                    f"epoch {epoch}; lower sweep.learning_rate ({self.settings.learning_rate})"
                )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            losses.append(value)
            seen += len(image)
        return float(np.mean(losses)), seen

    def set_step_size(self, epochs: float) -> None:
        """Follow the schedule; it depends on the epochs gone by alone, so resuming keeps it."""
        rate, warm_up = self.settings.learning_rate, self.settings.warm_up_epochs
        if epochs < warm_up:
            rate *= epochs / warm_up
        elif self.settings.schedule == "cosine":
            gone = (epochs - warm_up) / (self.settings.epochs - warm_up)
            rate *= 0.5 * (1 + float(np.cos(np.pi * gone)))
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def score(self, images: list[MonthImage], units: tuple[str, ...]) -> dict[str, float | None]:
        """Pooled soft Dice loss, Dice and IoU on the part that chooses the checkpoint.

        None where nothing chooses.

        Raises:
            TrainingError: The part shows no glacier, so that its loss is the same in every epoch.
        """
        if not units:
            return {"val_dice_loss": None, "val_dice": None, "val_iou": None}
        sums, counts, plain = np.zeros(3), Counts(), Calibration()
        for image in images:
            part = self.trial.part(image, units) & (image.label != IGNORE)
            if part.any():
                probability = plain.probability(self.logits(image, part, self.size)[part])
                truth = image.label[part] == 1
                sums += [probability[truth].sum(), probability.sum(), truth.sum()]
                counts += count_pixels(probability >= plain.threshold, image.label[part])
        if not sums[2]:
            raise TrainingError(
                f"fold {self.trial.split.fold}: the part that chooses its epoch shows no glacier "
                f"({', '.join(units)}); raise sweep.folds.validation_share, or set it to 0 and "
                "keep the last epoch"
            )
        return {
            "val_dice_loss": soft_dice_loss(sums),
            "val_dice": counts.dice,
            "val_iou": counts.iou,
        }

    def logits(
        self, image: MonthImage, wanted: NDArray[np.bool_], stride: int
    ) -> NDArray[np.float32]:
        """Logits of an image's wanted pixels, (H, W) float32, NaN elsewhere.

        Windows side by side (stride = size) are enough to choose an epoch; half a window apart
        they cost four times as much and are used to test.
        """
        predict = self.predict
        if self.settings.test_time_augmentation and stride < self.size:
            predict = test_time_augmentation(predict)
        batch = self.settings.batch_size
        return predict_blended(predict, image.image, wanted, self.size, stride, batch)

    def calibrate(self, images: list[MonthImage]) -> Calibration:
        """Temperature and threshold from the validation part, looked at as the test part is."""
        logits, label = [], []
        for image in images:
            part = self.trial.part(image, self.trial.split.validation)
            part &= image.label != IGNORE
            if part.any():
                logits.append(self.logits(image, part, self.size // 2)[part])
                label.append(image.label[part])
        return fit_calibration(np.concatenate(logits), np.concatenate(label))

    def keep(self, checkpoint: Checkpoint, row: dict[str, Any]) -> None:
        """Note a finished epoch, and its weights if its loss is the lowest so far.

        Where nothing chooses, the last epoch is kept.
        """
        loss, before = row["val_dice_loss"], [r["val_dice_loss"] for r in checkpoint.rows]
        checkpoint.rows.append(row)
        checkpoint.epoch = row["epoch"]
        if loss is None or loss < min(before, default=np.inf):
            checkpoint.best_epoch = row["epoch"]
            checkpoint.best = copy.deepcopy(self.model.state_dict())

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and its seal last; the one before stays until then."""
        checkpoint.model = self.model.state_dict()
        checkpoint.optimizer = self.optimizer.state_dict()
        buffer = io.BytesIO()
        torch.save(
            {name: getattr(checkpoint, name) for name in checkpoint.__dataclass_fields__}, buffer
        )
        name = f"epoch-{checkpoint.epoch}.pt"
        sha256 = store.write_bytes(store.join(self.trial.folder, name), buffer.getvalue())
        seal_address = store.join(self.trial.folder, "checkpoint.json")
        before = store.read_json(seal_address) if store.exists(seal_address) else {}
        store.write_json(seal_address, {"file": name, "sha256": sha256})
        if before and before["file"] != name:
            store.remove(store.join(self.trial.folder, before["file"]))

    def restore(self) -> Checkpoint:
        """The last sealed checkpoint, or a fresh start where there is none that can be trusted."""
        seal_address = store.join(self.trial.folder, "checkpoint.json")
        if not store.exists(seal_address):
            return Checkpoint()
        try:
            seal = store.read_json(seal_address)
            data = store.read_bytes(store.join(self.trial.folder, seal["file"]), seal["sha256"])
            state = torch.load(io.BytesIO(data), weights_only=True, map_location=self.device)
        except StoreError as error:
            print(f"{self.trial.encoder}, fold {self.trial.split.fold}: starts afresh; {error}")
            return Checkpoint()
        checkpoint = Checkpoint(**state)
        self.model.load_state_dict(checkpoint.model)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        return checkpoint


def describe_device(device: torch.device) -> str:
    """``cpu``, or the name of the GPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def soft_dice_loss(sums: NDArray[np.float64]) -> float:
    """1 - 2 sum(p y) / (sum(p) + sum(y)) from the three sums over all pixels of a part."""
    overlap, predicted, true = (float(s) for s in sums)
    return 1 - 2 * overlap / max(predicted + true, 1e-7)
