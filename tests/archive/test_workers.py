"""Months from a service: workers that share one limit, faults on the way, workers that die."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glacier.archive import ingest, workers
from glacier.archive.contents import read_records
from glacier.archive.records import ArchiveMonth, MonthRecord
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.geo.raster import read_named
from glacier.landsat import months_between
from glacier.sources.factory import open_source
from tests.support.fake_earthengine import (
    DENIED,
    FakeEarthEngine,
    Fault,
    ScenesOf,
    serve,
    synthetic_scenes,
    write_key,
)
from tests.support.tiny import VALUES, tiny_config

COARSE = VALUES["regions"][0] | {"pixel_m": 600}


@pytest.fixture(scope="module")
def scenes_of(tmp_path_factory: pytest.TempPathFactory) -> ScenesOf:
    return synthetic_scenes(tiny_config(tmp_path_factory.mktemp("scenes"), regions=[COARSE]))


@pytest.fixture
def fake(scenes_of: ScenesOf) -> Iterator[FakeEarthEngine]:
    with serve(FakeEarthEngine(scenes_of)) as fake:
        yield fake


def service_config(folder: Path, fake: FakeEarthEngine, last: str, **account: Any) -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    account = {
        "project": "fake-project", "url": fake.url, "key_file": str(write_key(folder, fake)),
        "backoff_s": 0.02, "actors": 2, "in_flight": 6, **account,
    }  # fmt: skip
    return tiny_config(
        folder,
        regions=[COARSE],
        months={"first": "2014-01", "last": last},
        ingest={"source": "earthengine", "earthengine": account},
        prepare={"label": {"kind": "ndsi"}},
    )


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


@pytest.mark.ray
def test_a_month_waits_in_each_thread(
    tmp_path: Path, ray_local: None, fake: FakeEarthEngine
) -> None:
    config = service_config(tmp_path, fake, "2014-06", in_flight=3, actors=2)
    with workers.open_pool(config, ingest.ingest_month) as pool:
        assert isinstance(pool, workers.ActorPool)
        assert pool.capacity() == 4 and pool.limiter_state().limit == 3
