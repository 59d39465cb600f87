"""Settings of the benchmark of strategies that learn task after task without forgetting."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import RUNTIME_ONLY, SELECTION, Model
from glacier.settings.values import Name

Year = Annotated[int, Field(ge=1900, le=2200)]
Rate = Annotated[float, Field(gt=0, le=1)]
Percent = Annotated[float, Field(gt=0, le=100)]


class Task(Model):
    """One task of a stream: the months of some regions in some years."""

    name: Name
    """How pages call it."""
    regions: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Names of the run's regions, such as those of one satellite or of debris-covered ice; None:
    all."""
    first_year: Year | None = None
    """First calendar year; None: of the run."""
    last_year: Year | None = None
    """Last calendar year, itself included; None: of the run."""


class Continual(Model):
    """A stream of tasks, and the strategies that learn it."""

    stream: Literal["regions", "years", "tasks"] = "regions"
    """regions: one after the other. years: one after the other, in all regions at once. tasks: as
    in ``tasks``."""
    tasks: tuple[Task, ...] = ()
    """The tasks of a stream of one's own, for ``stream: tasks``."""
    strategies: Annotated[tuple[Name, ...], SELECTION] = ()
    """Strategies by name; empty: all."""
    budgets_percent: Annotated[tuple[Percent, ...], Field(min_length=1), SELECTION] = (1, 5, 10)
    """What a strategy may keep of earlier tasks: per cent of the bytes of all training samples of
    the stream, as samples or as weights. Learning rates are chosen at the middle one."""
    orders: Annotated[int, SELECTION] = Field(3, ge=1, le=100)
    """Orders of the tasks. The first is as given, or by time; others are drawn."""
    seeds: Annotated[int, SELECTION] = Field(3, ge=1, le=100)
    """Repeats with other initial weights and draws. Each tests another of ``sweep.folds``."""
    steps_per_task: int = Field(300, ge=1, le=1_000_000)
    """Batches that a strategy learns of each task."""
    batch_size: int = Field(8, ge=2, le=1024)
    """Samples a batch."""
    learning_rates: Annotated[tuple[Rate, ...], Field(min_length=1), SELECTION] = (1e-3, 3e-3)
    """Step sizes of Adam that are tried; each strategy takes the one with the highest mean IoU of
    the validation parts at the end of the first order and seed."""
    levels: int = Field(4, ge=2, le=5)
    """Levels of the small U-Net, each of half the resolution of the one before."""
    width: int = Field(8, ge=2, le=256)
    """Channels of its first level; the others have twice as many."""
    cpus_per_trial: int = Field(1, ge=1)
    """Cores, and so threads, of one trial; part of the answer to the last bit."""
    max_retries: Annotated[int, RUNTIME_ONLY] = Field(1, ge=0, le=10)
    """New starts of a trial whose worker was lost, from its last finished task."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Trials that may fail before the job's exit code says so."""

    @property
    def tuning_budget(self) -> float:
        """The budget at which learning rates are chosen, per cent."""
        return sorted(self.budgets_percent)[len(self.budgets_percent) // 2]

    @model_validator(mode="after")
    def check_stream(self) -> Self:
        """Refuse streams of no tasks, and lists that name something twice."""
        if (self.stream == "tasks") != bool(self.tasks):
            raise ValueError(
                f"tasks has {len(self.tasks)} and stream is {self.stream}: give tasks with stream "
                "tasks, and with no other"
            )
        lists = {
            "tasks": [task.name for task in self.tasks],
            "strategies": self.strategies,
            "budgets_percent": self.budgets_percent,
            "learning_rates": self.learning_rates,
        }
        for name, values in lists.items():
            if len(set(values)) != len(values):
                raise ValueError(f"{name} {list(values)}: wanted none twice")
        return self
