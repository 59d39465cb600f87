"""How much faster than what a user would write: ratios measured in one run on one machine.

    make bench                 # every row
    make bench ROW=composite   # one

A row runs the baseline and ours in turn, several times, and compares the medians. The baselines
are plain code at its best settings. Results go to ``results/benchmarks/summary.json``.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

OUT = Path(__file__).parents[2] / "results" / "benchmarks" / "summary.json"
REPEATS = 7


def time_in_turn(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each work, run alternately so that all meet the same machine."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(REPEATS):
        for times, work in zip(taken, works, strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in taken]


def bench_composite() -> dict[str, Any]:
    """Four scenes of seven bands, 634 x 394 px, against xarray's where and median."""
    import xarray

    from glacier.composite import Scene, composite_scenes
    from glacier.landsat import BANDS

    rng = np.random.default_rng(0)
    shape = (634, 394)
    scenes = [
        Scene(
            f"s{k}",
            datetime(2020, 7, k + 1, tzinfo=UTC),
            {band: rng.integers(7273, 43636, shape, np.uint16) for band in BANDS},
            np.where(rng.random(shape) < 0.3, 8, 64).astype(np.uint16),
            45.0,
        )
        for k in range(4)
    ]
    stack = np.stack([np.stack([s.bands[band] for band in BANDS]) for s in scenes])
    dn = xarray.DataArray(stack.astype(np.float32), dims=("time", "band", "y", "x"))
    clear = xarray.DataArray(
        np.stack([s.qa_pixel & 25 for s in scenes]) == 0, dims=("time", "y", "x")
    )

    def ours() -> Any:
        return composite_scenes(scenes, "ice")

    def baseline() -> Any:
        return dn.where(clear).median("time")

    expected = np.floor(np.nan_to_num(baseline().values) + 0.5)
    found = np.stack([ours().bands[band] for band in BANDS])
    np.testing.assert_array_equal(found, expected)
    fast, slow = time_in_turn(ours, baseline)
    return {"ours": fast, "baseline": slow, "unit": "s"}


ROWS: dict[str, Callable[[], dict[str, Any]]] = {"composite": bench_composite}


def describe_machine() -> dict[str, Any]:
    """Processor, cores and Python of this machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def main(names: list[str]) -> int:
    """Run rows and merge them into the summary."""
    if unknown := [name for name in names if name not in ROWS]:
        print(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    summary = json.loads(OUT.read_text()) if OUT.exists() else {"schema": 1, "rows": []}
    rows = {row["name"]: row for row in summary["rows"]}
    for name in names or ROWS:
        row = ROWS[name]()
        ratio = row["baseline"] / row["ours"]
        times = f"{row['ours']:.4g} {row['unit']}, baseline {row['baseline']:.4g}"
        print(f"{name}: {times}: {ratio:.1f} x")
        command = f"make bench ROW={name}"
        rows[name] = {"name": name, **row, "ratio": ratio, "repeats": REPEATS, "command": command}
    summary |= {"machine": describe_machine(), "rows": list(rows.values())}
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(summary, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
