"""Who does the months of an archive: a task each, or a few workers that wait for a service."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, Protocol

import ray

from glacier.cluster import count_cpus
from glacier.config import Config, Region, Service
from glacier.errors import ConfigError
from glacier.progress import say
from glacier.sources.limiter import LEASE_MARGIN_S, Limiter, Outcome

Work = Callable[..., dict[str, Any]]
"""Makes one month: (config, region, month, folder, limiter) -> the values of its record."""

MAX_RESTARTS = 3
"""Times that a worker is started again, and a month tried, after a process was lost."""


class Crew(Protocol):
    """Those who do the work."""

    def room(self) -> int:
        """Months that may be under way at once."""
        ...

    def start(self, region: Region, month: date, folder: str) -> Any:
        """Begin a month; returns the reference of its record."""
        ...

    def finish(self, ready: Any) -> dict[str, Any]:
        """The record of a month that has ended.

        Raises:
            ConfigError: No month can be had with this configuration.
        """
        ...

    def close(self) -> None:
        """Send everyone home."""
        ...


@contextmanager
def open_crew(config: Config, work: Work) -> Iterator[Crew]:
    """The crew that suits a source, for the length of the block."""
    waits = {"earthengine": config.ingest.earthengine, "stac": config.ingest.stac}
    settings = waits.get(config.ingest.source)
    crew: Crew = Tasks(config, work) if settings is None else Fetchers(config, work, settings)
    try:
        yield crew
    finally:
        crew.close()


class Tasks:
    """A task a month, for sources that compute: as many as there are cores, also later ones."""

    def __init__(self, config: Config, work: Work) -> None:
        """Do this work by this configuration."""
        self.config = ray.put(config)
        task: Any = ray.remote(work)
        self.task = task.options(num_cpus=1, max_retries=MAX_RESTARTS)

    def room(self) -> int:
        """One on each core, and one more that waits for it."""
        return 2 * count_cpus()

    def start(self, region: Region, month: date, folder: str) -> Any:
        """Submit a task."""
        return self.task.remote(self.config, region, month, folder)

    def finish(self, ready: Any) -> dict[str, Any]:
        """The record, or the worker's error."""
        return get_record(ready)

    def close(self) -> None:
        """Tasks end by themselves."""


class Fetchers:
    """A few long-lived workers with threads, for sources that wait for a service.

    A month waits in a thread, so that a worker carries several; all workers together keep to one
    limit of requests. A worker that dies is started again and gets the months that it had.
    """

    def __init__(self, config: Config, work: Work, settings: Service) -> None:
        """Start the workers; together they take one core, since they mostly wait."""
        count = min(settings.actors, count_cpus())  # a process takes seconds of a core to start
        threads = math.ceil(settings.in_flight / count)
        self.most = count * threads
        limiter: Any = ray.remote(Limiter).options(
            num_cpus=0,
            max_concurrency=2 * self.most,  # of these, one a month may wait for its turn
            max_restarts=-1,
            max_task_retries=-1,
        )
        self.limiter = limiter.remote(settings.in_flight, settings.deadline_s + LEASE_MARGIN_S)
        fetcher: Any = ray.remote(Fetcher).options(
            num_cpus=1 / count,
            max_concurrency=threads,
            max_restarts=MAX_RESTARTS,
            max_task_retries=MAX_RESTARTS,
            scheduling_strategy="SPREAD",
        )
        self.actors = [fetcher.remote(config, work) for _ in range(count)]
        self.busy: dict[Any, Any] = {}
        self.restricted = False

    def room(self) -> int:
        """One in each thread."""
        return self.most

    def start(self, region: Region, month: date, folder: str) -> Any:
        """Give a month to the worker that has the fewest."""
        load = Counter(self.busy.values())
        actor = min(self.actors, key=lambda actor: load[actor])
        # The limiter comes with each month: an actor among the constructor's arguments could be
        # gone when Ray restarts a worker.
        record = actor.fetch.remote(region, month, folder, self.limiter)
        self.busy[record] = actor
        return record

    def finish(self, ready: Any) -> dict[str, Any]:
        """The record, or the worker's error; says once when the service holds us back."""
        del self.busy[ready]
        record = get_record(ready)
        if not self.restricted and self.facts()["restricted"]:
            self.restricted = True
            say(
                "ingest: the project's monthly quota at Earth Engine is used up (restricted "
                "mode): one request at a time from now on"
            )
        return record

    def facts(self) -> dict[str, Any]:
        """The limiter's state in numbers."""
        return dict(ray.get(self.limiter.facts.remote()))

    def close(self) -> None:
        """End the workers, whose share of a core the next stage needs.

        Where months are under way the run has failed; the workers end with it, and Ray has
        nothing to say about tasks that it lost.
        """
        if not self.busy:
            for actor in (*self.actors, self.limiter):
                ray.kill(actor)


class Fetcher:
    """A worker of :class:`Fetchers`; Ray calls it from several threads."""

    def __init__(self, config: Config, work: Work) -> None:
        """Do this work by this configuration."""
        self.config, self.work = config, work

    def fetch(self, region: Region, month: date, folder: str, limiter: Any) -> dict[str, Any]:
        """Make one month, asking this actor before each request."""
        return self.work(self.config, region, month, folder, SharedLimiter(limiter))


class SharedLimiter:
    """The limiter of all workers, as a source sees it."""

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


def get_record(ready: Any) -> dict[str, Any]:
    """What a worker returned.

    Raises:
        ConfigError: The worker's own, without Ray's account of where it was raised.
    """
    try:
        record: dict[str, Any] = ray.get(ready)
    except ConfigError as error:
        raise getattr(error, "cause", error) from None
    return record
