"""Agreement of encoders against counts by hand."""

import numpy as np

from glacier.evaluation.agreement import Agreement, find_split, measure_agreement

VOTES = np.array([[[1, 1, 0, 0, 1]], [[1, 0, 0, 1, 1]]], bool)


def test_pixels_are_split_where_some_say_glacier_and_some_do_not() -> None:
    assert find_split(VOTES).tolist() == [[False, True, False, True, False]]
    assert not find_split(VOTES[:1]).any()  # one alone never disagrees


def test_errors_are_counted_apart_and_unknown_pixels_nowhere() -> None:
    answer = np.array([[1, 1, 0, 0, 1]], bool)
    label = np.array([[1, 0, 1, 0, 255]], np.uint8)
    found = measure_agreement(VOTES, answer, label, np.ones((1, 5), bool))
    assert found == Agreement(agreed=2, agreed_wrong=1, split=2, split_wrong=1)
    facts = (found + found).as_dict()
    assert facts == {"pixels": 8, "split_share": 0.5, "error_where_agreed": 0.5,
                     "error_where_split": 0.5, "errors_agreed_share": 0.5}  # fmt: skip
    outside = measure_agreement(VOTES, answer, label, np.zeros((1, 5), bool))
    assert outside == Agreement()
    assert set(outside.as_dict().values()) == {0, None}
