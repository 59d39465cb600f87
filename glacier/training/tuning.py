"""Trials side by side under Ray Tune: weights first, then training, its progress, what failed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import ray
from ray import tune
from ray.tune.execution import class_cache
from rich.table import Table as RichTable

from glacier import seals, store
from glacier.cluster import get_result
from glacier.config import Config
from glacier.errors import (
    ConfigError,
    GlacierError,
    StoreError,
    SweepError,
    TrainingError,
    WeightsError,
)
from glacier.evaluation.results import Epoch, FailedTrial
from glacier.progress import Progress, duration, say
from glacier.samples.mapped_images import open_images
from glacier.settings.sweep import Sweep
from glacier.settings.weights import WORDS
from glacier.training.packing import Pack, gpus_of_pack, part_packs
from glacier.training.saved import TrialKey
from glacier.training.sweep_plan import SweepPlan
from glacier.training.tracking import TrackEpochs, open_trackers
from glacier.training.trial import Trial

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN",
)  # fmt: skip
"""Environment variables that must stand in no log."""


@dataclass(frozen=True)
class Networks:
    """The networks of a run, before any training."""

    encoders: tuple[str, ...]
    """Names in segmentation-models-pytorch."""
    weights: tuple[str, ...]
    """Of each encoder, as in :func:`unet.fetch_encoder`."""
    place: str
    """Folder that the weights are stored in."""
    bands: int
    size_px: int
    """Side of a window."""
    gpus: float
    """Share of a GPU that a trial will have."""
    sha256: tuple[str, ...] = ()
    """Checksums of the files of weights that are there."""

    @classmethod
    def of(cls, config: Config) -> Networks:
        """Those of a run."""
        sweep, sums = config.sweep.rename_weights(make_absolute), []
        for file in sweep.weights_files.values():
            with suppress(StoreError):  # a worker says what is wrong with the file
                sums.append(store.checksum(store.read_bytes(file)))
        weights = tuple(sweep.weights_of(encoder) for encoder in sweep.encoders)
        place = store.join(store.absolute(config.storage), "weights")
        bands, size = len(config.prepare.image), config.prepare.size_px
        return cls(sweep.encoders, weights, place, bands, size, sweep.gpu_share, tuple(sums))


def make_absolute(source: str) -> str:
    """A source of weights, whose file is found from any folder."""
    return source if source in WORDS else store.absolute(source)


TUNE = ".tune"
"""Folder of Tune's own state in a sweep's. Nothing reads it: the state is the trials' folders."""


def fetch_weights(networks: Networks, on_gpu: bool) -> dict[str, str | None]:
    """Store the initial weights of a run's encoders where all workers read them.

    A worker does it, so that the driver needs no torch.

    Args:
        networks: What is asked for.
        on_gpu: The worker has been given a trial's share of a GPU, which has to be of use.

    Returns:
        Encoder to the address of its weights, None for random ones.

    Raises:
        ConfigError: An encoder is unknown, no network can be made of it, or the GPU is of no use.
        WeightsError: Its weights cannot be had.
    """
    from glacier.training.inference import choose_device  # torch is needed in workers only
    from glacier.training.unet import check_network, fetch_encoder

    if on_gpu:
        choose_device(networks.gpus)
    found: dict[str, str | None] = {}
    for encoder, source in zip(networks.encoders, networks.weights, strict=True):
        check_network(encoder, networks.bands, networks.size_px)
        data = fetch_encoder(encoder, source)
        found[encoder] = None
        if data is not None:
            found[encoder] = keep_weights(networks.place, encoder, data)
    return found


def keep_weights(place: str, encoder: str, data: bytes) -> str:
    """Store weights unless they are there, whole; returns their address.

    Other runs read here, too: what is damaged is written over and never lacks.
    """
    stem = f"{encoder}-{store.checksum(data)[:8]}"
    address, file = store.join(place, f"{stem}.json"), f"{stem}.safetensors"
    if seals.read_whole(address, seals.Manifest, owned=False) is None:
        seals.write_whole(address, seals.Manifest(), {file: data})
    return store.join(place, file)


def await_weights(networks: Networks) -> Mapping[str, str | None]:
    """Encoder to the address of its initial weights, None for random ones.

    What a process has asked once is not asked again, so that a pipeline can ask before it begins;
    unless the weights were removed since.

    Raises:
        ConfigError: An encoder is unknown, its weights cannot be had, no network can be made of
            it, or a GPU is of no use.
    """
    found = ask_worker(networks)
    if not all(store.exists(address) for address in found.values() if address):
        ask_worker.cache_clear()
        found = ask_worker(networks)
    return found


@cache
def ask_worker(networks: Networks) -> Mapping[str, str | None]:
    """What :func:`fetch_weights` says on a worker, asked once in a process.

    Raises:
        ConfigError: As :func:`await_weights`.
    """
    say("sweep: building the networks, and looking for their weights")
    on_gpu = 0 < networks.gpus <= ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
    task = ray.remote(num_cpus=1, max_retries=3)(fetch_weights)
    if on_gpu:
        task = task.options(num_gpus=networks.gpus)
    try:
        return dict(get_result(task.remote(networks, on_gpu)))
    except (WeightsError, TrainingError) as error:  # found before any work: the run cannot be
        raise ConfigError(str(error)) from error


def tune_trials(
    plan: SweepPlan, pending: list[TrialKey], work: Callable[..., None] | None = None
) -> list[FailedTrial]:
    """Run trials under Ray Tune, as many at once as the cluster has room for.

    Its own state goes in the end; where no trial is pending, that of a killed run.

    Args:
        plan: The sweep; workers read it where Ray shares it.
        pending: Trials without a ``done.json``.
        work: What a worker does with the trials of a pack; None: :func:`train_pack`.

    Returns:
        The trials that failed after their retries.

    Raises:
        SweepError: Nodes ran low on memory more often than trials are tried again.
    """
    hide_credentials()
    config, folder = plan.config, plan.places.sweep
    trainable = tune.with_parameters(work or train_pack, plan=plan)
    for _ in range(config.sweep.max_retries + 1):
        try:
            if not pending:
                return []
            return list_failures(plan, run_tuner(config, trainable, pending, folder))
        except RuntimeError as error:  # Tune gives up where Ray ends a trial for its memory
            if not isinstance(error.__cause__, ray.exceptions.OutOfMemoryError):
                raise
        finally:
            store.remove_folder(store.join(folder, TUNE))
        gc.collect()  # ends the trials of the run that was given up
        pending = [key for key in pending if plan.trial(*key).find_result(owned=True) is None]
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
    config: Config, trainable: Any, pending: list[TrialKey], folder: str
) -> tune.ResultGrid:
    """One run of Tune over some trials, pack by pack."""
    settings = config.sweep
    trackers = open_trackers(config, folder.rpartition("/")[2])
    gpus = ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
    packs = part_packs(settings, pending, gpus)
    share = gpus_of_pack(settings, max(map(len, packs)))
    with Progress("sweep", len(pending)) as progress:
        tuner = tune.Tuner(
            tune.with_resources(trainable, {"cpu": settings.cpus_per_trial, "gpu": share}),
            param_space={"pack": tune.grid_search(packs)},
            tune_config=tune.TuneConfig(
                reuse_actors=share == 0,  # on a GPU memory would stay taken
                trial_dirname_creator=lambda trial: trial.trial_id,
            ),
            run_config=tune.RunConfig(
                name=TUNE,
                storage_path=folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=settings.max_retries),
                callbacks=[LiveTable(progress, settings), TrackEpochs(trackers)],
            ),
        )
        return tuner.fit()


def list_failures(plan: SweepPlan, results: tune.ResultGrid) -> list[FailedTrial]:
    """The trials that failed, each of which is also said."""
    failed: list[FailedTrial] = []
    for at in range(len(results)):  # Tune's order changes when a pack is tried again
        result = results[at]
        pack: Pack = (result.config or {})["pack"]
        if result.error:
            reason = last_line(result.error)
            lost = [key for key in pack if plan.trial(*key).find_result(owned=True) is None]
            failed += [FailedTrial(encoder=name, fold=fold, reason=reason) for name, fold in lost]
        else:
            failed += map(FailedTrial.model_validate, (result.metrics or {}).get("failed", ()))
    for trial in failed:
        say(f"sweep: {trial.encoder}, fold {trial.fold} failed: {trial.reason}")
    return sorted(failed, key=lambda trial: (trial.encoder, trial.fold))


def hide_credentials() -> None:
    """Keep Tune from handing the driver's credentials to its workers.

    It would do so by a runtime environment, which Ray logs word for word on every node. Workers
    have the credentials of their own node, as all other tasks do.
    """
    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(CREDENTIALS)


def last_line(error: Exception) -> str:
    """What an error says in its last line, which in a remote one is the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def train_pack(space: dict[str, Any], plan: SweepPlan) -> None:
    """Run the trials of one pack in a Ray Tune worker; on cores a pack is one trial.

    An expected error is a trial's outcome and is not tried again; a lost worker is.
    """
    from glacier.training.fit import run_trial  # torch is needed in workers only
    from glacier.training.pack import run_pack

    trials = [plan.trial(*key) for key in space["pack"]]

    def on_epoch(trial: Trial, row: Epoch) -> None:
        tune.report({"fold": trial.split.fold, "epoch": row.model_dump()})

    try:
        with open_images(plan.places.samples, plan.samples) as images:
            if plan.config.sweep.gpu_share:
                failed = run_pack(trials, images, on_epoch)
            else:
                failed = []
                run_trial(trials[0], images, partial(on_epoch, trials[0]))
    except GlacierError as error:
        lost = [trial for trial in trials if trial.find_result(owned=True) is None]
        failed = [FailedTrial.of(trial.encoder, trial.split.fold, error) for trial in lost]
    if failed:
        tune.report({"failed": [trial.model_dump() for trial in failed]})


class LiveTable(tune.Callback):
    """Turns Tune's results into a table on a terminal, into lines in a log."""

    def __init__(self, progress: Progress, settings: Sweep) -> None:
        """Count finished epochs as parts of a trial."""
        self.progress, self.epochs = progress, settings.epochs
        self.selection = "test" if settings.protocol == "notebook" else "validation"
        self.rows: dict[TrialKey, Epoch] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Show an epoch."""
        if "epoch" not in result:
            return
        row, fold = Epoch(**result["epoch"]), result["fold"]
        encoder, _ = trial.config["pack"][0]
        self.rows[encoder, fold] = row
        text = (
            f"{encoder} fold {fold} epoch {row.epoch + 1}/{self.epochs}: "
            f"{self.describe(row)}, {duration(row.seconds)} an epoch"
        )
        self.progress.advance(text, 1 / self.epochs, self.render())

    def render(self) -> RichTable:
        """A row for every trial that has begun, with its last epoch."""
        table = RichTable("encoder", "fold", "epoch", "score", "seconds an epoch")
        for (encoder, fold), row in sorted(self.rows.items()):
            epoch = f"{row.epoch + 1}/{self.epochs}"
            table.add_row(encoder, str(fold), epoch, self.describe(row), f"{row.seconds:.1f}")
        return table

    def describe(self, row: Epoch) -> str:
        """How far an epoch has come: Dice of the selection split, or the training loss without."""
        if row.val_dice is None:
            return f"training loss {row.train_loss:.3f}"
        return f"{self.selection} Dice {row.val_dice:.3f}"
