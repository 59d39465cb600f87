import numpy as np
import pytest

from glacier.errors import SeriesError
from glacier.mapping.change import Change, map_change, measure_change

BEFORE = np.array([[0, 0, 0], [1, 1, 1], [255, 255, 255]], np.uint8)
AFTER = np.array([[0, 1, 255]] * 3, np.uint8)


def test_every_pair_of_classes() -> None:
    unseen = Change.UNSEEN
    expected = [
        [Change.NEVER, Change.GAINED, unseen],
        [Change.LOST, Change.KEPT, unseen],
        [unseen, unseen, unseen],
    ]
    np.testing.assert_array_equal(map_change(BEFORE, AFTER), expected)
    assert map_change(BEFORE, AFTER).dtype == np.uint8


def test_areas_add_up_over_strips() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.choice(np.array([0, 1, 255], np.uint8), (2, 40, 30))
    change = map_change(before, after)
    found = measure_change([change], 0.25)
    assert measure_change([change[:7], change[7:8], change[8:]], 0.25) == found
    seen = (before != 255) & (after != 255)
    gone = ((before == 1)[seen].sum() - (after == 1)[seen].sum()) * 0.25
    assert found.net_km2 == -gone
    assert found.unseen_km2 == (~seen).sum() * 0.25
    parts = found.lost_km2 + found.gained_km2 + found.kept_km2 + found.never_km2
    assert parts + found.unseen_km2 == 1200 * 0.25


def test_maps_of_other_sizes_are_refused() -> None:
    with pytest.raises(SeriesError, match="one grid"):
        map_change(BEFORE, AFTER[:2])
