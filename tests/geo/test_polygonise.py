import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.ndimage import label
from shapely.geometry import shape

from glacier.geo.polygonise import Patch, Strip, polygonise, sum_within
from glacier.geo.raster import Grid, trace

PICTURES = {
    "a hole across the strips": ["#####", "#...#", "#...#", "#####"],
    "a ring that closes at the last row": ["#.#", "#.#", "#.#", "###"],
    "a ring that is open below": ["###", "#.#", "#.#", "#.#"],
    "an island in a hole": [
        "#######", "#.....#", "#.###.#", "#.#.#.#", "#.###.#", "#.....#", "#######",
    ],
    "two that join late": ["#.#.#", "#.#.#", "###.#", "..#.#", "..###"],
    "corners that only touch": ["#.#", ".#.", "#.#"],
    "a hole that touches the outside at a corner": ["###", "#.#", "##."],
    "two holes that touch at a corner": ["####", "#.##", "##.#", "####"],
    "a comb that goes up again": ["#.#.#", "#.#.#", "#####", "#.#.#", "#.#.#"],
    "nothing": ["...", "..."],
    "all": ["##", "##"],
}  # fmt: skip


def grid_on(mask: np.ndarray) -> Grid:
    return Grid("EPSG:32608", 500025.3, 6500024.7, 30.1, *mask.shape)


def cut_rows(mask: np.ndarray, values: np.ndarray, cuts: list[int]) -> list[Strip]:
    return [
        Strip(m, v)
        for m, v in zip(np.split(mask, cuts), np.split(values, cuts), strict=True)
    ]  # fmt: skip


def as_set(patches: list[Patch]) -> list[bytes]:
    return sorted(patch.polygon.wkb for patch in patches)


def whole(mask: np.ndarray) -> list[bytes]:
    """The polygons of the whole image, traced at once by GDAL."""
    return sorted(shape(p).normalize().wkb for p in trace(mask, grid_on(mask)))


@pytest.mark.parametrize("name", PICTURES)
def test_polygons_across_strips_are_those_of_the_whole_image(name: str) -> None:
    mask = np.array([[c == "#" for c in row] for row in PICTURES[name]])
    values = np.ones(mask.shape, np.uint8)
    for cuts in ([], [1], [2], [1, 2], list(range(1, len(mask)))):
        patches = list(polygonise(cut_rows(mask, values, cuts), grid_on(mask)))
        assert as_set(patches) == whole(mask)
        assert sum(patch.pixels for patch in patches) == mask.sum()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    image=st.tuples(st.integers(1, 14), st.integers(1, 12)).flatmap(
        lambda shape: arrays.arrays(np.uint8, shape, elements=st.integers(0, 255))
    ),
    share=st.sampled_from([60, 128, 200]),
    data=st.data(),
)
def test_any_image_in_any_strips(image: np.ndarray, share: int, data: st.DataObject) -> None:
    mask = image < share
    cuts = sorted(data.draw(st.lists(st.integers(0, len(image)), max_size=len(image))))
    patches = list(polygonise(cut_rows(mask, image, cuts), grid_on(mask)))
    assert as_set(patches) == whole(mask)
    once = list(polygonise([Strip(mask, image)], grid_on(mask)))
    facts = [sorted((p.polygon.wkb, p.pixels, p.total) for p in found) for found in (patches, once)]
    assert facts[0] == facts[1]


def test_pixels_and_sums_belong_to_their_polygon() -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (40, 30), dtype=np.uint8)
    mask = rng.random((40, 30)) < 0.6
    labels, count = label(mask)
    patches = list(polygonise(cut_rows(mask, image, [7, 8, 21]), grid_on(mask)))
    expected = sorted(
        (int((labels == k).sum()), int(image[labels == k].sum())) for k in range(1, count + 1)
    )
    assert sorted((patch.pixels, patch.total) for patch in patches) == expected
    for patch in patches:
        assert patch.polygon.area == pytest.approx(patch.pixels * 30.1**2)
        assert patch.polygon.is_valid and not patch.polygon.has_z


def test_values_within_polygons_are_summed_by_strips() -> None:
    mask, values = np.ones((9, 6), bool), np.arange(54, dtype=np.uint8).reshape(9, 6)
    mask[4, 1] = False
    grid = Grid("EPSG:32608", 0.0, 0.0, 10.0, 9, 6)
    polygons = [
        shapely.box(0, -90, 30, -20),
        shapely.box(30, -26, 60, 0),
        shapely.box(1, -2, 2, -1),
    ]
    for cuts in ([], [1, 4, 5]):
        pixels, totals = sum_within(polygons, cut_rows(mask, values, cuts), grid)
        assert pixels.tolist() == [20, 9, 0]
        assert totals.tolist() == [values[2:, :3].sum() - 25, values[:3, 3:].sum(), 0]
    assert sum_within([], cut_rows(mask, values, [3]), grid)[0].tolist() == []


def test_a_patch_comes_as_soon_as_it_is_whole() -> None:
    rows = iter([[True, False], [False, True], [False, False]])
    seen = 0

    def strips():
        nonlocal seen
        for row in rows:
            seen += 1
            yield Strip(np.array([row]), np.ones((1, 2), np.uint8))

    grid = Grid("EPSG:32608", 15.0, 15.0, 30.0, 3, 2)
    found = [(seen, patch.polygon) for patch in polygonise(strips(), grid)]
    assert [when for when, _ in found] == [2, 3]
    assert found[0][1].equals(shapely.box(15, -15, 45, 15))
