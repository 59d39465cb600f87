"""The gate: what falls is refused, what nobody can tell waits, and equals pass."""

import json
from pathlib import Path

import numpy as np
import pytest

from glacier.registry.cells import Cells, measure_ece, measure_ground, measure_iou
from glacier.registry.gate import Part, judge
from glacier.registry.scatter import measure_scatter
from glacier.settings.learn import Gate
from tests.support.versions import answer, list_cells, make_cells

GATE = Gate()


def find_part(cells: Cells, kind: str, name: str) -> Part:
    (part,) = (p for p in judge(cells, GATE).parts if (p.kind, p.name) == (kind, name))
    return part


def test_the_numbers_of_pieces_are_those_of_the_evaluation() -> None:
    found = answer(60, 10, 20, 10, given=0.7)
    sums = np.array(found.row)
    assert measure_iou(sums) == found.counts.iou
    assert measure_ground(sums) == 0.5
    assert measure_ece(sums) == pytest.approx(found.reliability.ece)
    assert measure_iou(np.zeros_like(sums)) == 1 and measure_ground(np.zeros_like(sums)) == 1


def test_an_equal_is_promoted_and_the_same_ground_is_judged_once() -> None:
    found = judge(make_cells(), GATE)
    assert found.decision == "promoted"
    assert [part.title for part in found.parts] == ["fold 0", "fold 1", "fold 2", "calibration"]
    assert all(part.images == 8 and part.blocks == 8 for part in found.parts[:3])


def test_the_very_same_model_is_promoted() -> None:
    cells = make_cells()
    same = Cells(cells.fold, cells.region, cells.image, cells.block, cells.serving, cells.serving)
    found = judge(same, GATE)
    assert found.decision == "promoted" and {part.fall for part in found.parts} == {0.0}


@pytest.mark.parametrize("loss", [0.03, 0.1, 0.5])
def test_a_fold_that_falls_by_more_than_chance_makes_is_refused(loss: float) -> None:
    found = judge(make_cells({1: loss}), GATE)
    assert found.decision == "refused"
    assert [part.title for part in found.fallen] == ["fold 1"]
    (part,) = found.fallen
    assert part.allowed is not None and part.fall > part.allowed + GATE.tolerance
    assert found.reason == (
        f"fold 1 falls from {part.serving:.3f} to {part.candidate:.3f}, and {part.allowed:.3f} is "
        "what chance can make"
    )


def test_what_one_block_or_a_few_images_lose_does_not_hide_itself() -> None:
    for column in ("image", "block"):
        rows = list(list_cells())
        first = next(row for row in rows if row.fold == 1)
        where = getattr(first, column)
        spoilt = [
            type(row)(row.fold, row.region, row.image, row.block, True, row.serving,
                      answer(30, 5, 70))
            if row.fold == 1 and getattr(row, column) == where else row
            for row in rows
        ]  # fmt: skip
        found = judge(Cells.of(spoilt), GATE)
        assert [part.title for part in found.fallen] == ["fold 1"], column


def test_a_region_falls_though_its_fold_holds() -> None:
    rows = [
        type(row)(0, row.region, row.image, row.block, True, row.serving, row.candidate)
        for row in list_cells({2: 0.04})
    ]
    found = judge(Cells.of(rows), GATE)
    assert "region c" in [part.title for part in found.fallen]


def test_a_calibration_that_gives_way_is_refused() -> None:
    found = judge(make_cells(given=0.8), GATE)
    assert [part.title for part in found.fallen] == ["calibration"]
    assert found.reason.startswith("calibration error rises from 0.000 to 0.100")


def test_where_pieces_are_too_few_a_person_has_to_look() -> None:
    found = judge(make_cells(images=3, blocks=2), GATE)
    assert found.decision == "waits" and all(part.allowed is None for part in found.parts[:3])
    assert found.reason == (
        "too little is known of fold 0, fold 1 and fold 2 to say whether it falls; a person has to "
        "look"
    )
    assert judge(Cells.of([]), GATE).decision == "waits"


def test_an_interval_that_hides_too_much_makes_it_wait() -> None:
    found = judge(make_cells(), Gate(widest=0.001))
    assert found.decision == "waits"


def test_a_person_is_asked_where_the_configuration_says_so() -> None:
    found = judge(make_cells(), GATE, needs_approval=True)
    assert found.decision == "waits" and found.reason.endswith("a person has to agree")
    assert judge(make_cells({0: 0.5}), GATE, needs_approval=True).decision == "refused"


def test_without_ice_false_ice_counts() -> None:
    rows = [
        type(row)(row.fold, row.region, row.image, row.block, True, answer(0, 1, 0, 99),
                  answer(0, 30, 0, 70))
        if row.fold == 2 else row
        for row in list_cells()
    ]  # fmt: skip
    part = find_part(Cells.of(rows), "fold", "2")
    assert part.measure == "share of the ground called ground"
    assert (part.outcome, part.serving, part.candidate) == ("falls", 0.99, 0.7)


def test_a_piece_that_holds_all_the_ice_counts_as_one() -> None:
    rows = [
        row
        if row.block == "r0c0"
        else type(row)(row.fold, row.region, row.image, row.block, True, answer(0, 0, 0),
                       answer(0, 0, 0))
        for row in list_cells()
    ]  # fmt: skip
    cells = Cells.of(rows)
    scatter = measure_scatter(cells.take(cells.fold == 0), "block", measure_iou)
    assert scatter is not None and scatter.evenness == 1 and scatter.bound(0.1) is None


def test_the_kept_experiment_says_so_of_simulated_maps() -> None:
    """``tests/experiments/gate.py``: equals, and 20 candidates worse by 0.5 to 10 points."""
    kept = json.loads((Path(__file__).parents[2] / "results/continual/gate.json").read_text())
    assert all(shares["the gate"] <= 0.1 for shares in kept["refused"].values())
    for rows in kept["worse"].values():
        assert [round(1000 * row["loss"]) for row in rows] == [*range(5, 101, 5)]
        for row in rows:
            is_above = row["fall"] > row["allowed"] + GATE.tolerance
            assert (row["decision"] == "refused") == is_above, row
            assert row["fallen"] == (["fold 2"] if is_above else [])
        assert {row["decision"] for row in rows} == {"promoted", "refused"}


def test_stricter_levels_allow_more() -> None:
    cells = make_cells()
    allowed = [judge(cells, Gate(level=level)).parts[0].allowed for level in (0.5, 0.1, 0.01)]
    assert all(allowed) and allowed == sorted(allowed, key=lambda value: value or 0)


def test_equals_are_refused_no_more_often_than_the_level_says() -> None:
    refused = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        cells = make_cells()
        pieces = rng.integers(-3, 4, (2, len(cells)))
        models = []
        for shift in pieces:
            sums = cells.serving.copy()
            sums[:, 0] -= shift
            sums[:, 2] += shift
            models.append(sums)
        found = judge(
            Cells(cells.fold, cells.region, cells.image, cells.block, *models), Gate(tolerance=0)
        )
        refused += found.decision == "refused"
    assert refused <= 8
