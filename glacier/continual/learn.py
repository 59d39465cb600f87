"""A strategy learns a stream: task after task, tested on all of them after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from pydantic import Field, JsonValue
from safetensors.torch import save as save_tensors

from glacier import seals, store
from glacier.continual.chips import Batch, ChipCutter, TaskChips
from glacier.continual.strategies import load_strategy
from glacier.continual.strategy import Setup, Strategy
from glacier.continual.trial import StreamKey, StreamOutcome, StreamPlan
from glacier.errors import TrainingError
from glacier.evaluation.forgetting import ScoreMatrix
from glacier.evaluation.metrics import count_pixels, pool_counts
from glacier.samples.month_images import MonthImage
from glacier.training.tensors import decode_tensors

TENSORS = "state.safetensors"
"""Name of the tensors of a saved state."""

TEST_BATCH = 64
"""Chips that are looked at together in a test."""

Row = tuple[float, ...]
OnTask = Callable[[int], None]
"""Told how many tasks have been learned."""


class Progressed(seals.Manifest):
    """How far a trial has come, beside its tensors."""

    done: int
    """Tasks that have been learned."""
    facts: dict[str, JsonValue]
    test: tuple[Row, ...]
    train_s: float = Field(ge=0)


class Stream:
    """One trial while it runs."""

    def __init__(self, strategy: Strategy, tasks: Sequence[TaskChips], folder: str = "") -> None:
        """Begin before the first task.

        Args:
            strategy: What learns.
            tasks: In order.
            folder: Where states are saved after each task; empty: nowhere.
        """
        self.strategy, self.tasks, self.folder = strategy, tasks, folder
        self.test = [score_tasks(strategy, [task.test for task in tasks])]
        self.done, self.train_s = 0, 0.0

    def run(self, on_task: OnTask = lambda done: None) -> None:
        """Learn all tasks that are left.

        Raises:
            TrainingError: A loss is not a number.
        """
        for task in self.tasks[self.done :]:
            began = time.monotonic()
            learn_task(self.strategy, task)
            self.train_s += time.monotonic() - began
            self.test.append(score_tasks(self.strategy, [each.test for each in self.tasks]))
            self.done += 1
            if self.folder and self.done < len(self.tasks):
                self.save()
            on_task(self.done)

    def validate(self) -> Row:
        """IoU of the validation part of each task, as the model is now."""
        return score_tasks(self.strategy, [task.validation for task in self.tasks])

    @property
    def saved_at(self) -> str:
        """Where the state lies that a lost worker's successor goes on from."""
        return store.join(self.folder, "state.json")

    def save(self) -> None:
        """Save the state, in place of the one before."""
        tensors, facts = self.strategy.state()
        value = Progressed(
            done=self.done,
            facts=facts,
            test=tuple(self.test),
            train_s=self.train_s,
        )
        seals.write_whole(self.saved_at, value, {TENSORS: save_tensors(tensors)})

    def forget(self) -> None:
        """Remove the saved state, which nobody needs any more."""
        store.remove(self.saved_at)
        store.remove(store.join(self.folder, TENSORS))

    def resume(self) -> None:
        """Go on from the saved state, if there is one that is whole."""
        if found := seals.read_vouched(self.saved_at, Progressed, TENSORS, owned=True):
            value, data = found
            self.strategy.load(decode_tensors(self.saved_at, data), value.facts)
            self.test = list(value.test)
            self.done, self.train_s = value.done, value.train_s


def learn_task(strategy: Strategy, task: TaskChips) -> None:
    """Learn one task, with an optimiser of its own.

    Raises:
        TrainingError: The loss is not a number.
    """
    strategy.begin(task.place)
    strategy.before_task(task)
    optimizer = torch.optim.Adam(strategy.trained(), strategy.setup.rate)
    draws = np.random.default_rng([strategy.setup.seed, task.place, 1])
    for step in range(strategy.setup.steps):
        batch = task.train.draw(strategy.setup.batch_size, draws)
        loss = strategy.loss(batch)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"task {task.name}, step {step + 1}: the loss is {loss.item()}; lower "
                "continual.learning_rates"
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        strategy.after_step(batch)
    strategy.after_task(task)


@torch.no_grad()
def score_tasks(strategy: Strategy, parts: Sequence[Batch]) -> Row:
    """IoU of every task from counts over all of its chips.

    Args:
        strategy: The model as it is.
        parts: Chips of each task, in the order of the stream.
    """
    scores = []
    for place, chips in enumerate(parts):
        counts = []
        for start in range(0, len(chips), TEST_BATCH):
            images, labels = (layer[start : start + TEST_BATCH] for layer in chips)
            predicted = (strategy.predict(images, place) > 0).numpy()
            counts.append(count_pixels(predicted, labels.numpy()))
        scores.append(pool_counts(counts).iou)
    return tuple(scores)


def make_setup(plan: StreamPlan, key: StreamKey, tasks: Sequence[TaskChips]) -> Setup:
    """What the strategy of a trial is given."""
    settings, samples = plan.config.continual, plan.samples
    return Setup(
        bands=len(samples.bands),
        size_px=samples.size_px,
        levels=settings.levels,
        width=settings.width,
        tasks=len(tasks),
        steps=settings.steps_per_task,
        batch_size=settings.batch_size,
        rate=key.rate,
        strength=key.strength,
        budget_bytes=plan.budget_bytes(key.budget_percent, [len(task.train) for task in tasks]),
        seed=plan.config.seed + key.seed,
    )


def run_stream_trial(
    plan: StreamPlan, key: StreamKey, images: Sequence[MonthImage], on_task: OnTask
) -> StreamOutcome:
    """Run a trial from where it was left, and write its outcome.

    Raises:
        TrainingError: A task has no chips, or a loss is not a number.
        StoreError: The outcome cannot be written.
    """
    if found := plan.find(key):
        return found
    size, seed = plan.samples.size_px, plan.config.seed
    cutter = ChipCutter(images, plan.masks, plan.split(key), size, seed)
    tasks = cutter.cut_stream(plan.order(key))
    setup = make_setup(plan, key, tasks)
    torch.manual_seed(setup.seed)
    strategy = load_strategy(key.strategy)(setup)
    stream = Stream(strategy, tasks, plan.place(key))
    stream.resume()
    stream.run(on_task)
    names = tuple(task.name for task in tasks)
    outcome = StreamOutcome(
        key=key,
        test=ScoreMatrix(tasks=names, rows=tuple(stream.test)),
        validation=stream.validate(),
        train_s=stream.train_s,
        kept_bytes=max(0, strategy.memory_bytes()),
        parameters=sum(value.numel() for value in strategy.net.parameters()),
        train_chips=tuple(len(task.train) for task in tasks),
        notes=strategy.notes(),
    )
    seals.vouch(plan.address(key), outcome)
    stream.forget()
    return outcome
