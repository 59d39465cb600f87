"""How time and memory grow: with the months of a glacier, and with the number of glaciers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
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


if __name__ == "__main__":
    print(json.dumps(run_stages(int(sys.argv[1]), [int(months) for months in sys.argv[2:]])))
