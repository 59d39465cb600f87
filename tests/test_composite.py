import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier import composite
from glacier.composite import Composite, Empty, MaskedMedian, Scene, composite_scenes
from glacier.landsat import CIRRUS, CLEAR, CLOUD, DILATED, FILL, SHADOW, SNOW, is_clear

SHAPE = (6, 5)


def make_scene(day: int, dn: object, qa: object = CLEAR, bands: tuple = ("SR_B3",)) -> Scene:
    values = np.broadcast_to(np.asarray(dn, np.uint16), SHAPE).copy()
    quality = np.broadcast_to(np.asarray(qa, np.uint16), SHAPE).copy()
    when = datetime(2014, 7, day, 20, tzinfo=UTC)
    return Scene(f"LC08_{day:02d}", when, dict.fromkeys(bands, values), quality, 40.0 + day)


def random_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes with random values, cloud and fill; fill is 0 in every band."""
    rng = np.random.default_rng(seed)
    scenes = []
    for day in range(1, count + 1):
        scene = make_scene(day, 0, bands=("SR_B2", "SR_B3"))
        for band in scene.bands:
            scene.bands[band] = rng.integers(1, 65536, SHAPE).astype(np.uint16)
        state = rng.choice([CLEAR, CLOUD, SHADOW, FILL, CLEAR | SNOW], SHAPE)
        scene.qa_pixel[:] = state
        for band in scene.bands.values():
            band[state == FILL] = 0
        scenes.append(scene)
    return scenes


@settings(derandomize=True, deadline=None, max_examples=80)
def take_median(stack: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Median over the first axis of the usable values."""
    median = np.empty(stack.shape[1:], np.uint16)
    MaskedMedian.of(usable).take_median(list(stack), median)
    return median


@given(
    count=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
    top=st.sampled_from([3, 300, 65535]),
    share=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
)
def test_the_median_is_numpys_rounded_half_up(
    count: int, seed: int, top: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    stack = rng.integers(1, top + 1, (count, *SHAPE)).astype(np.uint16)
    stack[rng.random(stack.shape) < 0.2] = top  # saturated often
    usable = rng.random(stack.shape) < share
    oracle = np.ma.median(np.ma.array(stack.astype(float), mask=~usable), axis=0)
    wanted = np.floor(np.ma.filled(oracle, 0) + 0.5)
    before = stack.copy()
    found = take_median(stack, usable)
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(stack, before)  # the input is left alone


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([65535, 65535], 65535),
        ([1, 65535], 32768),
        ([65534, 65535], 65535),
        ([1, 2], 2),
        ([7, 3, 65535], 7),
        ([4, 1, 3, 2], 3),
        ([9], 9),
    ],
)
def test_medians_in_closed_form(values: list[int], wanted: int) -> None:
    stack = np.array(values, np.uint16).reshape(-1, 1, 1)
    assert take_median(stack, np.ones(stack.shape, bool)).item() == wanted


@pytest.mark.parametrize("count", [1, 2, 5])
def test_identical_scenes_give_themselves(count: int) -> None:
    dn = np.arange(1, 31).reshape(SHAPE) * 2000
    month = composite_scenes([make_scene(day + 1, dn) for day in range(count)], "ice")
    assert isinstance(month, Composite)
    np.testing.assert_array_equal(month.bands["SR_B3"], dn)
    assert (month.n_obs == count).all()
    assert month.valid_share() == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_scenes_changes_nothing(seed: int) -> None:
    scenes = random_scenes(5, seed)
    first = composite_scenes(scenes, "ice")
    shuffled = [scenes[k] for k in np.random.default_rng(seed).permutation(5)]
    second = composite_scenes(shuffled, "ice")
    assert isinstance(first, Composite) and isinstance(second, Composite)
    assert first.scene_ids == second.scene_ids == [f"LC08_{day:02d}" for day in range(1, 6)]
    np.testing.assert_array_equal(first.n_obs, second.n_obs)
    for band in first.bands:
        np.testing.assert_array_equal(first.bands[band], second.bands[band])


@pytest.mark.parametrize("seed", range(3))
def test_the_count_is_that_of_clear_count(seed: int) -> None:
    scenes = random_scenes(6, seed)
    month = composite_scenes(scenes, "ice")
    assert isinstance(month, Composite)
    clear = sum((s.qa_pixel & (FILL | CLOUD | SHADOW) == 0).astype(int) for s in scenes)
    np.testing.assert_array_equal(month.n_obs, clear)
    assert month.n_obs.dtype == np.uint16
    for band in month.bands.values():  # a value exactly where there was an observation
        np.testing.assert_array_equal(band > 0, clear > 0)


def test_months_without_a_look_are_empty() -> None:
    assert composite_scenes([], "ice") == Empty("no_scene")
    cloudy = [make_scene(1, 900, CLOUD), make_scene(2, 900, SHADOW)]
    assert composite_scenes(cloudy, "ice") == Empty("all_masked")
    assert composite_scenes([make_scene(1, 0, FILL)], "notebook") == Empty("all_masked")


def test_one_clear_pixel_is_enough() -> None:
    qa = np.full(SHAPE, CLOUD)
    qa[2, 3] = CLEAR
    month = composite_scenes([make_scene(1, 900, qa)], "ice")
    assert isinstance(month, Composite)
    assert np.argwhere(month.n_obs).tolist() == [[2, 3]]
    assert month.valid_share() == pytest.approx(1 / 30)


def test_a_band_that_one_scene_lacks_comes_from_the_others() -> None:
    scenes = [
        make_scene(1, 100, bands=("SR_B3", "SR_B6")),
        make_scene(2, 200, bands=("SR_B3",)),
        make_scene(3, 400, bands=("SR_B3", "SR_B6")),
    ]
    month = composite_scenes(scenes, "ice")
    assert isinstance(month, Composite)
    assert list(month.bands) == ["SR_B3", "SR_B6"]
    assert (month.bands["SR_B3"] == 200).all() and (month.bands["SR_B6"] == 250).all()
    assert (month.n_obs == 3).all()


def test_scenes_that_share_no_band_all_count() -> None:
    month = composite_scenes(
        [make_scene(1, 100, bands=("SR_B3",)), make_scene(2, 200, bands=("SR_B6",))], "ice"
    )
    assert isinstance(month, Composite)
    assert (month.bands["SR_B3"] == 100).all() and (month.bands["SR_B6"] == 200).all()
    assert (month.n_obs == 2).all()


@pytest.mark.parametrize("block_px", [1, 12, 1000])
def test_rows_worked_on_at_once_change_nothing(
    block_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = random_scenes(4, 9)
    for k, scene in enumerate(scenes):
        scene.bands["SR_B3"][k, k] = 0  # the bands' holes differ in some rows
    whole = composite_scenes(scenes, "ice")
    monkeypatch.setattr(composite, "BLOCK_PX", block_px)
    parts = composite_scenes(scenes, "ice")
    assert isinstance(whole, Composite) and isinstance(parts, Composite)
    np.testing.assert_array_equal(whole.n_obs, parts.n_obs)
    for band in whole.bands:
        np.testing.assert_array_equal(whole.bands[band], parts.bands[band])


def test_a_hole_in_one_band_hides_that_band_alone() -> None:
    scenes = [make_scene(day, 100 * day, bands=("SR_B3",)) for day in (1, 2, 3)]
    for scene in scenes:
        scene.bands["SR_B6"] = scene.bands["SR_B3"].copy()
    scenes[0].bands["SR_B6"][0, 0] = 0
    month = composite_scenes(scenes, "ice")
    assert isinstance(month, Composite)
    assert month.bands["SR_B6"][0, 0] == 250 and month.bands["SR_B6"][0, 1] == 200
    assert month.bands["SR_B3"][0, 0] == 200 and (month.n_obs == 3).all()


@pytest.mark.parametrize(
    ("profile", "seen"),
    [
        ("strict", {"clear"}),
        ("standard", {"clear", "cirrus"}),
        ("ice", {"clear", "cirrus", "dilated"}),
        ("notebook", {"clear", "cirrus", "dilated"}),
    ],
)
def test_the_profile_decides_what_is_seen(profile, seen: set[str]) -> None:
    states = {"clear": CLEAR, "cirrus": CIRRUS, "dilated": DILATED, "cloud": CLOUD,
              "shadow": SHADOW, "both": CLOUD | DILATED}  # fmt: skip
    qa = np.array(list(states.values()))[:, None]  # one row a state
    month = composite_scenes([make_scene(1, 500, qa)], profile)
    assert isinstance(month, Composite)
    rows = {name for name, row in zip(states, month.n_obs, strict=True) if row.all()}
    assert rows == seen


def test_facts_of_the_month() -> None:
    truth = np.ones(SHAPE, np.uint8)
    month = composite_scenes([make_scene(20, 5), make_scene(10, 5)], "ice", truth)
    assert isinstance(month, Composite)
    assert month.scene_ids == ["LC08_10", "LC08_20"]
    assert month.sun_elevation_deg == pytest.approx(55)
    assert month.truth is truth


# Saturation.


def with_saturation(scenes: list[Scene], share: float) -> list[Scene]:
    """The scenes with the red band marked as saturated at random places."""
    rng = np.random.default_rng(9)
    marks = [np.where(rng.random(SHAPE) < share, 1 << 3, 1 << 11) for _ in scenes]
    return [
        dataclasses.replace(scene, qa_radsat=mark.astype(np.uint16))
        for scene, mark in zip(scenes, marks, strict=True)
    ]


def test_saturated_count_are_recorded_and_masked_only_where_asked() -> None:
    plain = random_scenes(4, 3)
    scenes = with_saturation(plain, 0.4)
    kept, masked = (composite_scenes(scenes, "ice", mask_saturated=m) for m in (False, True))
    unknown = composite_scenes(plain, "ice")
    np.testing.assert_array_equal(kept.bands["SR_B3"], unknown.bands["SR_B3"])
    clear = np.stack([is_clear(s.qa_pixel, "ice") & (s.bands["SR_B3"] > 0) for s in scenes])
    bright = np.stack([s.qa_radsat == 1 << 3 for s in scenes])
    assert unknown.saturated_share is None
    expected = (clear & bright).any(axis=0).sum() / clear.any(axis=0).sum()
    assert kept.saturated_share == pytest.approx(expected) and 0 < expected < 1
    assert masked.saturated_share == 0
    np.testing.assert_array_equal(masked.n_obs, (clear & ~bright).sum(axis=0))


def test_terrain_occlusion_is_no_saturation() -> None:
    (scene,) = with_saturation([make_scene(1, 9000)], 0.0)
    assert composite_scenes([scene], "ice", mask_saturated=True).saturated_share == 0


def test_one_scene_that_does_not_know_leaves_the_share_unknown() -> None:
    known, _ = with_saturation(random_scenes(2, 1), 0.5)
    assert composite_scenes([known, make_scene(9, 9000)], "ice").saturated_share is None
