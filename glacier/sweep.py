"""Samples -> one trained model per (encoder, fold), side by side under Ray Tune.

The sweep's folder is its state: a trial with a ``done.json`` is never run again, any other goes
on from its own sealed checkpoint. So the same command creates the sweep, and resumes it.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray import tune
from ray.tune.execution import class_cache
from rich.table import Table as RichTable

from glacier import samples, store
from glacier.archive import read_records
from glacier.cluster import connect
from glacier.config import Config, Sweep, config_digest, digest
from glacier.errors import GlacierError, SweepError, WeightsError
from glacier.folds import Split, make_splits
from glacier.prepare import samples_folder
from glacier.progress import Progress, duration, say
from glacier.scores import kept_loss, score_part
from glacier.trials import Trial

FORMAT = 4
"""Counts up when a sweep's bytes change for the same configuration."""

NOT_IN_THE_ANSWER = {"max_retries", "max_failed", "gpus_per_trial", "checkpoint_s"}
"""Settings of a sweep that change nothing in its results."""

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN",
)  # fmt: skip
"""Environment variables that must stand in no log."""

TRIAL_FACTS = ("best_epoch", "parameters", "images_per_s", "epoch_s", "train_s", "model")
"""What the table of trials takes from a trial as it is."""


def sweep_folders(config: Config, samples_at: str) -> tuple[str, str]:
    """Addresses of a sweep and of its models; they change with all that changes their bytes."""
    key = digest(
        {
            "format": FORMAT,
            "samples": store.checksum(store.read_bytes(store.join(samples_at, "summary.json"))),
            "settings": config.sweep.model_dump(mode="json", exclude=NOT_IN_THE_ANSWER),
            "seed": config.seed,
            **name_device_and_weights(config),
        }
    )
    name, storage = f"{config.name}-{key[:8]}", store.absolute(config.storage)
    return store.join(storage, "sweeps", name), store.join(storage, "models", name)


def name_device_and_weights(config: Config) -> dict[str, str]:
    """What a sweep's answer depends on besides its settings: GPUs, and the bytes of weights."""
    found = {"device": "gpu"} if config.sweep.gpus_per_trial else {}
    if (weights := config.sweep.encoder_weights) not in ("none", "imagenet"):
        found["weights"] = store.checksum(store.read_bytes(store.absolute(weights)))
    return found


def run_sweep(config: Config) -> int:
    """Train, test and export every trial; returns how many failed past the allowed number.

    Raises:
        ConfigError: The folds cannot be made of the samples.
        WeightsError: The encoder weights cannot be had.
        SweepError: Every trial failed, or some ended without an outcome.
    """
    samples_at = samples_folder(config, read_records(config))
    summary = samples.read_summary(samples_at)
    folder, models = sweep_folders(config, samples_at)
    if store.exists(store.join(folder, "sweep.json")):
        found = store.read_json(store.join(folder, "sweep.json"))
        if not found["failed"]:
            say(f"sweep: complete in {folder}")
            return 0
    began = time.monotonic()
    splits, held_out = plan_splits(config, summary)
    with connect(config.cluster):
        images = ray.remote(samples.read_images).options(num_cpus=1).remote(samples_at, summary)
        asked = ask_weights(config)  # first in line, so that a wrong name is answered soon
        baselines = start_baselines(config, images, splits, summary)
        random = config.sweep.encoder_weights == "none"
        weights = dict.fromkeys(config.sweep.encoders) if random else await_weights(config, asked)
        trials = plan_trials(config, summary, splits, weights, held_out, (folder, models))
        pending = [t for t in trials if not store.exists(store.join(t.folder, "done.json"))]
        say(f"sweep: {len(trials)} trials, {len(trials) - len(pending)} done before, in {folder}")
        failed = tune_trials(config, pending, images, folder, asked) if pending else []
        baseline_rows = gather_baselines(baselines)
    done = read_done(trials, failed)
    facts = {
        "schema": 1,
        "config": config.model_dump(mode="json"),
        "config_sha256": config_digest(config),
        "samples": samples_at,
        "models": models,
        "splits": [split.as_dict() for split in splits],
        "held_out": held_out,
        "trials": done,
        "failed": failed,
        "baselines": baseline_rows,
        "sweep_s": time.monotonic() - began if len(pending) == len(trials) else None,
    }
    store.write_bytes(store.join(folder, "trials.parquet"), encode_trials(trials, done, failed))
    store.write_json(store.join(folder, "sweep.json"), facts)
    name_best(done)
    say(f"sweep: {len(done)} trials done, {len(failed)} failed; models in {models}")
    return max(0, len(failed) - config.sweep.max_failed)


def read_done(trials: list[Trial], failed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the finished trials say.

    Raises:
        SweepError: Every trial failed, or some ended without an outcome.
    """
    places = [store.join(trial.folder, "done.json") for trial in trials]
    done = [store.read_json(place) for place in places if store.exists(place)]
    if len(done) + len(failed) < len(trials):
        raise SweepError(
            f"{len(trials) - len(done) - len(failed)} of {len(trials)} trials ended without an "
            "outcome; run the same command again, which goes on with them"
        )
    if not done:
        raise SweepError(f"every trial failed; the first said: {failed[0]['reason']}")
    return done


def plan_splits(config: Config, summary: dict[str, Any]) -> tuple[list[Split], list[str]]:
    """Folds of a set of samples, and the keys of the held-out images.

    Raises:
        ConfigError: The samples hold too few units for the folds.
    """
    usable = [
        (part["region"], samples.month_of(part))
        for part in summary["parts"]
        if part["status"] == "ok"
    ]
    rows, cols = summary["blocks"]
    splits, held = make_splits(usable, config.sweep.folds, (rows, cols), config.seed)
    if config.sweep.protocol == "notebook":  # the test part chooses, so validation trains
        splits = [Split(s.fold, s.test, (), tuple(sorted(s.train + s.validation))) for s in splits]
    return splits, [f"{region}/{month:%Y-%m}" for region, month in held]


def plan_trials(
    config: Config,
    summary: dict[str, Any],
    splits: list[Split],
    weights: Mapping[str, str | None],
    held_out: list[str],
    folders: tuple[str, str],
) -> list[Trial]:
    """Every (encoder, fold) of a sweep, encoder by encoder.

    Args:
        config: The run.
        summary: Description of the samples.
        splits: The folds.
        weights: Encoder to the address of its initial weights, None for random ones.
        held_out: Keys of the images that are in no fold.
        folders: Addresses of the sweep and of its models.
    """
    folder, models = folders
    return [
        Trial(
            encoder=encoder,
            split=split,
            settings=config.sweep,
            seed=config.seed,
            samples=summary,
            folder=store.join(folder, "trials", encoder, f"fold-{split.fold}"),
            model_folder=store.join(models, encoder, f"fold-{split.fold}"),
            weights=weights[encoder],
            held_out=tuple(held_out),
        )
        for encoder in config.sweep.encoders
        for split in splits
    ]


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
    from glacier.unet import fetch_encoder  # torch is needed in workers only

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
    """
    hide_credentials()
    settings = config.sweep
    room = {"cpu": settings.cpus_per_trial, "gpu": settings.gpus_per_trial}
    with Progress("sweep", len(pending)) as progress:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(work or train_trial, images=[images]), room),
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
        results = tuner.fit()
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
    from glacier.fit import run_trial  # torch is needed in workers only

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


Answers = dict[str, list[ray.ObjectRef[Any]]]
"""Baseline to what it will say of each fold."""


def start_baselines(
    config: Config, images: ray.ObjectRef[Any], splits: list[Split], summary: dict[str, Any]
) -> Answers:
    """Begin to score the simple methods in every fold, on cores that no trial uses yet."""
    from glacier import baselines  # scikit-learn takes a second, which no trial needs

    task = ray.remote(num_cpus=1, max_retries=3)(baselines.score_baseline)
    return {
        name: [task.remote(name, config, images, split, summary) for split in splits]
        for name in baselines.METHODS
        if name != "random_forest" or config.sweep.forest
    }


def gather_baselines(begun: Answers) -> dict[str, Any]:
    """Wait for the simple methods.

    Returns:
        Name to ``{"folds": [...]}``, a row of :func:`baselines.score_baseline` each, or to
        ``{"reason"}`` where a method cannot be used on these samples.
    """
    rows: dict[str, Any] = {}
    with Progress("baselines", sum(map(len, begun.values()))) as progress:
        for name, refs in begun.items():
            answers = []
            for ref in refs:
                answers.append(ray.get(ref))
                progress.advance(name)
            reasons = [a["reason"] for a in answers if "reason" in a]
            rows[name] = {"reason": reasons[0]} if reasons else {"folds": answers}
    return rows


def encode_trials(
    trials: list[Trial], done: list[dict[str, Any]], failed: list[dict[str, Any]]
) -> bytes:
    """``trials.parquet``: a row a trial."""
    by_key: Mapping[tuple[str, int], dict[str, Any]] = {(d["encoder"], d["fold"]): d for d in done}
    reasons = {(f["encoder"], f["fold"]): f["reason"] for f in failed}
    rows = []
    for trial in trials:
        key = (trial.encoder, trial.split.fold)
        row: dict[str, Any] = {"encoder": key[0], "fold": key[1]}
        row |= {"status": "done" if key in by_key else "failed", "reason": reasons.get(key, "")}
        if key in by_key:
            outcome = by_key[key]
            best = outcome["rows"][outcome["best_epoch"]]
            row |= {name: outcome[name] for name in TRIAL_FACTS}
            row |= {name: best[name] for name in ("val_dice_loss", "val_dice", "val_iou")}
            row |= score_part(outcome)
        rows.append(row)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def name_best(done: list[dict[str, Any]]) -> None:
    """Say which fold's model of each encoder has the lowest loss of its kept epoch."""
    for encoder in dict.fromkeys(d["encoder"] for d in done):
        best = min((d for d in done if d["encoder"] == encoder), key=kept_loss)
        loss = kept_loss(best)
        say(f"sweep: best of {encoder}: fold {best['fold']}, loss {loss:.3f}, {best['model']}")
