"""What makes the months of an archive: a task each, or a few actors that wait for a service."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import ray

from glacier.archive.records import ArchiveMonth, MonthRecord
from glacier.cluster import count_cpus, get_result
from glacier.config import Config
from glacier.progress import say
from glacier.settings.source import Service
from glacier.sources.limiter import Limiter, LimiterState, Outcome

Work = Callable[..., MonthRecord]
"""Makes one month: (config, target, limiter) -> its record; without a limiter the source's own."""

MAX_RESTARTS = 3
"""Times that a worker is started again, and a month tried, after a process was lost."""


class WorkerPool(Protocol):
    """Workers that make months."""

    def capacity(self) -> int:
        """Months that may be under way at once."""
        ...

    def submit(self, target: ArchiveMonth) -> Any:
        """Begin a month; returns the reference of its record."""
        ...

    def collect(self, ready: Any) -> MonthRecord:
        """The record of a month that has ended.

        Raises:
            ConfigError: No month can be had with this configuration.
        """
        ...

    def close(self) -> None:
        """End the workers."""
        ...


@contextmanager
def open_pool(config: Config, work: Work) -> Iterator[WorkerPool]:
    """The pool that suits a source, for the length of the block."""
    service = config.ingest.chosen.service
    pool: WorkerPool
    pool = TaskPool(config, work) if service is None else ActorPool(config, work, service)
    try:
        yield pool
    finally:
        pool.close()


class TaskPool:
    """A task a month, for sources that compute: as many as there are cores, also later ones."""

    def __init__(self, config: Config, work: Work) -> None:
        """Do this work by this configuration."""
        self.config = ray.put(config)
        task: Any = ray.remote(work)
        self.task = task.options(num_cpus=1, max_retries=MAX_RESTARTS)

    def capacity(self) -> int:
        """One on each core, and one more that waits for it."""
        return 2 * count_cpus()

    def submit(self, target: ArchiveMonth) -> Any:
        """Submit a task."""
        return self.task.remote(self.config, target)

    def collect(self, ready: Any) -> MonthRecord:
        """The record, or the worker's error."""
        record: MonthRecord = get_result(ready)
        return record

    def close(self) -> None:
        """Tasks end by themselves."""


class ActorPool:
    """A few long-lived actors with threads, for sources that wait for a service.

    A month waits in a thread, so that an actor carries several; all actors together keep to one
    limit of requests. An actor that dies is started again and gets the months that it had.
    """

    def __init__(self, config: Config, work: Work, settings: Service) -> None:
        """Start the actors; together they take one core, since they mostly wait."""
        count = min(settings.actors, count_cpus())  # a process takes seconds of a core to start
        threads = math.ceil(settings.in_flight / count)
        self.max_running = count * threads
        limiter: Any = ray.remote(Limiter).options(
            num_cpus=0,
            max_concurrency=2 * self.max_running,  # of these, one a month may wait for its turn
            max_restarts=-1,
            max_task_retries=-1,
        )
        self.limiter = limiter.remote(settings.in_flight, settings.deadline_s)
        fetcher: Any = ray.remote(Fetcher).options(
            num_cpus=1 / count,
            max_concurrency=threads,
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_RESTARTS,
            scheduling_strategy="SPREAD",
        )
        self.actors = [fetcher.remote(config, work) for _ in range(count)]
        self.busy: dict[Any, Any] = {}
        self.restricted, self.quota = False, settings.quota

    def capacity(self) -> int:
        """One in each thread."""
        return self.max_running

    def submit(self, target: ArchiveMonth) -> Any:
        """Give a month to the actor that has the fewest."""
        load = Counter(self.busy.values())
        actor = min(self.actors, key=lambda actor: load[actor])
        # The limiter comes with each month: an actor among the constructor's arguments could be
        # gone when Ray restarts another.
        record = actor.fetch.remote(target, self.limiter)
        self.busy[record] = actor
        return record

    def collect(self, ready: Any) -> MonthRecord:
        """The record, or the worker's error; says once when the service holds us back."""
        del self.busy[ready]
        record: MonthRecord = get_result(ready)
        if not self.restricted and self.limiter_state().restricted:
            self.restricted = True
            say(
                f"ingest: {self.quota} is used up (restricted mode): one request at a time from "
                "now on"
            )
        return record

    def limiter_state(self) -> LimiterState:
        """What the limiter of all actors has come to."""
        state: LimiterState = ray.get(self.limiter.state.remote())
        return state

    def close(self) -> None:
        """End the actors, whose share of a core the next stage needs.

        Where months are under way the run has failed; the actors end with it, and Ray has
        nothing to say about tasks that it lost.
        """
        if not self.busy:
            for actor in (*self.actors, self.limiter):
                ray.kill(actor)


class Fetcher:
    """An actor of :class:`ActorPool`; Ray calls it from several threads."""

    def __init__(self, config: Config, work: Work) -> None:
        """Do this work by this configuration."""
        self.config, self.work = config, work

    def fetch(self, target: ArchiveMonth, limiter: Any) -> MonthRecord:
        """Make one month, asking this actor before each request."""
        return self.work(self.config, target, SharedLimiter(limiter))


class SharedLimiter:
    """The limiter of all actors, as a source sees it."""

    def __init__(self, actor: Any) -> None:
        """Stand for the limiter in this actor."""
        self.actor = actor

    def acquire(self) -> int:
        """Wait for a free place."""
        return int(ray.get(self.actor.acquire.remote()))

    def release(self, ticket: int, outcome: Outcome) -> None:
        """Give a place back."""
        ray.get(self.actor.release.remote(ticket, outcome))

    def restrict(self) -> None:
        """One request at a time from now on."""
        ray.get(self.actor.restrict.remote())
