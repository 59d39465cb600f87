import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glacier.windows import (
    average_orientations,
    blend_weights,
    centred_starts,
    free_starts,
    predict_blended,
    turn,
    turn_back,
    window_starts,
    window_sums,
)

steady = settings(derandomize=True, deadline=None, max_examples=60)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """Height, width, window size, stride and batch of an image that holds a window."""
    size = draw(st.integers(1, 9))
    height, width = (draw(st.integers(size, size + 20)) for _ in range(2))
    return height, width, size, draw(st.integers(1, size)), draw(st.integers(1, 5))


def identity(windows: np.ndarray) -> np.ndarray:
    return windows[:, 0]


@steady
@given(layout=layouts())
def test_windows_lie_inside_and_cover_every_pixel(layout: tuple[int, ...]) -> None:
    length, _, size, stride, _ = layout
    starts = window_starts(length, size, stride)
    assert starts == sorted(set(starts))
    assert starts[0] == 0 and starts[-1] == length - size
    assert all(b - a <= stride for a, b in zip([0, *starts], starts, strict=False))
    covered = {pixel for start in starts for pixel in range(start, start + size)}
    assert covered == set(range(length))


def test_an_axis_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="axis of 31 px cannot hold a window of 32 px"):
        window_starts(31, 32, 16)
    assert window_starts(32, 32, 16) == [0]


@steady
@given(layout=layouts(), seed=st.integers(0, 999), share=st.sampled_from([0.05, 0.5, 1.0]))
def test_an_identity_network_returns_the_image(
    layout: tuple[int, ...], seed: int, share: float
) -> None:
    height, width, size, stride, batch = layout
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 5, (2, height, width)).astype(np.float32)
    wanted = rng.random((height, width)) < share
    found = predict_blended(identity, image, wanted, size, stride, batch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[wanted], image[0][wanted], rtol=2e-5)
    assert np.isnan(found[~wanted]).all()


@steady
@given(layout=layouts(), seed=st.integers(0, 999))
def test_a_pixels_answer_does_not_depend_on_which_others_are_wanted(
    layout: tuple[int, ...], seed: int
) -> None:
    height, width, size, stride, batch = layout
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 1, (1, height, width)).astype(np.float32)

    def network(windows: np.ndarray) -> np.ndarray:  # sees its whole window, unlike identity
        return windows[:, 0] * windows[:, 0].mean(axis=(1, 2), keepdims=True)

    everywhere = np.ones((height, width), bool)
    whole = predict_blended(network, image, everywhere, size, stride, batch)
    some = rng.random((height, width)) < 0.1
    part = predict_blended(network, image, some, size, stride, batch)
    np.testing.assert_array_equal(part[some], whole[some])


def test_windows_without_a_wanted_pixel_are_not_computed() -> None:
    seen = []

    def network(windows: np.ndarray) -> np.ndarray:
        seen.extend(windows[:, 0, 0, 0].tolist())
        return windows[:, 0]

    image = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    wanted = np.zeros((8, 8), bool)
    wanted[5, 6] = True
    assert predict_blended(network, image, wanted, 4, 4, 3)[5, 6] == 46
    assert seen == [36.0]  # the one window whose corner is at row 4, column 4
    assert np.isnan(predict_blended(network, image, wanted & False, 4, 4, 3)).all()


def test_overlapping_answers_are_blended_between_them() -> None:
    calls = iter([0.0, 1.0])

    def network(windows: np.ndarray) -> np.ndarray:
        return np.stack([np.full(w.shape[1:], next(calls), np.float32) for w in windows])

    row = predict_blended(
        network, np.zeros((1, 8, 12), np.float32), np.ones((8, 12), bool), 8, 4, 1
    )[3]
    assert (row[:4] == 0).all() and (row[8:] == 1).all()
    assert (np.diff(row[3:9]) > 0).all()  # no seam
    np.testing.assert_allclose(row[4:8] + row[7:3:-1], 1, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 32, 128])
def test_weights_are_positive_and_symmetric(size: int) -> None:
    weights = blend_weights(size)
    assert weights.shape == (size, size) and weights.dtype == np.float32
    assert (weights > 0).all()
    for way in range(8):
        np.testing.assert_allclose(turn(weights, way), weights, rtol=1e-6)
    assert weights[size // 2, size // 2] == weights.max()


@steady
@given(layout=layouts(), seed=st.integers(0, 999), share=st.sampled_from([0.6, 0.97, 1.0]))
def test_free_starts_and_sums_are_those_of_brute_force(
    layout: tuple[int, ...], seed: int, share: float
) -> None:
    height, width, size, _, _ = layout
    allowed = np.random.default_rng(seed).random((height, width)) < share
    windows = np.lib.stride_tricks.sliding_window_view(allowed, (size, size))
    np.testing.assert_array_equal(free_starts(allowed, size), windows.all(axis=(2, 3)))
    np.testing.assert_array_equal(window_sums(allowed, size), windows.sum(axis=(2, 3)))


def test_no_window_fits_where_the_image_is_smaller() -> None:
    assert free_starts(np.ones((5, 9), bool), 7).size == 0
    assert centred_starts(np.ones((5, 9), bool), 7).shape == (0, 2)


@steady
@given(layout=layouts(), seed=st.integers(0, 999), share=st.sampled_from([0.6, 0.97, 1.0]))
def test_the_window_of_a_pixel_is_the_free_one_moved_least(
    layout: tuple[int, ...], seed: int, share: float
) -> None:
    height, width, size, _, _ = layout
    allowed = np.random.default_rng(seed).random((height, width)) < share
    free = np.argwhere(free_starts(allowed, size))
    inside = np.zeros((height, width), bool)
    for row, col in free:
        inside[row : row + size, col : col + size] = True
    starts = centred_starts(allowed, size)
    assert len(starts) == inside.sum()
    assert set(map(tuple, starts)) <= set(map(tuple, free))
    most = np.array([height, width]) - size
    for pixel, start in zip(np.argwhere(inside), starts, strict=True):
        centred = np.clip(pixel - size // 2, 0, most)
        moves = ((free - centred) ** 2).sum(axis=1)
        assert ((start - centred) ** 2).sum() == moves.min()


def test_ground_is_drawn_by_its_area_however_narrow() -> None:
    """Among all free places the strip of 40 px would have a fourteenth, not a quarter."""
    allowed = np.zeros((50, 240), bool)
    allowed[:, :40] = allowed[:, 120:] = True
    starts = centred_starts(allowed, 32)
    assert (starts[:, 1] < 40).mean() == 40 / 160


def test_the_eight_turns_are_distinct_and_undone() -> None:
    image = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    turned = [turn(image, way) for way in range(8)]
    assert len({t.tobytes() for t in turned}) == 8
    for way, picture in enumerate(turned):
        np.testing.assert_array_equal(turn_back(picture, way), image)
        np.testing.assert_array_equal(picture[1] - picture[0], 9)  # bands stay apart
    np.testing.assert_array_equal(turned[0], image)


def test_the_mean_over_turns_leaves_no_preferred_direction() -> None:
    rng = np.random.default_rng(0)
    windows = rng.normal(0, 1, (3, 1, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(average_orientations(identity)(windows), windows[:, 0], rtol=1e-6)

    def slanted(batch: np.ndarray) -> np.ndarray:
        return batch[:, 0] * np.arange(8, dtype=np.float32)

    averaged = average_orientations(slanted)
    for way in range(8):
        np.testing.assert_allclose(
            averaged(turn(windows, way)), turn(averaged(windows), way), rtol=1e-5, atol=1e-6
        )
