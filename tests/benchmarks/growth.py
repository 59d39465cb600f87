"""How time and memory grow: with the months of a glacier, and with the number of glaciers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from row import Row

MENDENHALL = ((-134.62, 58.42), (-134.42, 58.42), (-134.42, 58.59), (-134.62, 58.59))
FIRST_YEAR = 2004
MONTHS = (12, 48, 192)
MONTHS_A_GLACIER = 120
PIXEL_M = 240.0
"""Coarse, so that a row takes minutes; what is asked is how it grows."""


def make_config(folder: str, glaciers: int, months: int) -> Any:
    """The synthetic archive of some glaciers side by side, and samples of 32 px."""
    from glacier.config import Config

    regions = [
        {
            "name": f"g{k}",
            "polygon": [(round(lon + 0.25 * k, 2), lat) for lon, lat in MENDENHALL],
            "pixel_m": PIXEL_M,
        }
        for k in range(glaciers)
    ]
    last = FIRST_YEAR + months // 12 - 1
    values = {
        "name": "growth",
        "storage": folder,
        "results": f"{folder}/results",
        "regions": regions,
        "months": {"first": f"{FIRST_YEAR}-01", "last": f"{last}-12"},
        "prepare": {"layout": "resize", "size_px": 32},
        "sweep": {"folds": {"kind": "shuffled"}},
    }
    return Config.model_validate(values)


def peak_mb() -> float:
    """Most memory that this process alone ever had resident, megabytes of 1024 x 1024."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def run_stages(glaciers: int, spans: list[int]) -> dict[str, Any]:
    """Ingest and prepare in this process's Ray; seconds of each span without Ray's start."""
    from glacier.archive.ingest import run_ingest
    from glacier.cluster import connect
    from glacier.samples.prepare import run_prepare
    from glacier.settings.cluster import Cluster

    seconds = []
    with connect(Cluster(cpus=2)):
        for count, months in [(1, 12), *((glaciers, months) for months in spans)]:
            with tempfile.TemporaryDirectory() as folder:
                config = make_config(folder, count, months)
                began = time.perf_counter()
                if run_ingest(config) + run_prepare(config):
                    raise RuntimeError("months failed")
                seconds.append(time.perf_counter() - began)
        return {"seconds": seconds[1:], "driver_peak_mb": peak_mb()}  # first, workers start


def run_apart(glaciers: int, spans: list[int]) -> dict[str, Any]:
    """The same in a driver of its own, so that its memory is its own."""
    command = [sys.executable, __file__, str(glaciers), *map(str, spans)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def bench_growth_months() -> Row:
    """Exponent of the wall time of ingest and prepare over 12, 48 and 192 months."""
    seconds = run_apart(1, list(MONTHS))["seconds"]
    exponent = float(np.polyfit(np.log(MONTHS), np.log(seconds), 1)[0])
    return Row(
        what="slope of log(wall time) over log(months) of ingest and prepare at "
        f"{', '.join(map(str, MONTHS))} months, one glacier of {PIXEL_M:.0f} m pixels, two Ray "
        "workers, Ray's start left out",
        against="1, time in proportion to the months",
        ours=exponent,
        baseline=1.0,
        unit="exponent",
        repeats=1,
        target=1 / 1.05,
        limit="each month is its own task; what is paid once makes the exponent less than 1",
        facts={f"months_{m}_s": round(s, 2) for m, s in zip(MONTHS, seconds, strict=True)},
    )


def bench_growth_glaciers() -> Row:
    """Wall time and the driver's peak memory from one glacier to ten."""
    one, ten = (run_apart(count, [MONTHS_A_GLACIER]) for count in (1, 10))
    grown = ten["driver_peak_mb"] - one["driver_peak_mb"]
    if grown >= 100:
        print(f"growth_glaciers: the driver's peak memory grew by {grown:.0f} MB, wanted < 100")
    return Row(
        what=f"wall time of ingest and prepare of ten glaciers over that of one, "
        f"{MONTHS_A_GLACIER} months each, {PIXEL_M:.0f} m pixels, two Ray workers, Ray's start "
        "left out",
        against="10, time in proportion to the glaciers",
        ours=ten["seconds"][0] / one["seconds"][0],
        baseline=10.0,
        unit="times",
        repeats=1,
        target=10 / 10.5,
        limit="the driver holds records and facts of months, never pixels",
        facts={
            "one_glacier_s": round(one["seconds"][0], 2),
            "ten_glaciers_s": round(ten["seconds"][0], 2),
            "driver_peak_one_mb": round(one["driver_peak_mb"], 1),
            "driver_peak_ten_mb": round(ten["driver_peak_mb"], 1),
            "driver_growth_mb": round(grown, 1),
            "driver_growth_wanted_below_mb": 100,
        },
    )


REGIONS = (1, 10, 100, 1000)
WANTED = {"disk": 20.0, "s3": 60.0}
"""Longest that ingest and prepare may take a second time with the most regions, seconds."""
MOST_MB, MOST_KB_A_REGION = 600, 100


def run_second(storage: str, results: str, count: int) -> dict[str, float]:
    """Every stage up to the plan of a sweep, where all is done; seconds, and most memory."""
    from regions import make_config

    from glacier.archive.contents import read_outcomes
    from glacier.archive.ingest import run_ingest
    from glacier.samples.prepare import run_prepare
    from glacier.samples.sample_set import samples_folder
    from glacier.training.saved import place_sweep
    from glacier.training.sweep import plan_sweep

    marks = [time.perf_counter()]
    config, imported_mb = make_config(storage, results, count), peak_mb()
    marks.append(time.perf_counter())
    for stage in (run_ingest, run_prepare):
        if stage(config):
            raise RuntimeError("months failed")
        marks.append(time.perf_counter())
    places = place_sweep(config, samples_folder(config, read_outcomes(config)))
    plan = plan_sweep(config, places)
    marks.append(time.perf_counter())
    assert len(plan.samples.months) == count * MONTHS_A_GLACIER
    steps = ("config_s", "ingest_s", "prepare_s", "plan_s")
    taken = {name: b - a for name, a, b in zip(steps, marks, marks[1:], strict=False)}
    return taken | {"imported_mb": imported_mb, "peak_mb": peak_mb()}


def run_second_apart(storage: str, results: str, count: int) -> dict[str, Any]:
    """The same in a driver of its own; the first time pays for the calendar and cold caches."""
    command = [sys.executable, __file__, "second", storage, results, str(count)]
    for _ in range(2):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def stage_regions(folder: str) -> Callable[[str, str], None]:
    """Leave the files of all runs in a local storage; returns what notes them in any storage."""
    from regions import (
        list_prepared,
        make_config,
        make_template,
        note_archives,
        note_samples,
        write_archives,
        write_samples_of,
    )

    template = make_template(f"{folder}/template")
    local = {count: make_config(f"{folder}/data", folder, count) for count in REGIONS}
    write_archives(local[REGIONS[-1]], template)
    note_archives(local[REGIONS[-1]], template)
    for config in local.values():
        write_samples_of(config, template, config)

    def note(storage: str, results: str) -> None:
        if storage != f"{folder}/data":
            note_archives(make_config(storage, results, REGIONS[-1]), template)
        for count in REGIONS:
            config = make_config(storage, results, count)
            note_samples(config, list_prepared(config, template))

    return note


@contextmanager
def emulate_s3() -> Iterator[Callable[[str], Any]]:
    """A store in a process of its own; gives what sends it an order."""
    command = [sys.executable, str(Path(__file__).with_name("emulated_s3.py"))]
    account = {"AWS_ACCESS_KEY_ID": "glacier", "AWS_SECRET_ACCESS_KEY": "glacier",
               "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    os.environ.update(account)
    pipe = subprocess.PIPE
    server = subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdin and server.stdout
    os.environ["AWS_ENDPOINT_URL"] = json.loads(server.stdout.readline())

    def order(line: str) -> Any:
        assert server.stdin and server.stdout
        print(line, file=server.stdin, flush=True)
        return json.loads(server.stdout.readline())

    try:
        yield order
    finally:
        server.stdin.close()
        server.wait()


def bench_growth_regions_disk() -> Row:
    """A second run of 1 to 1,000 regions on a disk."""
    with tempfile.TemporaryDirectory() as folder:
        note, storage = stage_regions(folder), f"{folder}/data"
        note(storage, f"{folder}/results")
        found = {
            count: run_second_apart(storage, f"{folder}/results/{count}", count)
            for count in REGIONS
        }
    return describe_regions("disk", found)


def bench_growth_regions_s3() -> Row:
    """A second run of 1 to 1,000 regions in an object store."""
    found = {}
    with tempfile.TemporaryDirectory() as folder, emulate_s3() as order:
        note, storage = stage_regions(folder), "s3://ice"
        order(f"fill {folder}/data ice")
        note(storage, f"{folder}/results")
        for count in REGIONS:
            order("counts")
            found[count] = run_second_apart(storage, f"{folder}/results/{count}", count)
            asked = {kind: n // 2 for kind, n in order("counts").items()}  # of two runs
            found[count] |= {"requests": sum(asked.values()), "asked": asked}
    return describe_regions("s3", found)


def describe_regions(place: str, found: dict[int, dict[str, Any]]) -> Row:
    """The row of a place, and what it lacks of what is wanted."""
    seconds = {n: sum(f[k] for k in ("ingest_s", "prepare_s", "plan_s")) for n, f in found.items()}
    many, most = REGIONS[-2:]
    again_s = found[most]["ingest_s"] + found[most]["prepare_s"]
    grown = (found[most]["peak_mb"] - found[1]["peak_mb"]) * 1024 / (most - 1)
    for what, value, limit in (
        ("ingest and prepare, s", again_s, WANTED[place]),
        ("most memory, MB", found[most]["peak_mb"], MOST_MB),
        ("memory a region, kB", grown, MOST_KB_A_REGION),
    ):
        if value >= limit:
            print(f"growth_regions_{place}: {what}: {value:.0f}, wanted < {limit:.0f}")
    facts: dict[str, Any] = {f"regions_{n}_s": round(s, 2) for n, s in seconds.items()}
    for step in ("config_s", "ingest_s", "prepare_s", "plan_s"):
        facts[f"regions_{most}_{step}"] = round(found[most][step], 2)
    facts |= {f"driver_peak_{n}_mb": round(f["peak_mb"], 1) for n, f in found.items()}
    facts |= {
        "imports_alone_mb": round(found[1]["imported_mb"], 1),
        "driver_growth_kb_a_region": round(grown, 1),
        "driver_growth_wanted_below_kb": MOST_KB_A_REGION,
        f"ingest_and_prepare_{most}_wanted_below_s": WANTED[place],
    }
    for n, f in found.items():
        if "requests" in f:
            facts[f"requests_{n}"] = f["requests"]
    if "asked" in found[most]:
        facts["requests_a_month"] = round(found[most]["requests"] / most / MONTHS_A_GLACIER, 4)
        facts |= {f"requests_{most}_{kind.lower()}": n for kind, n in found[most]["asked"].items()}
    counts = ", ".join(map(str, REGIONS))
    return Row(
        what=f"slope of log(wall time) over log(regions) from {many} to {most} regions of "
        f"{MONTHS_A_GLACIER} months, of ingest, prepare and the plan of the sweep where all is "
        f"done, {'on a disk' if place == 'disk' else 'in moto as S3 on the loopback'}; measured "
        f"at {counts} regions, each in a driver of its own",
        against="1, time in proportion to the regions",
        ours=float(np.log(seconds[most] / seconds[many]) / np.log(most / many)),
        baseline=1.0,
        unit="exponent",
        repeats=1,
        target=1 / 1.05,
        limit="a listing and a table an archive; what is paid once makes the exponent less than 1",
        facts=facts,
    )


if __name__ == "__main__":
    if sys.argv[1] == "second":
        print(json.dumps(run_second(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        spans = [int(months) for months in sys.argv[2:]]
        print(json.dumps(run_stages(int(sys.argv[1]), spans)))
