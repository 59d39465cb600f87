"""What an ingest would do is said without a network, without Ray, and comes true."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from glacier.archive.dry_run import (
    RegionDryRun,
    describe_ingest,
    dry_run_region,
)
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.config import Config
from glacier.sources.factory import open_source
from tests.support.tiny import tiny_config, write_tiny

ROOT = Path(__file__).parents[2]
YEAR = {"first": "2014-01", "last": "2014-12"}


def dry_run(config: Config) -> RegionDryRun:
    (region,) = config.regions
    return dry_run_region(config, region, open_source(config))


def counts(config: Config) -> tuple[int, int, int]:
    """Months that are complete, dark and pending."""
    row = dry_run(config)
    return row.complete, row.dark, row.pending


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))


def test_months_are_counted_by_what_is_left_to_do(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, months=YEAR)
    assert counts(config) == (0, 1, 11) and dry_run(config).grid.crs == "EPSG:32608"
    months = {target.name: target for target in list_months(config, open_source(config))}
    for name in ("2014-07", "2014-08", "2014-12"):
        ingest_month(config, months[name])
    assert counts(config) == (3, 0, 9)
    Path(months["2014-07"].stem + ".tif").unlink()
    assert counts(config) == (2, 0, 10)


def described(config: Config) -> str:
    """What is said of the ingest of a configuration."""
    source = open_source(config)
    rows = [dry_run_region(config, region, source) for region in config.regions]
    return "\n".join(describe_ingest(rows, source))


def test_the_size_is_that_of_the_archive_before_compression(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, months=YEAR)
    out = described(config)
    grid = dry_run(config).grid
    size = grid.height * grid.width * 8 * 2 * 11 / 1e6
    assert f"up to {size:.0f} MB of archive; no request over the network" in out
    assert "1 regions, 12 months: 0 complete, 1 without sun, 11 to fetch" in out
    assert not (tmp_path / "data").exists() and not (tmp_path / "results").exists()


def test_a_region_is_told_by_its_middle_and_its_ground(tmp_path: Path) -> None:
    config = tiny_config(tmp_path, months=YEAR)
    grid = dry_run(config).grid
    assert f"mendenhall: 58.51 N 134.52 W, {grid.height * grid.width * 0.15**2:.4g} km2" in (
        described(config)
    )


def test_many_regions_are_summed_up(tmp_path: Path) -> None:
    values = tiny_config(tmp_path, months=YEAR).model_dump()
    (one,) = values["regions"]
    values["regions"] = [one | {"name": f"r{k}"} for k in range(12)]
    out = described(Config.model_validate(values))
    assert "r9: " in out and "r10" not in out and "and 2 more regions" in out
    assert "12 regions, 144 months: 0 complete, 12 without sun, 132 to fetch" in out


def test_the_flag_says_it_and_neither_starts_ray_nor_writes(tmp_path: Path) -> None:
    file = write_tiny(tmp_path)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "jobs.ingest", "--dry-run", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 and "8 months: 0 complete, 1 without sun, 7 to fetch" in done.stdout
    assert "| ray\n" not in done.stderr and "| torch\n" not in done.stderr
    assert list(tmp_path.iterdir()) == [file]
