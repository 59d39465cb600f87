"""What makes the months of an archive: a task each, or a few actors that wait for a service.

Both follow the cores of the cluster as they come and go. A month whose node has left is made again
on another, however often that happens; a month whose process ends by itself only so many times.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, Protocol

import ray
from ray.exceptions import NodeDiedError, RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from glacier.archive.records import ArchiveMonth, MonthRecord
from glacier.cluster import count_cpus, get_result, list_alive
from glacier.config import Config
from glacier.progress import say
from glacier.settings.source import Service
from glacier.sources.limiter import Limiter, LimiterState, Outcome

Work = Callable[..., MonthRecord]
"""Makes one month: (config, target, limiter) -> its record; without a limiter the source's own."""

MAX_RESTARTS = 3
"""Times that a month is tried again after a process was lost on a node that is still there."""

LOOK_S = 1.0
"""Longest time between two looks at the cores of the cluster, seconds."""


class WorkerPool(Protocol):
    """Workers that make months."""

    def capacity(self) -> int:
        """Months that may be under way at once, as the cluster is now."""
        ...

    def starting(self) -> Sequence[Any]:
        """References that are ready when a worker has started."""
        ...

    def submit(self, target: ArchiveMonth) -> Any:
        """Begin a month; returns the reference of its record."""
        ...

    def collect(self, ready: Any) -> MonthRecord | None:
        """The record of a month that has ended; None: its worker is lost, so it has to begin again.

        Raises:
            ConfigError: No month can be had with this configuration.
            RayError: Its process was lost too often.
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


def make_months(
    pool: WorkerPool, targets: Iterable[ArchiveMonth]
) -> Iterator[tuple[ArchiveMonth, MonthRecord]]:
    """Make months, as many at a time as the pool takes, and yield them as they end.

    Raises:
        ConfigError: No month can be had with this configuration.
        RayError: The process of a month was lost too often.
    """
    waiting = deque(targets)
    running: dict[Any, ArchiveMonth] = {}
    while waiting or running:
        while waiting and len(running) < pool.capacity():
            target = waiting.popleft()
            running[pool.submit(target)] = target
        watched = [*running, *(pool.starting() if waiting else ())]
        for reference in ray.wait(watched, num_returns=1, timeout=LOOK_S)[0]:
            if reference not in running:
                continue  # a worker has started
            target = running.pop(reference)
            if (record := pool.collect(reference)) is None:
                waiting.appendleft(target)
            else:
                yield target, record


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

    def starting(self) -> Sequence[Any]:
        """None: Ray starts a process where it needs one."""
        return ()

    def submit(self, target: ArchiveMonth) -> Any:
        """Submit a task."""
        return self.task.remote(self.config, target)

    def collect(self, ready: Any) -> MonthRecord | None:
        """The record, or the worker's error; None where leaving nodes have used up all tries."""
        try:
            record: MonthRecord = get_result(ready)
        except NodeDiedError:
            return None
        return record

    def close(self) -> None:
        """Tasks end by themselves."""


class Fetch(NamedTuple):
    """A month under way at an actor."""

    target: ArchiveMonth
    actor: Any
    home: str
    """Id of the actor's node."""


class ActorPool:
    """A few long-lived actors with threads, for sources that wait for a service.

    A month waits in a thread, so that an actor carries several; all actors together keep to one
    limit of requests. There are as many as there are cores, up to the setting: more are started
    when cores appear. One that is lost is replaced, and its months go to the others.
    """

    def __init__(self, config: Config, work: Work, settings: Service) -> None:
        """Start the first actors; all together take one core, since they mostly wait."""
        self.settings = settings
        most = settings.in_flight + settings.actors  # months under way, rounding up included
        limiter: Any = ray.remote(Limiter).options(
            num_cpus=0,
            max_concurrency=2 * most,  # of these, one a month may wait for its turn
            max_restarts=-1,
            max_task_retries=-1,
            scheduling_strategy=stay_here(),
        )
        self.limiter = limiter.remote(settings.in_flight, settings.deadline_s)
        fetcher: Any = ray.remote(Fetcher).options(
            num_cpus=1 / settings.actors,
            max_concurrency=settings.in_flight,
            scheduling_strategy="SPREAD",
        )
        self.start: Callable[[], Any] = partial(fetcher.remote, config, work)
        self.homes: dict[Any, str] = {}
        self.begun: dict[Any, Any] = {}
        self.failed_starts = 0
        self.busy: dict[Any, Fetch] = {}
        self.lost: dict[ArchiveMonth, list[str]] = defaultdict(list)
        self.restricted, self.quota = False, settings.quota
        self.follow_cores()

    def capacity(self) -> int:
        """The share of the requests of each actor that has started."""
        wanted = self.follow_cores()
        return len(self.homes) * math.ceil(self.settings.in_flight / max(wanted, len(self.homes)))

    def starting(self) -> Sequence[Any]:
        """References of the nodes on which actors are being started."""
        return list(self.begun)

    def follow_cores(self) -> int:
        """Note which actors have started, and start those for which there are cores now.

        Returns:
            How many there should be: a process takes seconds of a core to start.

        Raises:
            RayActorError: They end as often as they are started.
        """
        self.note_started()
        wanted = min(self.settings.actors, count_cpus())
        for _ in range(wanted - len(self.homes) - len(self.begun)):
            actor = self.start()
            self.begun[actor.find_home.remote()] = actor
        return wanted

    def note_started(self) -> None:
        """Count the actors that have started among those that take months.

        Raises:
            RayActorError: They end as often as they are started.
        """
        begun = list(self.begun)
        ready = ray.wait(begun, num_returns=len(begun), timeout=0)[0] if begun else []
        for reference in ready:
            actor = self.begun.pop(reference)
            try:
                self.homes[actor] = ray.get(reference)
                self.failed_starts = 0
            except RayActorError as error:
                self.failed_starts += 1
                if error.actor_init_failed or self.failed_starts > MAX_RESTARTS:
                    raise

    def submit(self, target: ArchiveMonth) -> Any:
        """Give a month to the actor that has the fewest."""
        load = Counter(fetch.actor for fetch in self.busy.values())
        actor = min(self.homes, key=lambda actor: load[actor])
        record = actor.fetch.remote(target, self.limiter)
        self.busy[record] = Fetch(target, actor, self.homes[actor])
        return record

    def collect(self, ready: Any) -> MonthRecord | None:
        """The record, or the worker's error; says once when the service holds us back."""
        fetch = self.busy.pop(ready)
        try:
            record: MonthRecord = get_result(ready)
        except RayActorError:
            self.lose(fetch)
            if self.count_crashes(fetch.target) > MAX_RESTARTS:
                raise
            return None
        if not self.restricted and self.limiter_state().restricted:
            self.restricted = True
            say(
                f"ingest: {self.quota} is used up (restricted mode): one request at a time from "
                "now on"
            )
        return record

    def lose(self, fetch: Fetch) -> None:
        """Give up an actor that is lost, and note where that was."""
        if self.homes.pop(fetch.actor, None):
            ray.kill(fetch.actor)  # where it cannot be reached, it may still be at work
        self.lost[fetch.target].append(fetch.home)

    def count_crashes(self, target: ArchiveMonth) -> int:
        """Times that the process of a month has ended, but its node is still there.

        That a node is lost is known some seconds after its actors are, so it is asked anew.
        """
        alive = list_alive()
        return sum(home in alive for home in self.lost[target])

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
            for actor in (*self.homes, *self.begun.values(), self.limiter):
                ray.kill(actor)


def stay_here() -> NodeAffinitySchedulingStrategy:
    """Where the driver is, so that nothing else ends what a run cannot be without."""
    node: str = ray.get_runtime_context().get_node_id()
    return NodeAffinitySchedulingStrategy(node, soft=False)


class Fetcher:
    """An actor of :class:`ActorPool`; Ray calls it from several threads."""

    def __init__(self, config: Config, work: Work) -> None:
        """Do this work by this configuration."""
        self.config, self.work = config, work

    def find_home(self) -> str:
        """Id of the node on which it is."""
        node: str = ray.get_runtime_context().get_node_id()
        return node

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
