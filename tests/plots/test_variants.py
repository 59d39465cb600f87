import io

import numpy as np
import pytest
from PIL import Image

from glacier.plots.variants import draw_variants

ONE = {"plain": {"net": [0.8, 0.7, 0.9]}, "flips": {"net": [0.85, 0.75]}}
TWO = {variant: row | {"deep": [0.5, 0.6]} for variant, row in ONE.items()}


def test_the_picture_says_in_words_what_it_shows() -> None:
    picture = draw_variants({"test Dice": ONE, "validation Dice": {"plain": {"net": []}}})
    assert "test Dice of plain, net: mean 0.800, folds from 0.700 to 0.900." in picture.alt
    assert "validation" not in picture.alt  # nothing was measured there


@pytest.mark.parametrize("panels", [{"a": ONE}, {"a": TWO, "b": TWO}])
def test_every_variant_and_panel_has_its_room(panels: dict) -> None:
    picture = draw_variants(panels)
    with Image.open(io.BytesIO(picture.png)) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[:2] == picture.size_px
    assert picture.size_px[1] > 600 * len(panels)
    assert len(picture.png) < 100_000
    inked = (pixels < 250).any(axis=2)
    halves = np.array_split(inked, len(panels), axis=1)
    assert all(half.any() for half in halves) and not inked[0].any()  # nothing is cut off
