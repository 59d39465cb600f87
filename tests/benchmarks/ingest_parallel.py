"""Ten years from Earth Engine with workers side by side, against one request at a time.

The service is the loopback server of the tests: it answers each request after 2 s, with a reply
that it computed beforehand. Both sides are the same code and the same client, with a Ray that is
already up; each starts its own workers within the time that is measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from row import Row

from glacier.cluster import connect
from glacier.config import Config
from glacier.flags import load_config
from glacier.landsat import months_between

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))
from tests.support.fake_earthengine import (  # noqa: E402
    Asked,
    FakeEarthEngine,
    serve,
    synthetic_scenes,
    write_key,
)

LATENCY_S = 2.0


class CannedEarthEngine(FakeEarthEngine):
    """Answers every year with the replies for 2014, which are made at the first asking."""

    def answer(self, asked: Asked) -> bytes:
        month = asked.month[5:7]
        key = f"{asked.path} {month}"
        if key not in self.cache:
            self.cache[key] = super().answer(asked)
        return self.cache[key]


def configure(folder: Path, fake: FakeEarthEngine, last: str, **account: Any) -> Config:
    """The shipped configuration for Mendenhall, asking the fake."""
    path = TESTS.parent / "jobs" / "mendenhall.yaml"
    places = ["--storage", str(folder), "--results", str(folder / "results")]
    config = load_config([str(path), *places, "--months.last", last], "")
    account = {
        "url": fake.url, "project": "fake-project", "key_file": str(write_key(folder, fake)),
        **account,
    }  # fmt: skip
    values = config.model_dump()
    values["ingest"]["earthengine"] |= account
    return Config.model_validate(values)


def time_ingest(config: Config, fake: FakeEarthEngine) -> dict[str, Any]:
    """Seconds of an ingest into an empty archive, and what the service saw of it."""
    from glacier.archive.ingest import run_ingest

    fake.asked.clear()
    fake.most_in_flight = 0
    began = time.perf_counter()
    failed = run_ingest(config)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "failed": failed,
        "requests": len(fake.asked),
        "most_in_flight": fake.most_in_flight,
        "months": len(months_between(*config.months.dates())),
    }


def bench_ingest_parallel(last: str = "2023-12") -> Row:
    """120 months at Mendenhall, 635 x 394 px, 2 s a request, against one request at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = {"source": "synthetic", "synthetic": {}}
        with serve(CannedEarthEngine(lambda *_: [])) as fake:
            parallel = configure(folder, fake, last)
            values = parallel.model_dump() | {"ingest": source}
            fake.scenes_of = synthetic_scenes(Config.model_validate(values))
            with connect(parallel.cluster):
                time_ingest(configure(make(folder / "warm"), fake, "2014-12"), fake)
                fake.latency_s = LATENCY_S
                ours = time_ingest(parallel, fake)
                single = configure(make(folder / "one"), fake, last, in_flight=1, actors=1)
                baseline = time_ingest(single, fake)
    return Row(
        what="ten years by 16 requests at once, worker processes with threads",
        against="the same code and client, one request at a time",
        ours=ours["seconds"],
        baseline=baseline["seconds"],
        unit="s",
        repeats=1,
        target=10.0,
        limit="start of the workers, and 0.26 s of processor a month, most of it the COG",
        facts={
            "most_at_once_allowed": parallel.ingest.earthengine.in_flight,
            "most_in_flight": ours["most_in_flight"],
            "months": ours["months"],
            "requests": ours["requests"],
            "latency_s": LATENCY_S,
            "failed": ours["failed"] + baseline["failed"],
        },
    )


def make(folder: Path) -> Path:
    """A new folder."""
    folder.mkdir()
    return folder
