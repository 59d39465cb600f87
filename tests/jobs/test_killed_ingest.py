"""The ingest job as a user runs it: killed in the middle, then the same command."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from glacier.archive.contents import read_records
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.sources.factory import open_source
from tests.support.tiny import tiny_config, write_tiny

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

REPO = Path(__file__).parents[2]
MONTHS = {"first": "2014-01", "last": "2015-12"}


def start(config: Path) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    command = [sys.executable, "-m", "jobs.ingest", str(config), "--cluster.cpus", "2"]
    return subprocess.Popen(
        command, cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def contents(archive: Path) -> dict[str, Any]:
    """Name to content of all that has a final name, records without their times."""
    found: dict[str, Any] = {}
    for path in archive.iterdir():
        if path.name.startswith("manifest."):
            continue
        if path.suffix == ".json":
            found[path.name] = json.loads(path.read_text()) | {"seconds": 0, "seal": ""}
        elif not path.name.startswith("."):
            found[path.name] = path.read_bytes()
    return found


def test_a_killed_ingest_goes_on_to_the_same_archive(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "alone", months=MONTHS)
    targets = list_months(config, open_source(config))
    for target in targets:  # without Ray, one after the other
        ingest_month(config, target)
    folder = targets[0].folder
    expected = contents(Path(folder))

    file = write_tiny(tmp_path / "killed", months=MONTHS)
    archive = Path(str(folder).replace(str(tmp_path / "alone"), str(tmp_path / "killed")))
    process, deadline = start(file), time.monotonic() + 300
    while len(list(archive.glob("????-??.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    there = contents(archive)
    assert 3 <= sum(name.endswith(".json") for name in there) < 24
    assert all(content == expected[name] for name, content in there.items())

    again = start(file)
    out, _ = again.communicate(timeout=300)
    assert again.returncode == 0, out
    assert contents(archive) == expected
    (records,) = read_records(tiny_config(tmp_path / "killed", months=MONTHS)).values()
    assert pq.read_table(archive / "manifest.parquet")["month"].to_pylist() == [
        target.name for target in targets
    ]
    assert [json.loads(json.dumps(r.as_dict() | {"seconds": 0, "seal": ""})) for r in records] == [
        expected[f"{target.name}.json"] for target in targets
    ]
    assert "ingest: 24 months: " in out and "empty: solar_zenith" in out
