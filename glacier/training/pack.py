"""Packs: the trials of one encoder that train side by side on one GPU.

A step of one network is some thousand small kernels, and a GPU waits for each to be asked for.
Recorded as one graph they come at once, and graphs of several networks fill each other's gaps.
The samples lie on the GPU once for all. A fold learns the same in a pack as alone, to the last
bit, and has its own checkpoint, result and model.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

from glacier.errors import GlacierError, TrainingError
from glacier.evaluation.results import Epoch, FailedTrial, PackRate
from glacier.indices import INDICES
from glacier.samples.month_images import MonthImage
from glacier.training.fit import conclude_trial, make_learner
from glacier.training.inference import choose_device
from glacier.training.packed_fold import PackedFold
from glacier.training.packing import choose_most, gpus_of_pack
from glacier.training.process import configure_process, gpu_arithmetic, short_products
from glacier.training.resident import ResidentImages
from glacier.training.throughput import Throughput, measure_products
from glacier.training.trial import Trial
from glacier.training.unet import count_gflop

MEMORY_SHARE = 0.5
"""Of the free memory of a GPU that samples may take; the rest is for networks."""

OnFoldEpoch = Callable[[Trial, Epoch], None]
"""Told of each epoch of a trial as it ends."""


def run_pack(
    trials: Sequence[Trial], images: Sequence[MonthImage], on_epoch: OnFoldEpoch
) -> list[FailedTrial]:
    """Train, choose, test and export several trials of one encoder; those that ended stay.

    Args:
        trials: At least one, all with the same settings and samples.
        images: All month images of the run, read-only.
        on_epoch: Called with each epoch as it ends.

    Returns:
        The trials that failed; the others did not stop for them.

    Raises:
        TrainingError: A GPU was given that cannot be used.
    """
    pending = [trial for trial in trials if trial.find_result(owned=True) is None]
    if not pending:
        return []
    configure_process(trials[0].settings.cpus_per_trial)
    return Pack(pending, images, on_epoch).run()


class Pack:
    """Trials that train together, those that wait, and those that failed."""

    def __init__(
        self, trials: Sequence[Trial], images: Sequence[MonthImage], on_epoch: OnFoldEpoch
    ) -> None:
        """Put the samples on the device, if they fit."""
        self.images, self.on_epoch = images, on_epoch
        self.settings = trials[0].settings
        self.device = choose_device(self.settings.gpu_share)
        share = gpus_of_pack(self.settings, len(trials))
        self.resident = load_images(trials[0], images, self.device, share)
        self.throughput = Throughput(choose_most(self.settings))
        self.waiting = deque(trials)
        self.running: list[PackedFold] = []
        self.failed: list[FailedTrial] = []
        self.products: float | None = None
        if self.device.type == "cuda":
            with short_products(self.settings.tf32):
                self.products = measure_products(self.settings.precision)

    def run(self) -> list[FailedTrial]:
        """Train all; returns those that failed."""
        on_gpu = self.device.type == "cuda"
        with gpu_arithmetic(self.settings.deterministic) if on_gpu else nullcontext():
            while self.waiting or self.running:
                self.conclude()
                self.admit()
                self.run_epoch()
        return self.failed

    def admit(self) -> None:
        """Let trials join while there is room."""
        if self.waiting:
            gc.collect()  # networks that are gone hold rings of objects, and the GPU's memory
        while self.waiting and self.throughput.has_room(len(self.running)):
            trial = self.waiting.popleft()
            with self.failing_alone(trial):
                try:
                    self.running.append(self.prepare(trial))
                except torch.OutOfMemoryError as error:
                    if not self.running:
                        raise TrainingError(
                            f"{trial.name}: the GPU has too little memory for one network; lower "
                            f"sweep.batch_size ({self.settings.batch_size}) or prepare.size_px "
                            f"({trial.samples.size_px})"
                        ) from error
                    self.throughput.close(len(self.running))
                    self.waiting.appendleft(trial)
                    torch.cuda.empty_cache()

    def prepare(self, trial: Trial) -> PackedFold:
        """A fold that is ready to train.

        Raises:
            TrainingError: It cannot train, or not with the same bits each time.
        """
        try:
            return PackedFold(
                make_learner(trial, self.images),
                self.images,
                self.resident,
                lambda row: self.on_epoch(trial, row),
            )
        except RuntimeError as error:
            if "deterministic" not in str(error):
                raise
            raise TrainingError(
                f"{trial.name}: a layer has no arithmetic with the same bits each time on a GPU: "
                f"{error}; set sweep.deterministic to false"
            ) from error

    def run_epoch(self) -> None:
        """An epoch of each fold, step by step in turn."""
        folds = [fold for fold in self.running if not fold.is_done]
        if not folds:
            return
        began = time.monotonic()
        for fold in folds:
            fold.begin_epoch()
        for number in range(max(len(fold.sizes) for fold in folds)):
            for fold in folds:
                fold.run_step(number)
        for fold in folds:
            fold.draw_ahead()
        for fold in folds:
            fold.lane.wait()
        trained_s = time.monotonic() - began
        self.throughput.note(len(folds), sum(sum(fold.sizes) for fold in folds) / trained_s)
        self.end_epoch(folds, began, trained_s)

    def end_epoch(self, folds: Sequence[PackedFold], began: float, trained_s: float) -> None:
        """Look at the losses of an epoch, score the networks, and note it."""
        for fold in folds:
            with self.failing_alone(fold.learner.trial):
                loss = fold.learner.mean_loss(fold.losses, fold.epoch)
                selection = fold.score()
                row = Epoch(
                    epoch=fold.epoch,
                    train_loss=loss,
                    **selection._asdict(),
                    images_per_s=sum(fold.sizes) / trained_s,
                    seconds=time.monotonic() - began,
                )
                fold.end_epoch(row)

    def conclude(self) -> None:
        """Test and export the folds that are done, and let them go."""
        done = [fold for fold in self.running if fold.is_done]
        self.running = [fold for fold in self.running if not fold.is_done]
        for fold in done:
            trial, learner = fold.learner.trial, fold.learner
            with self.failing_alone(trial):
                conclude_trial(trial, self.images, learner, fold.checkpoint, self.describe(fold))

    def describe(self, fold: PackedFold) -> PackRate | None:
        """The rate of the pack until now."""
        samples = fold.learner.trial.samples
        gflop = count_gflop(fold.learner.model, len(samples.bands), samples.size_px)
        return self.throughput.describe(self.resident is not None, gflop, self.products)

    @contextmanager
    def failing_alone(self, trial: Trial) -> Iterator[None]:
        """Note an expected error as the outcome of one trial, while the others go on."""
        try:
            yield
        except GlacierError as error:
            self.failed.append(FailedTrial.of(trial.encoder, trial.split.fold, error))
            self.running = [fold for fold in self.running if fold.learner.trial is not trial]


def load_images(
    trial: Trial, images: Sequence[MonthImage], device: torch.device, share: float
) -> ResidentImages | None:
    """The images on a device; None where they take too much of its memory.

    Args:
        trial: Any of those that train with them.
        images: All month images.
        device: Where they are to lie.
        share: Of the GPU, that this process may use.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        room = min(free, share * total)
        if ResidentImages.count_bytes(images) > MEMORY_SHARE * room:
            return None
    bands = trial.samples.bands
    indices = [at for at, name in enumerate(bands) if name in INDICES]
    return ResidentImages(images, trial.samples.size_px, indices, device)
