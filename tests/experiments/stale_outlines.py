"""What the outlines of the first year cost through a decade of retreat, where the truth is known.

    make stale                                         # FLAGS='--sweep.precision bfloat16'

Learns twice from the same months of ``jobs/stale.yaml``: from the truth of each month, and from
the outlines of the first August, as an inventory would give them. Both predictions are
scored against the truth. Reports go to ``results/stale-outlines`` and ``results/stale-truth``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from glacier import store
from glacier.archive.ingest import run_ingest
from glacier.archive.records import list_months
from glacier.cluster import connect
from glacier.config import Config
from glacier.flags import load_config
from glacier.pipeline import run_pipeline
from glacier.sources.factory import open_source

ROOT = Path(__file__).parents[2]
FIRST = "2014-08"
"""Month of the outlines."""


def read_config(flags: list[str]) -> Config:
    """``jobs/stale.yaml`` with some fields set."""
    return load_config([str(ROOT / "jobs" / "stale.yaml"), *flags], __doc__ or "")


def keep_outlines(config: Config) -> str:
    """Store the outlines of the first August as a user would have them; returns their address."""
    archive = list_months(config, open_source(config))[0].folder
    data = store.read_bytes(store.join(archive, f"{FIRST}.truth.gpkg"))
    address = store.join(config.storage, "outlines", f"{FIRST}.gpkg")  # as the page will name it
    store.write_bytes(store.absolute(address), data)
    return address


def main(flags: list[str]) -> int:
    """Run both; the outlines also say which months are snowy, so that both have the same."""
    config = read_config(flags)
    failed = 0
    with connect(config.cluster):
        run_ingest(config)
        outlines = ["--prepare.label.outlines", keep_outlines(config)]
        for kind in ("truth", "outlines"):
            names = ["--name", f"stale-{kind}", "--prepare.label.kind", kind]
            failed += run_pipeline(read_config([*flags, *outlines, *names]))
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
