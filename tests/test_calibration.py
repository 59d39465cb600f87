import numpy as np
import pytest

from glacier.calibration import BINS, Reliability, measure_reliability
from glacier.labels import IGNORE


def test_a_probability_that_means_what_it_says_has_no_error() -> None:
    label = np.array([[1, 1, 1, 0, IGNORE]], np.uint8)
    found = measure_reliability(np.full((1, 5), 0.75), label)
    assert found.ece == 0
    (row,) = found.as_rows()
    assert row == {"from": 11 / BINS, "pixels": 4, "probability": 0.75, "glacier": 0.75}


def test_the_error_is_the_mean_gap_weighted_by_pixels() -> None:
    probability = np.array([[0.9, 0.9, 0.9, 0.1]])
    label = np.array([[1, 0, 0, 0]], np.uint8)
    expected = (3 * (0.9 - 1 / 3) + 0.1) / 4
    assert measure_reliability(probability, label).ece == pytest.approx(expected)


def test_the_ends_of_the_scale_lie_in_the_first_and_last_bin() -> None:
    rows = measure_reliability(np.array([[0.0, 1.0]]), np.array([[0, 1]], np.uint8)).as_rows()
    assert [row["from"] for row in rows] == [0, (BINS - 1) / BINS]


def test_parts_add_up_to_the_whole_and_survive_json() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random((9, 11), np.float32)
    label = rng.choice([0, 1, IGNORE], (9, 11)).astype(np.uint8)
    part = rng.random((9, 11)) < 0.5
    both = measure_reliability(probability, label, part)
    both += measure_reliability(probability, label, ~part)
    whole = measure_reliability(probability, label)
    assert both.pixels.tolist() == whole.pixels.tolist()
    assert both.ece == pytest.approx(whole.ece)
    assert Reliability.from_dict(both.as_dict()).as_dict() == both.as_dict()
    assert Reliability().ece == 0 and Reliability().as_rows() == []
