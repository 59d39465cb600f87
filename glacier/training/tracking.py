"""Epochs of a sweep for TensorBoard and MLflow, written by the driver as they come.

Both are optional and only look on: what they hold is no part of a result, and a tracker that fails
is said once and left.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ray import tune

from glacier import store
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.evaluation.results import Epoch
from glacier.machine import explain_no_tracker
from glacier.progress import say
from glacier.training.saved import TrialKey

MEASURES = ("train_loss", "val_dice_loss", "val_dice", "val_iou", "images_per_s", "seconds")
"""Numbers of an epoch that are written."""


class Tracker(Protocol):
    """Takes the epochs of all trials of a sweep."""

    def write(self, trial: TrialKey, epoch: int, measures: dict[str, float]) -> None:
        """Take an epoch, from 0, of a trial."""

    def close(self) -> None:
        """Write what is still held."""


class TensorBoard:
    """A folder of events for each trial, below ``results/<name>/tensorboard/<sweep>``."""

    def __init__(self, config: Config, sweep: str) -> None:
        """Write where a run's results lie, a folder of this machine."""
        self.folder = Path(store.results_folder(config), "tensorboard", sweep)
        self.writers: dict[TrialKey, Any] = {}

    def write(self, trial: TrialKey, epoch: int, measures: dict[str, float]) -> None:
        """Add a point to each curve; after a new start what had been written from there on goes."""
        from tensorboardX import SummaryWriter  # it takes a second to load

        if trial not in self.writers:
            encoder, fold = trial
            place = self.folder / f"{encoder}-fold-{fold}"
            self.writers[trial] = SummaryWriter(str(place), purge_step=epoch)
        for name, value in measures.items():
            self.writers[trial].add_scalar(name, value, epoch)
        self.writers[trial].flush()

    def close(self) -> None:
        """End all files."""
        for writer in self.writers.values():
            writer.close()


class MLflow:
    """A run for each trial in the experiment that is called as the run; where, MLflow is told.

    Its server is found as its own documentation says, mostly by ``MLFLOW_TRACKING_URI``.
    """

    def __init__(self, config: Config, sweep: str) -> None:
        """Find the experiment, or begin it."""
        from mlflow import MlflowClient

        self.client, self.sweep = MlflowClient(), sweep
        found = self.client.get_experiment_by_name(config.name)
        self.experiment = (
            found.experiment_id if found else self.client.create_experiment(config.name)
        )
        self.settings = {
            name: json.dumps(value) for name, value in config.sweep.model_dump(mode="json").items()
        }
        self.runs: dict[TrialKey, str] = {}

    def write(self, trial: TrialKey, epoch: int, measures: dict[str, float]) -> None:
        """Log an epoch in the run of the trial."""
        if trial not in self.runs:
            encoder, fold = trial
            run = self.client.create_run(
                self.experiment, run_name=f"{self.sweep} {encoder} fold {fold}"
            )
            self.runs[trial] = run.info.run_id
            settings = {**self.settings, "encoder": encoder, "fold": str(fold)}
            for name, setting in settings.items():
                self.client.log_param(self.runs[trial], name, setting)
        for name, value in measures.items():
            self.client.log_metric(self.runs[trial], name, value, step=epoch)

    def close(self) -> None:
        """End all runs."""
        for run in self.runs.values():
            self.client.set_terminated(run)


TRACKERS: dict[str, type[TensorBoard] | type[MLflow]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
}


def open_trackers(config: Config, sweep: str) -> list[Tracker]:
    """The trackers that a run asks for.

    Args:
        config: The run.
        sweep: Name of the sweep's folder, which tells variants of a study apart.

    Raises:
        ConfigError: One of them cannot be had, or does not answer.
    """
    for name in config.sweep.track:
        if reason := explain_no_tracker(name, store.results_folder(config)):
            raise ConfigError(reason)
    try:
        return [TRACKERS[name](config, sweep) for name in config.sweep.track]
    except Exception as error:  # whatever a server or a library says
        raise ConfigError(f"sweep.track {', '.join(config.sweep.track)}: {error}") from error


class TrackEpochs(tune.Callback):
    """Hands every epoch that Tune hears of to the trackers."""

    def __init__(self, trackers: Sequence[Tracker]) -> None:
        """Hand epochs to these."""
        self.trackers = list(trackers)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Write an epoch."""
        if "epoch" not in result:
            return
        encoder, _fold = trial.config["pack"][0]
        row = Epoch(**result["epoch"])
        found = {name: getattr(row, name) for name in MEASURES}
        measures = {name: float(value) for name, value in found.items() if value is not None}
        for tracker in list(self.trackers):
            self.attempt(tracker, "write", (encoder, result["fold"]), row.epoch, measures)

    def on_experiment_end(self, trials: list[Any], **_: Any) -> None:
        """Close the trackers."""
        for tracker in list(self.trackers):
            self.attempt(tracker, "close")

    def attempt(self, tracker: Tracker, act: str, *args: Any) -> None:
        """Let a tracker act; one that fails takes no further part, and the sweep goes on."""
        try:
            getattr(tracker, act)(*args)
        except Exception as error:  # whatever a server, a disk or a library says
            self.trackers.remove(tracker)
            first = (str(error).splitlines() or [type(error).__name__])[0]
            say(f"sweep: {type(tracker).__name__} takes no further epochs: {first:.200}")
