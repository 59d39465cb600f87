"""Two samples apart by a kernel: closed forms, another library, and what it sees."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from glacier.monitoring.traits import compare_features
from glacier.monitoring.two_sample import find_bandwidth, measure_discrepancy


def draw(count: int, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    sample = np.random.default_rng(seed).normal(size=(count, 6)) + shift
    return sample.astype(np.float32)


def test_a_sample_lies_nowhere_from_itself_however_often_it_is_repeated() -> None:
    sample = draw(12)
    assert measure_discrepancy(sample, sample, 2.0) == 0
    assert measure_discrepancy(sample, np.tile(sample, (4, 1)), 2.0) == pytest.approx(0, abs=1e-12)


def test_two_points_lie_apart_as_the_kernel_says() -> None:
    one, other = np.zeros((1, 2), np.float32), np.array([[3, 4]], np.float32)
    for width in (1.0, 5.0, 50.0):
        wanted = 2 - 2 * np.exp(-25 / (2 * width**2))
        assert measure_discrepancy(one, other, width) == pytest.approx(wanted, abs=1e-12)


def test_it_is_what_the_kernels_of_another_library_come_to() -> None:
    one, other, width = draw(9), draw(14, 0.3, seed=1), 1.7
    kernel = {"gamma": 1 / (2 * width**2)}
    wanted = (
        rbf_kernel(one.astype(float), **kernel).mean()
        + rbf_kernel(other.astype(float), **kernel).mean()
        - 2 * rbf_kernel(one.astype(float), other.astype(float), **kernel).mean()
    )
    assert measure_discrepancy(one, other, width) == pytest.approx(wanted, rel=1e-9)


def test_it_grows_with_a_shift() -> None:
    usual = draw(60)
    width = find_bandwidth(usual)
    found = [measure_discrepancy(draw(60, s, seed=1), usual, width) for s in (0, 0.5, 1, 2, 4)]
    assert found == sorted(found) and found[0] < 0.05 and found[-1] > 1


def test_a_kernel_is_as_wide_as_members_lie_apart() -> None:
    assert find_bandwidth(np.array([[0], [1], [3]], np.float32)) == 2
    assert np.isnan(find_bandwidth(np.zeros((1, 3), np.float32)))
    assert np.isnan(find_bandwidth(np.zeros((5, 3), np.float32)))


def test_windows_are_compared_that_the_month_shows() -> None:
    """The ground that lies hidden would else count as a change."""
    places = 10 * draw(8)
    years = [places + draw(8, seed=k) / 10 for k in range(1, 5)]
    month = places + draw(8, seed=9) / 10
    whole = compare_features(month, years)
    month[:3] = np.nan
    assert compare_features(month, years) == pytest.approx(whole, abs=0.02)
    wrong = [np.where(np.isnan(month), 1e3, year) for year in years]
    assert compare_features(month, wrong) == compare_features(month, years)
    years[1][4:] = np.nan
    assert compare_features(month, years) == pytest.approx(whole, abs=0.1)


def test_what_too_little_is_seen_of_or_no_network_looked_at_is_not_told() -> None:
    years, none = [draw(8, seed=k) for k in range(4)], np.empty((0, 0), np.float32)
    month = draw(8)
    month[:5] = np.nan
    assert np.isnan(compare_features(month, years))
    assert np.isnan(compare_features(none, years)) and np.isnan(compare_features(draw(8), [none]))
    assert np.isfinite(compare_features(draw(8), [none, *years]))
    assert np.isnan(compare_features(draw(1), [draw(1)] * 3))  # nothing says how wide a kernel is
