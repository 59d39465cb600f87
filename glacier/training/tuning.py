"""Trials side by side under Ray Tune: weights first, then training, its progress, what failed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import tune
from ray.tune.execution import class_cache
from rich.table import Table as RichTable

from glacier import store
from glacier.config import Config, Sweep
from glacier.errors import GlacierError, SweepError, WeightsError
from glacier.progress import Progress, duration, say
from glacier.training.trial import Trial

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN",
)  # fmt: skip
"""Environment variables that must stand in no log."""


def ask_weights(config: Config) -> list[ray.ObjectRef[Any]]:
    """Have every encoder's initial weights fetched once, into the storage that all workers read.

    Workers do it, so that the driver needs no torch.
    """
    task = ray.remote(num_cpus=1, max_retries=3)(keep_encoder)
    place = store.join(store.absolute(config.storage), "weights")
    source = config.sweep.encoder_weights
    named = source in ("none", "imagenet")
    source = source if named else store.absolute(source)
    return [task.remote(name, source, place) for name in config.sweep.encoders]


def await_weights(config: Config, asked: list[ray.ObjectRef[Any]]) -> dict[str, str | None]:
    """Encoder to the address of its initial weights, None for random ones.

    Raises:
        WeightsError: An encoder is unknown, or its weights cannot be had.
    """
    answers = ray.get(asked)
    for _, fault in answers:
        if fault:
            raise WeightsError(fault)
    return {name: at for name, (at, _) in zip(config.sweep.encoders, answers, strict=True)}


def keep_encoder(encoder: str, source: str, place: str) -> tuple[str | None, str]:
    """Store one encoder's weights; returns their address, or what is wrong."""
    from glacier.training.unet import fetch_encoder  # torch is needed in workers only

    try:
        data = fetch_encoder(encoder, source)
    except GlacierError as error:
        return None, str(error)
    if data is None:
        return None, ""
    address = store.join(place, f"{encoder}-{store.checksum(data)[:8]}.safetensors")
    store.write_bytes(address, data)
    return address, ""


def tune_trials(
    config: Config,
    pending: list[Trial],
    images: ray.ObjectRef[Any],
    folder: str,
    asked: list[ray.ObjectRef[Any]],
    work: Callable[..., None] | None = None,
) -> list[dict[str, Any]]:
    """Run trials under Ray Tune, as many at once as the cluster has room for.

    Args:
        config: The run.
        pending: Trials without a ``done.json``.
        images: The month images, read once and shared by all trials of a node.
        folder: Address of the sweep.
        asked: What :func:`ask_weights` began; trials with random weights start before it ends.
        work: What a worker does with a trial; None: :func:`train_trial`.

    Returns:
        A row of encoder, fold and reason for every trial that failed after its retries.

    Raises:
        WeightsError: An encoder is unknown; the trials that have begun are stopped.
        SweepError: Nodes ran low on memory more often than trials are tried again.
    """
    hide_credentials()
    trainable = tune.with_parameters(work or train_trial, images=[images])
    for _ in range(config.sweep.max_retries + 1):
        try:
            return list_failures(run_tuner(config, trainable, pending, folder, asked))
        except RuntimeError as error:  # Tune gives up where Ray ends a trial for its memory
            if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
                raise
        gc.collect()  # ends the trials of the run that was given up
        pending = [t for t in pending if not store.exists(store.join(t.folder, "done.json"))]
        say(
            "sweep: a node ran low on memory, and Ray ended trials there; "
            f"{len(pending)} go on from their checkpoints"
        )
    raise SweepError(
        f"nodes ran low on memory {config.sweep.max_retries + 1} times: raise "
        f"sweep.cpus_per_trial ({config.sweep.cpus_per_trial}), so that fewer trials run side by "
        f"side, or lower sweep.batch_size ({config.sweep.batch_size}) or prepare.size_px "
        f"({config.prepare.size_px}); what is done is kept"
    )


def run_tuner(
    config: Config,
    trainable: Any,
    pending: list[Trial],
    folder: str,
    asked: list[ray.ObjectRef[Any]],
) -> tune.ResultGrid:
    """One run of Tune over some trials."""
    settings = config.sweep
    room = {"cpu": settings.cpus_per_trial, "gpu": settings.gpus_per_trial}
    with Progress("sweep", len(pending)) as progress:
        tuner = tune.Tuner(
            tune.with_resources(trainable, room),
            param_space={"trial": tune.grid_search(pending)},
            tune_config=tune.TuneConfig(
                reuse_actors=settings.gpus_per_trial == 0,  # on a GPU memory would stay taken
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=settings.max_retries),
                callbacks=[LiveTable(progress, settings), NameCheck(config, asked)],
            ),
        )
        return tuner.fit()


def list_failures(results: tune.ResultGrid) -> list[dict[str, Any]]:
    """Encoder, fold and reason of every trial that failed, which is also said."""
    failed = []
    for at in range(len(results)):  # Tune's order changes when a trial is tried again
        result = results[at]
        trial: Trial = (result.config or {})["trial"]
        reason = (result.metrics or {}).get("failed") or (result.error and last_line(result.error))
        if reason:
            failed.append(
                {"encoder": trial.encoder, "fold": trial.split.fold, "reason": str(reason)}
            )
            say(f"sweep: {trial.encoder}, fold {trial.split.fold} failed: {reason}")
    return sorted(failed, key=lambda row: (row["encoder"], row["fold"]))


def hide_credentials() -> None:
    """Keep Tune from handing the driver's credentials to its workers.

    It would do so by a runtime environment, which Ray logs word for word on every node. Workers
    have the credentials of their own node, as all other tasks do.
    """
    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(CREDENTIALS)


def last_line(error: Exception) -> str:
    """What an error says in its last line, which in a remote one is the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def train_trial(space: dict[str, Any], images: list[ray.ObjectRef[Any]]) -> None:
    """Run one trial in a Ray Tune worker.

    An expected error is the trial's outcome and is not tried again; a lost worker is.
    """
    from glacier.training.fit import run_trial  # torch is needed in workers only

    trial: Trial = space["trial"]

    def on_epoch(row: dict[str, Any]) -> None:
        tune.report({**row, "encoder": trial.encoder, "fold": trial.split.fold})

    try:
        run_trial(trial, ray.get(images[0]), on_epoch)
    except GlacierError as error:
        tune.report({"failed": f"{type(error).__name__}: {error}"})


class NameCheck(tune.Callback):
    """Ends the sweep as soon as a worker has found that an encoder is unknown.

    To know an encoder takes seconds of imports; trials do the same meanwhile and need not wait.
    """

    def __init__(self, config: Config, asked: list[ray.ObjectRef[Any]]) -> None:
        """Watch what :func:`ask_weights` began."""
        self.config, self.asked = config, asked

    def on_step_begin(self, iteration: int, trials: list[Any], **_: Any) -> None:
        """Raise what a finished answer says is wrong."""
        if self.asked and not ray.wait(self.asked, num_returns=len(self.asked), timeout=0)[1]:
            await_weights(self.config, self.asked)
            self.asked = []


class LiveTable(tune.Callback):
    """Turns Tune's results into a table on a terminal, into lines in a log."""

    def __init__(self, progress: Progress, settings: Sweep) -> None:
        """Count finished epochs as parts of a trial."""
        self.progress, self.epochs = progress, settings.epochs
        self.chooser = "test" if settings.protocol == "notebook" else "validation"
        self.rows: dict[tuple[str, int], dict[str, Any]] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Show an epoch."""
        if "epoch" not in result:
            return
        self.rows[result["encoder"], result["fold"]] = result
        text = (
            f"{result['encoder']} fold {result['fold']} epoch {result['epoch'] + 1}/{self.epochs}: "
            f"{self.describe(result)}, {duration(result['seconds'])} an epoch"
        )
        self.progress.advance(text, 1 / self.epochs, self.render())

    def render(self) -> RichTable:
        """A row for every trial that has begun, with its last epoch."""
        table = RichTable("encoder", "fold", "epoch", "score", "seconds an epoch")
        for (encoder, fold), row in sorted(self.rows.items()):
            epoch = f"{row['epoch'] + 1}/{self.epochs}"
            table.add_row(encoder, str(fold), epoch, self.describe(row), f"{row['seconds']:.1f}")
        return table

    def describe(self, row: Mapping[str, Any]) -> str:
        """How far an epoch has come: Dice of what chooses, or the training loss without."""
        if row["val_dice"] is None:
            return f"training loss {row['train_loss']:.3f}"
        return f"{self.chooser} Dice {row['val_dice']:.3f}"
