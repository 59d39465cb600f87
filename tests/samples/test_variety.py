"""Months with a band that is one number are not trained on."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from glacier.errors import SampleError
from glacier.geo.raster import Grid, encode_cog
from glacier.samples.month import MonthTask, prepare_month
from glacier.samples.variety import MIN_JUDGED_PX, check_variety, find_only
from tests.support.tiny import make_task, tiny_config

SHAPE = (12, 10)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(9_000, 30_000, SHAPE).astype(np.uint16)


@pytest.mark.parametrize(
    ("band", "words"),
    [
        (np.zeros(SHAPE, np.uint16), "SR_B5 is 0 on all 120 pixels that were seen"),
        (np.full(SHAPE, 9000, np.uint16), "SR_B5 is 9000 wherever it was seen"),
        (np.full(SHAPE, 65535, np.uint16), "SR_B5 is 65535 wherever it was seen"),
    ],
)
def test_a_band_of_one_number_is_refused_with_the_number(band: np.ndarray, words: str) -> None:
    with pytest.raises(SampleError, match=f"constant_band: {words}"):
        check_variety({"SR_B3": noise(), "SR_B5": band}, {}, (0, 1))


@pytest.mark.parametrize(("value", "end"), [(0.0, "lowest"), (1.0, "highest")])
def test_a_layer_that_is_cut_to_one_number_says_at_which_end(value: float, end: str) -> None:
    """Another scale makes all black; wholly saturated snow all white."""
    layer = np.full(SHAPE, value, np.float32)
    layer[0, 0] = np.nan
    with pytest.raises(SampleError, match=rf"nir is {value:g} .*the {end} of prepare\.reflectance"):
        check_variety({"SR_B5": noise()}, {"nir": layer}, (0.0, 1.0))


@pytest.mark.parametrize("size", [1, 7])
def test_few_pixels_may_be_alike(size: int) -> None:
    band = np.full((size, size), 9000, np.uint16)
    check_variety({"SR_B3": band, "SR_B5": band * 0}, {}, (0, 1))
    few = np.zeros(SHAPE, np.uint16)
    few.flat[: MIN_JUDGED_PX - 1] = 9000  # a month under cloud
    check_variety({"SR_B3": few}, {}, (0, 1))


@given(arrays(np.uint16, (40, 50), elements=st.sampled_from([0, 5, 6]), fill=st.just(5)))
def test_the_only_number_is_that_of_a_set(layer: np.ndarray) -> None:
    values = layer[layer > 0]
    alike = len(set(values.tolist())) == 1 and len(values) >= MIN_JUDGED_PX
    assert find_only(layer, layer > 0) == (float(values[0]) if alike else None)


def with_image(tmp_path: Path, bands: dict[str, np.ndarray]) -> MonthTask:
    """A month whose image holds these bands."""
    task = make_task(tiny_config(tmp_path))
    grid = Grid("EPSG:32608", 0.0, 0.0, 150.0, *SHAPE)
    image = encode_cog(bands, grid, {})
    (Path(task.archive) / "2014-07.tif").write_bytes(image)
    record = replace(task.record, sha256=sha256(image).hexdigest(), truth_sha256="")
    return replace(task, record=record)


@pytest.mark.parametrize("wanted", ["constant_band: SR_B4 is 9000", "red needs band SR_B4"])
def test_a_month_with_such_a_band_fails_alone(tmp_path: Path, wanted: str) -> None:
    bands = {name: noise(k) for k, name in enumerate(("SR_B2", "SR_B3", "SR_B5", "SR_B6"))}
    if "constant" in wanted:
        bands["SR_B4"] = np.full(SHAPE, 9000, np.uint16)
    made = prepare_month(with_image(tmp_path, bands))
    assert made.status == "failed" and wanted in made.reason


def test_a_month_without_any_wanted_band_fails_alone(tmp_path: Path) -> None:
    task = with_image(tmp_path, {"ST_B10": noise()})
    settings = task.settings.model_copy(update={"quick_looks": False})
    made = prepare_month(replace(task, settings=settings))
    assert made.status == "failed" and "holds none of the bands ['SR_B3'" in made.reason
