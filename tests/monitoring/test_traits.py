"""How a month differs from its season, in closed form."""

import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from glacier import seals, store
from glacier.mapping.maps import MapRecord, UsedModel, map_address
from glacier.monitoring.sketch import (
    SketchTask,
    choose_places,
    measure_spread,
    measure_stripes,
    sketch_month,
)
from glacier.monitoring.traits import (
    compare_maps,
    compare_month,
    find_middle,
    list_traits,
    measure_histograms,
)
from tests.support.finished_runs import MONTHS, REGION, make_run
from tests.support.sketches import BANDS, make_sketch


def read_traits(sketch, references) -> dict[str, float]:  # type: ignore[no-untyped-def]
    row = compare_month(sketch, references)
    assert row is not None
    return dict(zip([trait.name for trait in list_traits(BANDS)], row, strict=True))


def test_a_month_that_is_its_reference_differs_in_nothing() -> None:
    sketch = make_sketch(date(2019, 7, 1))
    found = read_traits(sketch, [sketch] * 3)
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-6)


def test_an_offset_moves_levels_and_ends_and_no_tint() -> None:
    sketch = make_sketch(date(2019, 7, 1))
    found = read_traits(replace(sketch, values=sketch.values + np.float32(0.03)), [sketch] * 3)
    for band in BANDS:
        for trait in ("level", "dark", "bright"):
            assert found[f"{trait}_{band}"] == pytest.approx(0.03, abs=1e-6)
    assert found["tint_blue_green"] == pytest.approx(0, abs=1e-6)


def test_a_bluer_image_has_a_tint_of_its_own_sign() -> None:
    sketch = make_sketch(date(2019, 7, 1))
    bluer = sketch.values + np.array([0.02, 0, 0, 0, 0, 0], np.float32)[:, None]
    found = read_traits(replace(sketch, values=bluer), [sketch] * 3)
    assert found["tint_blue_green"] == pytest.approx(0.02, abs=1e-6)
    assert found["tint_green_red"] == pytest.approx(0, abs=1e-6)


def test_places_that_one_of_the_two_did_not_see_are_left_out() -> None:
    sketch = make_sketch(date(2019, 7, 1))
    values = sketch.values.copy()
    values[:, ::3] = np.nan
    other = sketch.values + np.float32(5) * np.isnan(values)  # wrong where it is not seen
    found = read_traits(replace(sketch, values=values), [replace(sketch, values=other)] * 3)
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-6)


def test_a_median_leaves_out_what_is_not_known() -> None:
    rng = np.random.default_rng(0)
    stack = rng.normal(size=(7, 50))
    stack[rng.random(stack.shape) < 0.4] = np.nan
    stack[:, 3] = np.nan
    stack[0, 4] = 1.5
    with warnings.catch_warnings(action="ignore"):
        np.testing.assert_allclose(find_middle(stack), np.nanmedian(stack, axis=0))
    assert np.isnan(find_middle(np.empty((0, 2)))).all()


def test_histograms_of_one_kind_are_near_and_of_two_far_apart() -> None:
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(4, 2, 500)).astype(np.float32)
    assert measure_histograms(usual[0], usual) < 0.1
    far = measure_histograms(usual[0] + 100, usual)
    assert far == pytest.approx(np.sqrt(1 - np.sqrt(0.1)), abs=1e-3)  # all in the last bin of ten
    assert measure_histograms(usual[0] / 2, usual) > 0.1


def test_maps_are_compared_where_both_were_seen() -> None:
    new = np.array([1, 1, np.nan, 0], np.float32)
    others = [np.array([1, 0, 1, np.nan], np.float32), np.array([0, 0, 1, np.nan], np.float32)]
    assert compare_maps(new, others) == pytest.approx((0.5 + 1) / 2)
    assert np.isnan(compare_maps(new * np.nan, others))


def test_stripes_are_steps_between_rows_beside_the_spread() -> None:
    rng = np.random.default_rng(0)
    plain = rng.uniform(0, 1, (60, 50)).astype(np.float32)
    assert measure_stripes({"red": plain}) < 0.15
    rows = np.where(np.arange(60) % 2, 0.1, -0.1).astype(np.float32)[:, None]
    image = np.broadcast_to(np.square(np.linspace(-2, 2, 50, dtype=np.float32)), (60, 50)) + rows
    low, high = np.percentile(image, (25, 75))
    for striped in (image, image.T):
        found = measure_stripes({"nir": plain, "red": striped})
        assert found == pytest.approx(0.2 / (high - low), rel=1e-3)
    assert np.isnan(measure_stripes({"red": np.full((60, 50), np.nan, np.float32)}))


def test_places_are_the_same_in_every_month_and_reach_the_edges() -> None:
    rows, columns = np.mgrid[:500, :90]
    chosen = choose_places(rows * 1000 + columns)
    assert chosen.shape == (64, 64) and chosen[0, 0] == 0 and chosen[-1, -1] == 499_089
    assert choose_places(rows[:5, :7]).shape == (5, 7)


def use(encoder: str, fold: int, glacier_px: int) -> UsedModel:
    return UsedModel(encoder=encoder, fold=fold, sha256="a" * 64, threshold=0.5,
                     glacier_px=glacier_px, asked_px=100)  # fmt: skip


def test_models_of_two_folds_are_one_that_answers_for_more_ground() -> None:
    record = MapRecord(region="ridge", name="2020-01", status="ok")
    one = record.model_copy(update={"models": (use("a", 0, 10), use("a", 1, 90))})
    assert np.isnan(measure_spread(one))
    two = record.model_copy(update={"models": (*one.models, use("b", 0, 60), use("b", 1, 80))})
    assert measure_spread(two) == pytest.approx(0.1)  # 0.5 and 0.7


def test_a_month_is_read_from_its_image_and_its_map(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    record = seals.read_model(map_address(run.maps, REGION, MONTHS[0]), MapRecord)
    task = SketchTask(record, store.join(run.maps, REGION), run.images[REGION][MONTHS[0]], ("x",))
    sketch = sketch_month(task)
    assert (sketch.region, sketch.month, sketch.platforms) == (REGION, date(2019, 8, 1), ("x",))
    assert sketch.bands == ("blue", "green", "red", "nir", "swir1")
    seen = np.isfinite(sketch.values).all(axis=0)
    ice = sketch.glacier == 1
    assert sketch.values[:, ice] == pytest.approx(0.8, abs=1e-4)
    assert sketch.values[:, seen & ~ice] == pytest.approx(0.15, abs=1e-4)
    assert (np.isnan(sketch.glacier) == ~seen).all() and 0 < (~seen).sum() < 100
    assert sketch.confidence[ice] == pytest.approx(abs(2 * 230 / 254 - 1), abs=1e-6)
