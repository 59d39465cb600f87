"""Months from a service: workers that share one limit, faults on the way, workers that die."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.exceptions import ActorDiedError, NodeDiedError, WorkerCrashedError

from glacier.archive import ingest, workers
from glacier.archive.contents import read_records
from glacier.archive.records import ArchiveMonth, MonthRecord
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.geo.raster import read_named
from glacier.landsat import months_between
from glacier.settings.stac import Stac
from glacier.sources.factory import open_source
from tests.support.fake_earthengine import (
    COARSE,
    DENIED,
    FakeEarthEngine,
    Fault,
    ScenesOf,
    ask_fake,
    serve,
    synthetic_scenes,
)
from tests.support.tiny import tiny_config


@pytest.fixture(scope="module")
def scenes_of(tmp_path_factory: pytest.TempPathFactory) -> ScenesOf:
    return synthetic_scenes(tiny_config(tmp_path_factory.mktemp("scenes"), regions=[COARSE]))


@pytest.fixture
def fake(scenes_of: ScenesOf) -> Iterator[FakeEarthEngine]:
    with serve(FakeEarthEngine(scenes_of)) as fake:
        yield fake


def service_config(folder: Path, fake: FakeEarthEngine, last: str, **account: Any) -> Config:
    return tiny_config(folder, **ask_fake(folder, fake, last, **account))


def records_of(config: Config) -> tuple[str, list[MonthRecord]]:
    ((folder, records),) = read_records(config).items()
    return folder, records


@pytest.mark.ray
def test_months_come_once_and_whole_through_faults(
    tmp_path: Path, ray_local: None, fake: FakeEarthEngine, capfd: pytest.CaptureFixture
) -> None:
    config = service_config(tmp_path, fake, "2016-12")
    fake.latency_s, fake.fault_share = 0.05, 0.05
    fake.faults.extend([Fault(429, "Too Many Requests")] * 4)  # several are turned away at once
    assert ingest.run_ingest(config) == 0

    folder, records = records_of(config)
    assert len(records) == 36 and {r.status for r in records} == {"ok", "empty"}
    assert {r.reason.partition(":")[0] for r in records} == {"", "solar_zenith", "no_scene"}
    assert max(r.repeats for r in records) > 0
    repeats = sum(r.repeats for r in records)
    assert repeats == sum(not asked.answered for asked in fake.asked) >= 4
    assert fake.most_in_flight <= 6

    # Each month with an image was computed, and sent whole, exactly once.
    pixels = [asked for asked in fake.asked if asked.path.endswith(":computePixels")]
    sent = Counter(asked.month[:7] for asked in pixels if asked.answered)
    assert sent == Counter(r.month for r in records if r.status == "ok")

    # And the archive is the one that the synthetic source makes, pixel by pixel.
    local = open_source(tiny_config(tmp_path, regions=[COARSE]))
    for month in months_between(*config.months.dates())[1:5]:
        bands, grid = read_named(f"{folder}/{month:%Y-%m}.tif")
        expected = local.fetch_month(config.regions[0], month)
        assert grid == local.grid(config.regions[0])
        for name, band in (expected.bands | {"n_obs": expected.n_obs}).items():
            np.testing.assert_array_equal(bands.pop(name), band)
        assert not bands

    # Nothing that was written or printed holds the key or the token.
    secret = json.loads((tmp_path / "key.json").read_text())["private_key"].splitlines()[5]
    texts = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    out, err = capfd.readouterr()
    assert len(texts) > 36
    for text in [*texts, out.encode(), err.encode()]:
        assert secret.encode() not in text and b"fake-token" not in text


@pytest.mark.ray
def test_a_worker_that_dies_costs_no_month(
    tmp_path: Path, ray_local: None, fake: FakeEarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = service_config(tmp_path, fake, "2014-10")
    fake.latency_s = 0.3
    marker, plain = tmp_path / "died", ingest.ingest_month

    def die_once(config: Config, target: ArchiveMonth, *rest: Any) -> MonthRecord:
        """The first worker that comes to May takes the other months of its threads with it."""
        if target.month.month == 5 and not marker.exists():
            marker.touch()
            time.sleep(0.2)  # the others are waiting for their answers
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(config, target, *rest)

    monkeypatch.setattr(ingest, "ingest_month", die_once)
    assert ingest.run_ingest(config) == 0
    assert marker.exists()
    _, records = records_of(config)
    assert [r.status for r in records] == ["empty", *["ok"] * 9]


@pytest.mark.ray
def test_no_admission_stops_the_run_at_once_with_a_plain_error(
    tmp_path: Path, ray_local: None, fake: FakeEarthEngine
) -> None:
    config = service_config(tmp_path, fake, "2015-12")
    fake.faults.extend([DENIED] * 100)
    with pytest.raises(ConfigError) as caught:
        ingest.run_ingest(config)
    assert type(caught.value) is ConfigError  # not Ray's, which prints its own trace
    assert str(caught.value).startswith("Earth Engine does not admit this account: Caller")
    assert len(fake.asked) <= 6


@pytest.mark.ray
def test_restricted_mode_is_said_once(
    tmp_path: Path, ray_local: None, fake: FakeEarthEngine, capsys: pytest.CaptureFixture
) -> None:
    config = service_config(tmp_path, fake, "2014-06", actors=1, in_flight=3)
    fake.quota_header = "parallelism_restricted=true"
    assert ingest.run_ingest(config) == 0
    assert capsys.readouterr().out.count("restricted mode") == 1


class FakeRay:
    """Ray as the pool sees it: nodes with cores, actors that start when they are told to."""

    def __init__(self) -> None:
        self.nodes: dict[str, int] = {}
        self.actors: list[FakeActor] = []
        self.done: dict[str, Any] = {}
        """Reference to what it stands for."""

    def remote(self, kind: type) -> "FakeRemote":
        return FakeRemote(self, kind)

    def wait(self, references: list[str], num_returns: int, timeout: float) -> Any:
        ready = [reference for reference in references if reference in self.done][:num_returns]
        return ready, []

    def get(self, reference: str) -> Any:
        if isinstance(self.done[reference], Exception):
            raise self.done[reference]
        return self.done[reference]

    def kill(self, actor: "FakeActor") -> None:
        actor.killed = True

    def start(self, node: str) -> None:
        """Let the actor that waits longest start on a node."""
        actor = next(actor for actor in self.actors if not actor.home)
        actor.home = node
        self.done[f"{actor.name}-home"] = node

    def lose(self, node: str, crash: bool = False) -> None:
        """End the processes on a node, and it too unless they crash by themselves."""
        for actor in (actor for actor in self.actors if actor.home == node):
            self.done |= dict.fromkeys(actor.months, ActorDiedError())
        if not crash:
            del self.nodes[node]


class FakeRemote:
    """What ``ray.remote`` makes of a class."""

    def __init__(self, ray: FakeRay, kind: type) -> None:
        self.ray, self.kind = ray, kind

    def options(self, **_: Any) -> "FakeRemote":
        return self

    def remote(self, *_: Any) -> "FakeActor":
        actor = FakeActor(self.ray, f"{self.kind.__name__}-{len(self.ray.actors)}")
        if self.kind is workers.Fetcher:
            self.ray.actors.append(actor)
        return actor


class FakeActor:
    """A fetcher, or the limiter, which is never restricted."""

    def __init__(self, ray: FakeRay, name: str) -> None:
        self.ray, self.name, self.home, self.killed = ray, name, "", False
        self.months: list[str] = []
        self.find_home = SimpleNamespace(remote=lambda: f"{name}-home")
        self.fetch = SimpleNamespace(remote=self.begin)
        self.state = SimpleNamespace(remote=lambda: "state")

    def begin(self, target: str, limiter: Any) -> str:
        self.months.append(f"{self.name}-{target}-{len(self.months)}")
        return self.months[-1]


@pytest.fixture
def fake_ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    fake.done["state"] = SimpleNamespace(restricted=False)
    monkeypatch.setattr(workers, "ray", fake)
    monkeypatch.setattr(workers, "get_result", fake.get)
    monkeypatch.setattr(workers, "count_cpus", lambda: max(1, sum(fake.nodes.values())))
    monkeypatch.setattr(workers, "list_alive", lambda: fake.nodes)
    monkeypatch.setattr(workers, "stay_here", lambda: None)
    return fake


def open_fake_pool(actors: int, in_flight: int) -> workers.ActorPool:
    return workers.ActorPool(None, print, Stac(actors=actors, in_flight=in_flight))


def test_actors_come_with_the_cores(fake_ray: FakeRay) -> None:
    """A head without cores, a node of two, and a larger one: never more than the setting says."""
    pool = open_fake_pool(actors=4, in_flight=10)
    assert pool.capacity() == 0 and len(pool.starting()) == 1, "one asks for a node"
    fake_ray.nodes["first"] = 2
    fake_ray.start("first")
    assert pool.capacity() == 5 and len(fake_ray.actors) == 2, "the other half is not there yet"
    fake_ray.start("first")
    assert pool.capacity() == 10 and not pool.starting()
    fake_ray.nodes["second"] = 16
    assert pool.capacity() == 6 and len(fake_ray.actors) == 4
    fake_ray.start("second")
    fake_ray.start("second")
    assert pool.capacity() == 12 and len(fake_ray.actors) == 4
    months = [pool.submit(f"{month}") for month in range(12)]
    assert len(set(months)) == 12 and {len(actor.months) for actor in fake_ray.actors} == {3}


def begin_month(pool: workers.ActorPool, fake_ray: FakeRay, node: str) -> str:
    """Let the next actor start on a node, and give it a month."""
    pool.capacity()
    fake_ray.start(node)
    assert pool.capacity() == 1
    return pool.submit("2014-05")


def test_months_of_lost_nodes_go_elsewhere_however_often(fake_ray: FakeRay) -> None:
    pool = open_fake_pool(actors=1, in_flight=1)
    for node in (f"spot-{at}" for at in range(workers.MAX_RESTARTS + 2)):
        fake_ray.nodes[node] = 1
        month = begin_month(pool, fake_ray, node)
        fake_ray.lose(node)
        assert pool.collect(month) is None, "to be made again"
        assert fake_ray.actors[-1].killed
    fake_ray.nodes["stays"] = 1
    month = begin_month(pool, fake_ray, "stays")
    fake_ray.done[month] = "made"
    assert pool.collect(month) == "made"
    pool.close()
    assert all(actor.killed for actor in fake_ray.actors)


def test_a_month_that_ends_its_process_is_tried_a_few_times(fake_ray: FakeRay) -> None:
    fake_ray.nodes["stays"] = 1
    pool = open_fake_pool(actors=1, in_flight=1)
    for _ in range(workers.MAX_RESTARTS):
        month = begin_month(pool, fake_ray, "stays")
        fake_ray.lose("stays", crash=True)
        assert pool.collect(month) is None
    month = begin_month(pool, fake_ray, "stays")
    fake_ray.lose("stays", crash=True)
    with pytest.raises(ActorDiedError):
        pool.collect(month)


def test_actors_that_cannot_start_are_not_started_for_ever(fake_ray: FakeRay) -> None:
    pool = open_fake_pool(actors=1, in_flight=1)
    for _ in range(workers.MAX_RESTARTS):
        fake_ray.done[f"Fetcher-{len(fake_ray.actors) - 1}-home"] = ActorDiedError()
        assert pool.capacity() == 0
    fake_ray.done[f"Fetcher-{len(fake_ray.actors) - 1}-home"] = ActorDiedError()
    with pytest.raises(ActorDiedError):
        pool.capacity()


class FakePool:
    """Takes two months at once, and loses each once."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def capacity(self) -> int:
        return 2

    def starting(self) -> list[str]:
        return ["a worker"]

    def submit(self, target: str) -> str:
        self.seen.append(target)
        return f"{target}-{len(self.seen)}"

    def collect(self, ready: str) -> str | None:
        month = ready.partition("-")[0]
        return f"record of {month}" if self.seen.count(month) > 1 else None


def test_each_month_is_made_once_though_all_are_lost_once(
    fake_ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = FakePool()
    monkeypatch.setattr(fake_ray, "wait", lambda references, **_: (references[::-1][:2], []))
    made = list(workers.make_months(pool, ["a", "b", "c"]))
    assert sorted(made) == [(name, f"record of {name}") for name in "abc"]
    assert Counter(pool.seen) == dict.fromkeys("abc", 2)


def test_a_task_whose_tries_leaving_nodes_used_up_begins_again(
    fake_ray: FakeRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_ray, "put", lambda value: value, raising=False)
    pool = workers.TaskPool(None, print)
    fake_ray.done |= {"lost": NodeDiedError(""), "made": "record", "bad": WorkerCrashedError()}
    assert pool.collect("lost") is None and pool.collect("made") == "record"
    with pytest.raises(WorkerCrashedError):
        pool.collect("bad")
