"""The factory: every source that settings can name is there, and tells its traits by them."""

from pathlib import Path
from typing import Any

import pytest

from glacier.config import Config
from glacier.sources.factory import open_source
from glacier.sources.limiter import LEASE_MARGIN_S
from glacier.sources.readers import SOURCES
from glacier.sources.source import Source
from tests.support.tiny import tiny_config

IMAGE = {"month": "2014-07", "bands": {"SR_B3": {"file": "a.tif"}}}
CHOICES = {
    "synthetic": {},
    "earthengine": {"source": "earthengine"},
    "stac": {"source": "stac"},
    "month_files": {"source": "folder"},
    "images": {"source": "folder", "folder": {"images": [IMAGE]}},
    "scene_files": {"source": "folder", "folder": {"holds": "scenes"}},
}
TRAITS = ("grows", "knows_truth", "brings_grid", "predicts_night")


def choose(folder: Path, reader: str) -> Config:
    values: dict[str, Any] = {"ingest": CHOICES[reader], "prepare": {"label": {"kind": "ndsi"}}}
    if reader in ("month_files", "images"):
        values["regions"] = [{"name": "mendenhall"}]
    return tiny_config(folder, **values)


@pytest.mark.parametrize("reader", SOURCES)
def test_every_source_is_opened_by_its_settings(tmp_path: Path, reader: str) -> None:
    config = choose(tmp_path, reader)
    source = open_source(config)
    assert isinstance(source, Source) and type(source).__name__ == SOURCES[reader][1]
    assert source.settings == config.ingest.chosen and source.settings.reader == reader


@pytest.mark.parametrize(
    ("reader", "traits"),
    [
        ("synthetic", {"knows_truth", "predicts_night"}),
        ("earthengine", {"grows", "predicts_night"}),
        ("stac", {"grows", "predicts_night"}),
        ("month_files", {"brings_grid"}),
        ("images", {"brings_grid"}),
        ("scene_files", {"brings_grid"}),
    ],
)
def test_traits_stand_in_the_settings(tmp_path: Path, reader: str, traits: set[str]) -> None:
    chosen = choose(tmp_path, reader).ingest.chosen
    assert {name for name in TRAITS if getattr(chosen, name)} == traits
    assert chosen.service is (chosen if reader in ("earthengine", "stac") else None)


@pytest.mark.parametrize("reader", ["earthengine", "stac"])
def test_a_lease_outlasts_the_deadline_of_its_request(tmp_path: Path, reader: str) -> None:
    source: Any = open_source(choose(tmp_path, reader))
    assert source.limiter.lease_s == source.settings.deadline_s + LEASE_MARGIN_S


def test_a_dry_run_says_what_would_be_asked(tmp_path: Path) -> None:
    words = {name: open_source(choose(tmp_path, name)).describe_requests(2, 10) for name in SOURCES}
    assert words.pop("earthengine").startswith("up to 20 requests")
    assert words.pop("stac").startswith("2 searches and windows of about 360 files (4 scenes")
    assert set(words.values()) == {"no request over the network"}
