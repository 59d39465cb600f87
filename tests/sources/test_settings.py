"""Settings of the ingest act on every source, or are refused there."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glacier.composite import Composite
from glacier.landsat import SATURATED_OPTICAL
from glacier.settings.ingest import Ingest
from glacier.sources.factory import open_source
from tests.support.tiny import tiny_config

JULY = date(2014, 7, 1)

IMAGE = {"month": "2014-07", "bands": {"SR_B3": {"file": "a.tif"}}}
OTHER: dict[str, Any] = {
    "cloud_profile": "strict", "mask_saturated": True, "platforms": [8, 9], "tiers": ["T1", "T2"],
}  # fmt: skip
SOURCES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "earthengine": ({"source": "earthengine"}, set()),
    "stac": ({"source": "stac"}, set()),
    "sentinel-2": (
        {"source": "stac", "stac": {"collection": "sentinel-2-l2a"}}, {"platforms", "tiers"}
    ),
    "hls": (
        {"source": "stac", "stac": {"collection": "hls2-l30"}},
        {"platforms", "tiers", "mask_saturated"},
    ),
    "scenes": ({"source": "folder", "folder": {"holds": "scenes"}}, set()),
    "months": ({"source": "folder"}, set(OTHER)),
    "image": ({"source": "folder", "folder": {"images": [IMAGE]}}, set(OTHER)),
    "synthetic": ({"source": "synthetic"}, {"platforms", "tiers"}),
}  # fmt: skip
"""Settings of each source, and the fields that cannot act on it."""


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("source", SOURCES)
def test_a_setting_acts_or_is_refused_with_a_reason(tmp_path: Path, source: str, name: str) -> None:
    values, refused = SOURCES[source]
    Ingest.model_validate(values | {name: Ingest.model_fields[name].default})
    if name in refused:
        with pytest.raises(ValueError, match=rf"{name} .* cannot act on source .*: .*leave it out"):
            Ingest.model_validate(values | {name: OTHER[name]})
        return
    plain, other = (
        identity_of(tmp_path, Ingest.model_validate(values | change))
        for change in ({}, {name: OTHER[name]})
    )
    assert plain != other or (source, name) in {("scenes", "platforms"), ("scenes", "tiers")}


def identity_of(folder: Path, ingest: Ingest) -> Any:
    """What decides a source's bytes; of scenes that are not there what is done with them."""
    config = tiny_config(folder, prepare={"label": {"kind": "ndsi"}}).model_copy(
        update={"ingest": ingest}
    )
    source = open_source(config)
    if ingest.chosen.reader == "scene_files":
        source.scenes = lambda _: {}
    return ingest.cloud_profile, source.identity(config.regions[0])


def test_images_beside_scenes_are_refused() -> None:
    with pytest.raises(ValueError, match="images are not read where holds is scenes"):
        Ingest.model_validate(
            {"source": "folder", "folder": {"holds": "scenes", "images": [IMAGE]}}
        )


def test_saturated_looks_of_synthetic_scenes_are_left_out(tmp_path: Path) -> None:
    found = []
    for mask in (False, True):
        config = tiny_config(tmp_path, ingest={"mask_saturated": mask})
        source, (region,) = open_source(config), config.regions
        scenes = source.fetch_scenes(region, JULY)
        glare = np.zeros_like(scenes[0].qa_radsat)
        glare[:60] = SATURATED_OPTICAL
        source.fetch_scenes = lambda *_, s=scenes, g=glare: [replace(x, qa_radsat=g) for x in s]
        found.append(source.fetch_month(region, JULY))
    assert all(isinstance(composite, Composite) for composite in found)
    assert found[0].saturated_share > 0 and found[1].saturated_share == 0
    assert found[0].n_obs[:60].any() and not found[1].n_obs[:60].any()
    np.testing.assert_array_equal(found[0].n_obs[60:], found[1].n_obs[60:])
