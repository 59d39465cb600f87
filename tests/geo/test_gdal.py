"""What GDAL may do in a process that reads vector files: six drivers, and no network."""

import subprocess
import sys
from pathlib import Path

import pyogrio
import pytest

from glacier.geo import vector_layers
from glacier.geo.gdal import NO_NETWORK, VECTOR_DRIVERS, drop_drivers

ROOT = Path(__file__).parents[2]


def test_other_drivers_are_gone_and_stay_so() -> None:
    assert vector_layers.drop_drivers is drop_drivers
    for _ in range(2):
        assert {"GPKG", "GeoJSON", "ESRI Shapefile"} <= set(pyogrio.list_drivers())
        assert set(pyogrio.list_drivers()) <= set(VECTOR_DRIVERS)
        drop_drivers()
    for name, value in NO_NETWORK.items():
        assert str(pyogrio.get_gdal_config_option(name)) in (str(value), str(bool(value)))


@pytest.mark.parametrize("first", ["", "import geopandas, pyogrio; pyogrio.list_drivers()"])
@pytest.mark.parametrize("module", ["samples.outlines", "samples.month", "geo.regions"])
def test_a_process_drops_them_by_importing_what_reads_vectors(first: str, module: str) -> None:
    """As a worker does, which imports its task and nothing else."""
    ends = "import pyogrio; print(sorted(pyogrio.list_drivers()))"
    done = subprocess.run(
        [sys.executable, "-c", f"{first}\nimport glacier.{module}\n{ends}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert set(eval(done.stdout)) <= set(VECTOR_DRIVERS)


def test_a_pyogrio_that_keeps_its_drivers_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyogrio, "list_drivers", lambda: {"GPKG": "rw", "OGR_VRT": "r"})
    with pytest.raises(ImportError, match=r"keeps the drivers .*OGR_VRT"):
        drop_drivers()
