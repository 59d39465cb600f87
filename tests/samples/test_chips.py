"""Samples of a month against the month itself."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.errors import TrainingError
from glacier.labels import IGNORE
from glacier.samples.chips import cut_rows, resize_sample
from glacier.samples.month_images import MonthImage
from glacier.settings.prepare import Prepare
from glacier.training.sampler import WindowSampler
from glacier.windows import predict_blended
from tests.support.months import make_month, put_together

SIZE = 32


def test_resizing_keeps_labels_whole_and_averages_what_is_seen() -> None:
    rng = np.random.default_rng(0)
    label = rng.choice(np.array([0, 1, 255], np.uint8), (90, 60))
    image = np.full((2, 90, 60), 0.25, np.float32)
    image[1] = 0.5
    image[:, label == 255] = np.nan
    small, small_label = resize_sample(image, label, 32)
    assert small.shape == (2, 32, 32)
    assert set(np.unique(small_label)) <= {0, 1, 255}
    seen = small_label != 255
    np.testing.assert_array_equal(np.isnan(small).any(axis=0), ~seen)
    np.testing.assert_allclose(small[0][seen], 0.25, rtol=1e-6)  # NaN never leaks into a mean
    np.testing.assert_allclose(small[1][seen], 0.5, rtol=1e-6)


def draw_month(shape: tuple[int, int], extras: int = 1) -> MonthImage:
    """A month of noise, a tenth of it unseen."""
    rng = np.random.default_rng(shape)
    image, extra = (rng.random((bands, *shape), np.float32) for bands in (2, extras))
    label = rng.integers(0, 2, shape).astype(np.uint8)
    unseen = rng.random(shape) < 0.1
    image[:, unseen], label[unseen] = np.nan, IGNORE
    surface = rng.integers(1, 4, shape).astype(np.uint8)
    return make_month("m", date(2014, 7, 1), image, label, extra, surface)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(height=st.integers(1, 80), width=st.integers(1, 80), stride=st.sampled_from([8, 32, None]))
def test_a_month_of_any_size_is_put_together_as_it_was(
    height: int, width: int, stride: int | None
) -> None:
    month = draw_month((height, width))
    rows = cut_rows(month, Prepare(size_px=SIZE, stride_px=stride))
    assert all(len(row["label"]) == SIZE**2 and row["block"] for row in rows)
    found = put_together(rows, 2, SIZE, (height, width), 1)
    for layer in ("image", "label", "extra", "surface"):
        np.testing.assert_array_equal(getattr(found, layer), getattr(month, layer))


def test_beyond_the_edge_of_a_small_month_all_is_unseen() -> None:
    (row,) = cut_rows(draw_month((20, 12)), Prepare(size_px=SIZE))
    label = np.frombuffer(row["label"], np.uint8).reshape(SIZE, SIZE)
    image = np.frombuffer(row["image"], "<u2").reshape(2, SIZE, SIZE)
    outside = np.ones((SIZE, SIZE), bool)
    outside[:20, :12] = False
    assert (label[outside] == IGNORE).all() and (image[:, outside] == 0).all()
    assert np.frombuffer(row["surface"], np.uint8).reshape(SIZE, SIZE)[outside].sum() == 0


@pytest.mark.parametrize("shape", [(20, 12), (12, 70), (70, 12), (31, 32)])
def test_a_small_month_trains_and_is_predicted_on_its_own_frame(shape: tuple[int, int]) -> None:
    month = draw_month(shape)
    sampler = WindowSampler.plan([month], [np.ones(shape, bool)], SIZE, whole=False)
    image, label = month.window(*sampler.starts[0][0], SIZE)
    assert image.shape == (2, SIZE, SIZE) and label.shape == (SIZE, SIZE)
    assert (label != IGNORE).any()
    seen = month.label != IGNORE

    def network(windows: np.ndarray) -> np.ndarray:
        assert windows.shape[1:] == (2, SIZE, SIZE)
        return np.nan_to_num(windows[:, 0])

    found = predict_blended(network, month.image, seen, SIZE, SIZE // 2, 4)
    np.testing.assert_allclose(found[seen], month.image[0][seen], rtol=1e-5)
    assert found.shape == shape and np.isnan(found[~seen]).all()


def test_a_small_month_with_another_part_in_its_window_does_not_train() -> None:
    month, mask = draw_month((20, 12)), np.ones((20, 12), bool)
    mask[:, 6:] = False  # a test block: no window lies wholly in the rest
    with pytest.raises(TrainingError, match="no window of 32 px"):
        WindowSampler.plan([month], [mask], SIZE, whole=False)
