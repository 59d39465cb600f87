"""Trials of a stream side by side under Ray Tune: those that choose first, then all others."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

from ray import tune

from glacier import store
from glacier.continual.trial import StreamKey, StreamOutcome, StreamPlan, choose_best
from glacier.errors import GlacierError, SweepError
from glacier.progress import Progress, duration, say
from glacier.samples.mapped_images import open_images
from glacier.settings.model import Model
from glacier.training.tuning import TUNE, hide_credentials, last_line


class LostTrial(Model):
    """A trial that failed."""

    key: StreamKey
    reason: str


class StreamResults(Model):
    """All that the trials of a benchmark came to."""

    outcomes: tuple[StreamOutcome, ...]
    """Of the compared trials, in their order."""
    chosen: tuple[StreamKey, ...]
    """Rate and strength of each strategy."""
    choices: tuple[StreamOutcome, ...]
    """Of the trials that they were chosen by."""
    lost: tuple[LostTrial, ...]


def find_all(plan: StreamPlan, owned: bool) -> StreamResults | None:
    """What all trials came to; None where one has not ended.

    Args:
        plan: The benchmark.
        owned: This run alone works there, so damaged files are said and set aside.
    """
    choices = [plan.find(key, owned) for key in plan.list_choices()]
    done = [found for found in choices if found]
    if len(done) < len(choices):
        return None
    chosen = choose_best(done)
    outcomes = [plan.find(key, owned) for key in plan.list_trials(chosen)]
    ended = tuple(found for found in outcomes if found)
    if len(ended) < len(outcomes):
        return None
    return StreamResults(outcomes=ended, chosen=tuple(chosen), choices=tuple(done), lost=())


def run_trials(plan: StreamPlan) -> StreamResults:
    """Run what is missing of a benchmark; Ray is there.

    Raises:
        SweepError: Every trial that was to choose a rate failed, or trials ended without an
            outcome.
    """
    choices = plan.list_choices()
    lost = tune_stream(plan, choices, "choosing learning rates")
    done = [found for found in map(plan.find, choices) if found]
    if not done:
        raise SweepError(f"every trial failed; the first said: {lost[0].reason}")
    chosen = choose_best(done)
    trials = plan.list_trials(chosen)
    known = {each.key: each for each in lost}
    lost += tune_stream(plan, [key for key in trials if key not in known], "comparing")
    outcomes = [found for found in map(plan.find, trials) if found]
    ended = {found.key for found in [*done, *outcomes]} | {each.key for each in lost}
    if missing := {*choices, *trials} - ended:
        raise SweepError(
            f"{len(missing)} trials ended without an outcome; run the same command again, which "
            "goes on with them"
        )
    return StreamResults(
        outcomes=tuple(outcomes), chosen=tuple(chosen), choices=tuple(done), lost=tuple(lost)
    )


def tune_stream(plan: StreamPlan, keys: Sequence[StreamKey], what: str) -> list[LostTrial]:
    """Run trials under Ray Tune, as many at once as the cluster has room for.

    Args:
        plan: The benchmark; workers read it where Ray shares it.
        keys: Trials, of which those with an outcome are not run again.
        what: They are for.

    Returns:
        Those that failed.
    """
    pending = [key for key in keys if plan.find(key) is None]
    say(f"continual: {what}: {len(keys)} trials, {len(keys) - len(pending)} done before")
    if not pending:
        return []
    hide_credentials()
    try:
        return list_lost(plan, run_tuner(plan, pending))
    finally:
        store.remove_folder(store.join(plan.folder, TUNE))
        gc.collect()


def run_tuner(plan: StreamPlan, pending: Sequence[StreamKey]) -> tune.ResultGrid:
    """One run of Tune over some trials."""
    settings = plan.config.continual
    with Progress("continual", len(pending)) as progress:
        return tune.Tuner(
            tune.with_resources(
                tune.with_parameters(learn_stream, plan=plan), {"cpu": settings.cpus_per_trial}
            ),
            param_space={"key": tune.grid_search([key.model_dump() for key in pending])},
            tune_config=tune.TuneConfig(
                reuse_actors=True, trial_dirname_creator=lambda trial: trial.trial_id
            ),
            run_config=tune.RunConfig(
                name=TUNE,
                storage_path=plan.folder,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=settings.max_retries),
                callbacks=[TaskLines(progress, len(plan.tasks))],
            ),
        ).fit()


def list_lost(plan: StreamPlan, results: tune.ResultGrid) -> list[LostTrial]:
    """The trials that failed, each of which is also said."""
    lost = []
    for at in range(len(results)):
        result = results[at]
        key = StreamKey.model_validate((result.config or {})["key"])
        said = last_line(result.error) if result.error else (result.metrics or {}).get("failed")
        if said and plan.find(key) is None:
            lost.append(LostTrial(key=key, reason=str(said)))
            say(f"continual: {key.name} failed: {said}")
    return sorted(lost, key=lambda each: each.key.name)


def learn_stream(space: dict[str, Any], plan: StreamPlan) -> None:
    """Run one trial in a Ray Tune worker.

    An expected error is a trial's outcome and is not tried again; a lost worker is.
    """
    from glacier.continual.learn import run_stream_trial  # torch is needed in workers only
    from glacier.training.process import configure_process

    configure_process(plan.config.continual.cpus_per_trial)
    key = StreamKey.model_validate(space["key"])
    try:
        with open_images(plan.samples_at, plan.samples) as images:
            outcome = run_stream_trial(
                plan, key, images, lambda done: tune.report({"tasks_done": done})
            )
        tune.report({"tasks_done": len(plan.tasks), "train_s": outcome.train_s})
    except GlacierError as error:
        tune.report({"failed": f"{type(error).__name__}: {error}"})


class TaskLines(tune.Callback):
    """Turns Tune's results into a line a trial."""

    def __init__(self, progress: Progress, tasks: int) -> None:
        """Count finished trials."""
        self.progress, self.tasks = progress, tasks

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Say that a trial has ended."""
        if "train_s" in result or "failed" in result:
            name = StreamKey.model_validate(trial.config["key"]).name
            how = "failed" if "failed" in result else duration(result["train_s"])
            self.progress.advance(f"{name}: {how}", 1)
