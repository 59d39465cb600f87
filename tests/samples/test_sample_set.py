"""What addresses a set of samples: all that changes its bytes, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from glacier.archive.records import MonthRecord
from glacier.samples.sample_set import samples_folder
from glacier.settings.labels import Label
from glacier.store import write_bytes
from tests.support.tiny import tiny_config

RECORDS = {"archive": [MonthRecord("mendenhall", "2014-07", "ok", sha256="a")]}
PROVENANCE = {"source": "RGI", "years": [2000, 2000], "owner": "x", "licence": "y"}


def address(folder: Path, **prepare: Any) -> str:
    return samples_folder(tiny_config(folder, prepare=prepare), RECORDS)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"quick_looks": False}, True),
        ({"max_failed": 3}, True),
        ({"label": {"provenance": PROVENANCE}}, True),
        ({"label": {"threshold": 99}}, True),  # of another kind, likewise below
        ({"label": {"ndsi_above": 0.5, "nir_above": 0.2}}, True),
        ({"label": {"max_snow_outside": 0.5}}, True),  # nothing to measure it by
        ({"label": {"kind": "ndsi"}}, False),
        ({"size_px": 64}, False),
        ({"image": ["nir", "red", "swir1"]}, False),
    ],
)
def test_only_what_changes_a_pixel_changes_the_address(
    tmp_path: Path, changes: dict, same: bool
) -> None:
    assert (address(tmp_path) == address(tmp_path, **changes)) is same


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [
        ("threshold", "threshold", 99),
        ("ndsi", "ndsi_above", 0.5),
        ("ndsi", "nir_above", 0.5),
        ("outlines", "margin_m", 30),
        ("outlines", "max_snow_outside", 0.5),
        ("truth", "max_snow_outside", 0.5),  # outlines tell of snow with any kind
        ("truth", "ndsi_above", 0.5),
    ],
)
def test_what_a_kind_of_label_reads_changes_the_address(
    tmp_path: Path, kind: str, setting: str, value: float
) -> None:
    label = {"kind": kind}
    if kind in ("outlines", "truth"):
        write_bytes(f"{tmp_path}/o.geojson", b"{}")
        label["outlines"] = f"{tmp_path}/o.geojson"
    changed = {"label": label | {setting: value}}
    assert address(tmp_path, label=label) != address(tmp_path, **changed)


def test_a_stride_that_is_the_default_is_no_other(tmp_path: Path) -> None:
    found = [address(tmp_path, layout="chips", stride_px=stride) for stride in (None, 32, 24)]
    assert found[0] == found[1] != found[2]


def test_the_content_of_outlines_counts_and_their_place_does_not(tmp_path: Path) -> None:
    def of(folder: str, data: bytes) -> str:
        write_bytes(f"{tmp_path}/{folder}/o.geojson", data)
        label = {"kind": "outlines", "outlines": f"{tmp_path}/{folder}/o.geojson"}
        return address(tmp_path, label=label)

    assert of("a", b"one") == of("b", b"one") != of("a", b"two")


def test_an_effective_label_says_no_place_and_no_provenance() -> None:
    label = Label(kind="outlines", outlines="/home/me/o.gpkg", provenance=PROVENANCE, threshold=9)
    assert label.effective() == Label(kind="outlines", outlines="o.gpkg")
