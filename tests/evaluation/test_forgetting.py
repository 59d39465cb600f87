"""Measures of forgetting, each in closed form."""

import numpy as np
import pytest
from pydantic import ValidationError

from glacier.evaluation.forgetting import ScoreMatrix, close_gap, measure_forgetting

ROWS = ((0.1, 0.2, 0.3), (0.8, 0.3, 0.2), (0.9, 0.7, 0.6), (0.5, 0.6, 0.9))


def test_the_average_and_the_worst_are_of_the_last_model() -> None:
    found = measure_forgetting(np.array(ROWS))
    assert found.average == pytest.approx((0.5 + 0.6 + 0.9) / 3)
    assert found.worst == 0.5


def test_forgetting_is_from_the_best_that_there_ever_was() -> None:
    """The first task was best after the second one was learned."""
    found = measure_forgetting(np.array(ROWS))
    assert found.forgetting == pytest.approx(((0.9 - 0.5) + (0.7 - 0.6)) / 2)


def test_backward_transfer_is_from_the_moment_of_learning() -> None:
    found = measure_forgetting(np.array(ROWS))
    assert found.backward == pytest.approx(((0.5 - 0.8) + (0.6 - 0.7)) / 2)
    assert found.learned == pytest.approx((0.8 + 0.7 + 0.9) / 3)


def test_forward_transfer_is_against_a_model_that_learned_nothing() -> None:
    found = measure_forgetting(np.array(ROWS))
    assert found.forward == pytest.approx(((0.3 - 0.2) + (0.6 - 0.3)) / 2)


def test_nothing_is_forgotten_where_scores_only_rise() -> None:
    found = measure_forgetting(np.array([[0.0, 0.0], [0.5, 0.2], [0.6, 0.7]]))
    assert found.forgetting == pytest.approx(-0.1) and found.backward == pytest.approx(0.1)


def test_one_task_is_never_forgotten() -> None:
    found = measure_forgetting(np.array([[0.1], [0.7]]))
    assert (found.average, found.worst, found.learned) == (0.7, 0.7, 0.7)
    assert found.forgetting is found.backward is found.forward is None


def test_columns_can_be_put_in_another_order() -> None:
    matrix = ScoreMatrix(tasks=("a", "b", "c"), rows=ROWS)
    assert matrix.reorder(("c", "a", "b"))[1].tolist() == [0.2, 0.8, 0.3]
    assert matrix.measure() == measure_forgetting(np.array(ROWS))


def test_a_matrix_of_other_tasks_is_refused() -> None:
    with pytest.raises(ValidationError, match="3 rows for 3 tasks"):
        ScoreMatrix(tasks=("a", "b", "c"), rows=ROWS[:3])


@pytest.mark.parametrize(("score", "share"), [(0.5, 0.0), (0.9, 1.0), (0.7, 0.5), (0.3, -0.5)])
def test_a_gap_is_closed_by_a_share(score: float, share: float) -> None:
    assert close_gap(score, 0.5, 0.9) == pytest.approx(share)


def test_without_a_gap_there_is_no_share() -> None:
    assert close_gap(0.5, 0.6, 0.6) is None
