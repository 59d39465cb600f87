"""How much faster than what a user would write: ratios measured in one run on one machine.

    make bench                 # every row, each in a process of its own
    make bench ROW=composite   # one

The baselines are plain code at its best settings. Results go to ``results/benchmarks/``:
``summary.json``, and ``README.md`` made of it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from composite import bench_composite, bench_composite_vs_read
from dice_parity import bench_dice_parity
from edge_onnx import bench_edge_onnx
from growth import (
    bench_growth_glaciers,
    bench_growth_months,
    bench_growth_regions_disk,
    bench_growth_regions_s3,
)
from ingest_parallel import bench_ingest_parallel
from page import render_page
from predict_scene import bench_predict_vs_matmul, bench_predict_vs_monai
from prepare_month import bench_prepare_month
from qa_decode import bench_qa_decode
from row import NotHere, Row
from sweep_overhead import bench_sweep_overhead
from train_epoch import bench_train_epoch

OUT = Path(__file__).parents[2] / "results" / "benchmarks"

ROWS: dict[str, Callable[[], Row]] = {
    "composite": bench_composite,
    "composite_vs_read": bench_composite_vs_read,
    "qa_decode": bench_qa_decode,
    "ingest_parallel": bench_ingest_parallel,
    "prepare_month": bench_prepare_month,
    **{
        f"train_epoch_{encoder}": partial(bench_train_epoch, encoder)
        for encoder in ("resnet34", "resnet50", "efficientnet-b4")
    },
    "predict_vs_monai": bench_predict_vs_monai,
    "predict_vs_matmul": bench_predict_vs_matmul,
    "edge_onnx_vs_torch": bench_edge_onnx,
    "dice_parity": bench_dice_parity,
    "sweep_overhead": bench_sweep_overhead,
    "growth_months": bench_growth_months,
    "growth_glaciers": bench_growth_glaciers,
    "growth_regions_disk": bench_growth_regions_disk,
    "growth_regions_s3": bench_growth_regions_s3,
}
"""All rows, in the order of the page. A row imports what it measures only when it runs."""

INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Vector instructions that decide how fast matrices are multiplied."""


def describe_machine() -> dict[str, Any]:
    """Processor, cores, vector instructions and versions of this machine."""
    info = Path("/proc/cpuinfo")
    pairs = [line.partition(":") for line in info.read_text().splitlines()] if info.exists() else []
    known = {key.strip(): value.strip() for key, _, value in pairs}
    flags = known.get("flags", "").split()
    return {
        "processor": known.get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "instructions": " ".join(name for name in INSTRUCTIONS if name in flags),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "torch", "ray")},
    }


def merge_row(summary: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The summary with a row added or replaced, in the order of ``ROWS``.

    Rows of another machine are left out: only ratios of one machine stand side by side.
    """
    machine = describe_machine()
    same = summary.get("machine") == machine
    rows = {old["name"]: old for old in summary.get("rows", []) if same and old["name"] in ROWS}
    rows[row["name"]] = row
    kept = [rows[name] for name in ROWS if name in rows]
    return {"schema": 2, "machine": machine, "rows": kept}


def run_row(name: str) -> int:
    """Measure a row and put it into the summary; returns an exit code."""
    try:
        row = ROWS[name]()
    except NotHere as reason:
        print(f"{name}: not measured: {reason}")
        return 0
    times = f"{row.ours:.4g} {row.unit}, baseline {row.baseline:.4g}"
    print(f"{name}: {times}: {row.ratio:.2f} x {row.facts}", flush=True)
    path = OUT / "summary.json"
    summary = json.loads(path.read_text()) if path.exists() else {}
    measured = {"measured": f"{datetime.now(UTC):%Y-%m-%d}"}
    summary = merge_row(summary, row.as_dict(name) | measured)
    OUT.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(summary, indent=1) + "\n")
    (OUT / "README.md").write_text(render_page(summary))
    return 0


def main(names: list[str]) -> int:
    """Run the rows named, or all; returns how many could not be measured for a fault."""
    if unknown := [name for name in names if name not in ROWS]:
        print(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    if len(names) == 1:
        return run_row(names[0])
    here = [sys.executable, __file__]
    return sum(subprocess.run([*here, name]).returncode != 0 for name in names or ROWS)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
