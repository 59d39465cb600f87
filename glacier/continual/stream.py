"""The stream: which month images are in which task, and in which orders tasks are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from glacier.errors import ConfigError
from glacier.settings.continual import Continual, Task

Key = tuple[str, date]
"""Region and month of an image."""

FEWEST = 2
"""Tasks without which nothing can be forgotten."""


@dataclass(frozen=True)
class StreamTask:
    """The images of one task."""

    name: str
    images: frozenset[Key]


def list_tasks(settings: Continual, images: Sequence[Key]) -> list[StreamTask]:
    """The tasks of a stream, in the order in which they are given, or by time.

    Args:
        settings: The stream.
        images: Every image that there is, in the order of the run's regions.

    Raises:
        ConfigError: There are fewer than two tasks, or one has no image.
    """
    tasks = [
        StreamTask(task.name, frozenset(key for key in images if is_in(task, key)))
        for task in declare_tasks(settings, images)
    ]
    if empty := [task.name for task in tasks if not task.images]:
        raise ConfigError(
            f"continual.tasks: no usable month is in {', '.join(empty)}; give other regions or "
            "years"
        )
    if len(tasks) < FEWEST:
        raise ConfigError(
            f"continual.stream = {settings.stream}: the run has {len(tasks)} task(s), and nothing "
            f"can be forgotten with fewer than {FEWEST}; give more regions, years or tasks"
        )
    return tasks


def declare_tasks(settings: Continual, images: Sequence[Key]) -> tuple[Task, ...]:
    """What is in each task of a stream."""
    if settings.stream == "regions":
        names = dict.fromkeys(region for region, _ in images)
        return tuple(Task(name=name, regions=(name,)) for name in names)
    if settings.stream == "years":
        years = sorted({month.year for _, month in images})
        return tuple(Task(name=str(year), first_year=year, last_year=year) for year in years)
    return settings.tasks


def is_in(task: Task, key: Key) -> bool:
    """Whether an image belongs to a task."""
    region, month = key
    return (
        (task.regions is None or region in task.regions)
        and (task.first_year is None or month.year >= task.first_year)
        and (task.last_year is None or month.year <= task.last_year)
    )


def draw_orders(tasks: int, orders: int, seed: int) -> list[tuple[int, ...]]:
    """Orders of tasks, no two alike; the first is as given.

    Those that are there already stay when more are asked for.

    Args:
        tasks: How many there are.
        orders: How many orders are wanted.
        seed: Of the run.

    Raises:
        ConfigError: So many orders there are not.
    """
    if orders > math.factorial(tasks):
        raise ConfigError(
            f"continual.orders = {orders}: {tasks} tasks have {math.factorial(tasks)} orders; "
            "lower it, or give more tasks"
        )
    rng = np.random.default_rng([seed, tasks])
    found = {tuple(range(tasks)): None}
    while len(found) < orders:
        found[tuple(map(int, rng.permutation(tasks)))] = None
    return list(found)
