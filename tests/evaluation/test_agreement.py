"""Agreement of encoders against counts by hand."""

import numpy as np

from glacier.evaluation.agreement import Agreement, find_split, measure_agreement

VOTES = np.array([[[1, 1, 0, 0, 1]], [[1, 0, 0, 1, 1]]], bool)


def test_pixels_are_split_where_some_say_glacier_and_some_do_not() -> None:
    assert find_split(VOTES).tolist() == [[False, True, False, True, False]]
    assert not find_split(VOTES[:1]).any()  # one alone never disagrees


def test_errors_are_counted_apart_and_unknown_pixels_nowhere() -> None:
    predicted = np.array([[1, 1, 0, 0, 1]], bool)
    label = np.array([[1, 0, 1, 0, 255]], np.uint8)
    found = measure_agreement(VOTES, predicted, label, np.ones((1, 5), bool))
    assert found == Agreement(agreed=2, agreed_wrong=1, split=2, split_wrong=1)
    assert list_shares(found + found) == (8, 0.5, 0.5, 0.5, 0.5)
    outside = measure_agreement(VOTES, predicted, label, np.zeros((1, 5), bool))
    assert outside == Agreement()
    assert list_shares(outside) == (0, None, None, None, None)


def list_shares(found: Agreement) -> tuple[float | None, ...]:
    return (
        found.pixels,
        found.split_share,
        found.error_where_agreed,
        found.error_where_split,
        found.errors_agreed_share,
    )
