"""Squares of scores as a picture."""

import numpy as np
import pytest

from glacier.plots.matrices import draw_matrices

ORDER = ("1st", "2nd", "3rd")


def test_a_square_for_every_strategy_with_its_ends_in_words() -> None:
    matrix = np.array([[0.8, 0.2, 0.1], [0.5, 0.9, 0.3], [0.4, 0.6, 0.7]])
    picture = draw_matrices({"naive": matrix, "replay, 5 %": matrix.T}, ORDER)
    assert picture.png.startswith(b"\x89PNG")
    assert "naive: the first task's IoU is 0.80 once learned and 0.40 in the end" in picture.alt
    assert "replay, 5 %: the first" in picture.alt


def test_the_words_of_many_squares_are_few_and_name_the_one_that_ends_highest() -> None:
    squares = {f"s{k}": np.full((2, 2), 0.5 + (k == 7) / 10) for k in range(20)}
    words = draw_matrices(squares, ORDER[:2]).alt
    assert words.startswith("20 squares of scores. s0: ") and words.count(": the first task's") == 3
    assert "s1: " in words and "s7: the first task's IoU is 0.60" in words


@pytest.mark.parametrize("count", [1, 4, 5])
def test_any_number_of_strategies_fits(count: int) -> None:
    squares = {f"s{k}": np.full((2, 2), 0.5) for k in range(count)}
    height, width = draw_matrices(squares, ORDER[:2]).size_px
    assert width < 1600 and height < 1000
