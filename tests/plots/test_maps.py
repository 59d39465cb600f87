import io

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from PIL import Image

from glacier.plots import maps
from glacier.plots.maps import FOUND, Ground, Wording, choose_bar, draw_map, trace_outline

WORDS = Wording("Ridge, July 2016", "outline by net", "inventory", "Ridge from above.")


def margin_of(mask):
    return np.where(mask, 0.5, -0.5).astype(np.float32)


def make_ground(mask, side_m=30.0, shade=0, **changes):
    values = {
        "pixels": np.full((*mask.shape, 3), shade, np.uint8),
        "sides_m": (side_m, side_m),
        "found": [margin_of(mask)],
        "label": margin_of(np.zeros_like(mask)),
        "unseen": np.zeros_like(mask),
    }
    return Ground(**(values | changes))


def read_pixels(picture):
    with Image.open(io.BytesIO(picture.png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("width_m", "length_m"),
    [(100, 20), (1000, 200), (3400, 1000), (20_000, 5000), (66_700, 20_000), (1e6, 200_000)],
)
def test_a_scale_bar_is_the_longest_round_length_within_its_share(width_m, length_m):
    assert choose_bar(width_m) == pytest.approx(length_m)


def test_lengths_are_named_in_metres_and_kilometres():
    assert maps.name_length(500) == "500 m"
    assert maps.name_length(2000) == "2 km"


@pytest.mark.parametrize("side_m", [2.5, 10, 30, 150, 1000])
def test_the_scale_bar_is_as_long_as_it_says(side_m):
    empty = np.zeros((120, 200), bool)
    picture = draw_map(make_ground(empty, side_m), WORDS)
    pixels = read_pixels(picture)
    black = pixels.sum(axis=2) < 120  # the map is
    rows, cols = np.flatnonzero(black.mean(axis=1) > 0.5), np.flatnonzero(black.mean(axis=0) > 0.5)
    inside = pixels[rows.min() : rows.max(), cols.min() : cols.max() + 1]
    white = (inside[int(0.8 * len(inside)) :] > 200).all(axis=2)
    runs = [np.diff(np.flatnonzero(np.diff(np.r_[0, row, 0])))[::2] for row in white.astype(int)]
    drawn = max(run.max() for run in runs if len(run))
    length_m = choose_bar(200 * side_m)
    assert drawn / inside.shape[1] == pytest.approx(length_m / (200 * side_m), abs=0.008)
    assert f"The scale bar is {maps.name_length(length_m)} long" in picture.alt


def test_an_outline_parts_the_pixels_of_a_mask_from_the_others():
    rng = np.random.default_rng(4)
    mask = np.zeros((40, 50), bool)
    mask[1:-1, 1:-1] = rng.uniform(size=(38, 48)) < 0.5
    lines = trace_outline(margin_of(mask), (20.0, 30.0))
    rows, cols = np.indices(mask.shape)
    middles = np.c_[(cols.ravel() + 0.5) * 30, (40 - rows.ravel() - 0.5) * 20]
    inside = np.sum([Polygon(line).contains_points(middles) for line in lines], axis=0) % 2 == 1
    assert (inside.reshape(mask.shape) == mask).all()


def test_an_outline_lies_where_the_margin_is_zero():
    margin = np.repeat(np.float32([[-0.1, 0.3, 0.5]]), 4, axis=0)  # a quarter of the way
    (line,) = trace_outline(margin, (10.0, 10.0))
    assert line[:, 0] == pytest.approx(7.5)
    assert (line[:, 1].min(), line[:, 1].max()) == (5, 35)


def test_neither_the_edge_of_the_image_nor_of_the_unknown_is_an_outline():
    margin = margin_of(np.ones((6, 6), bool))
    assert trace_outline(margin, (1.0, 1.0)) == []
    margin[2:4] = np.nan
    assert trace_outline(margin, (1.0, 1.0)) == []
    assert trace_outline(margin[:1], (1.0, 1.0)) == []


def test_north_is_up():
    mask = np.zeros((60, 60), bool)
    mask[5:15, 40:50] = True  # the north-east
    (line,) = trace_outline(margin_of(mask), (30.0, 30.0))
    assert line[:, 1].min() == pytest.approx(45 * 30) and line[:, 0].min() == pytest.approx(40 * 30)
    pixels = read_pixels(draw_map(make_ground(mask), WORDS))
    colour = [int(FOUND[k : k + 2], 16) for k in (1, 3, 5)]
    rows, cols = np.nonzero(np.abs(pixels - colour).sum(axis=2) < 60)
    height, width = pixels.shape[:2]
    on_map = rows < 0.8 * height  # the legend shows the colour too
    assert rows[on_map].max() < 0.35 * height
    assert cols[on_map].min() > 0.6 * width


def test_where_the_parts_of_two_models_touch_no_line_is_drawn():
    left = np.zeros((60, 60), bool)
    left[:, :30] = True
    parts = [np.where(left, np.float32(0.5), np.float32("nan")),
             np.where(~left, np.float32(-0.5), np.float32("nan"))]  # fmt: skip
    pixels = read_pixels(draw_map(make_ground(left, found=parts), WORDS))
    colour = [int(FOUND[k : k + 2], 16) for k in (1, 3, 5)]
    rows, _ = np.nonzero(np.abs(pixels - colour).sum(axis=2) < 60)
    assert rows.min() > 0.8 * len(pixels)  # in the legend alone


def test_the_svg_holds_outlines_as_lines_over_one_image_and_comes_out_the_same():
    mask = np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    first, second = (draw_map(make_ground(mask), WORDS) for _ in range(2))
    assert first == second
    svg = first.svg.decode()
    assert svg.count("data:image/png;base64,") == 1
    assert svg.count("<path") > 3 and "<dc:date>" not in svg


def test_a_large_image_is_reduced_and_unseen_ground_explained():
    mask = np.zeros((1500, 900), bool)
    assert maps.reduce_pixels(make_ground(mask).pixels).shape == (800, 480, 3)
    seen = draw_map(make_ground(mask), WORDS)
    unseen = np.zeros_like(mask)
    unseen[:500] = True
    assert draw_map(make_ground(mask, unseen=unseen), WORDS).size_px[0] >= seen.size_px[0]


@pytest.mark.parametrize("net", ["net", "efficientnet-b0", "a-network-with-quite-a-long-name"])
def test_no_word_of_the_legend_is_cut_off(net):
    tall = np.zeros((160, 100), bool)
    tall[40:80, 20:60] = True
    words = Wording("Ridge, July 2016", f"outline by {net}", "true outline", "Ridge from above.")
    pixels = read_pixels(draw_map(make_ground(tall), words))
    legend = pixels[int(0.9 * len(pixels)) :, -4:]
    assert (legend > 230).all()
