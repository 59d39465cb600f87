"""The calendar: every outcome has its own look, and nothing is left out unsaid."""

import io
import json
from datetime import date
from itertools import pairwise

import numpy as np
from PIL import Image

from glacier.plots import calendar
from glacier.plots.figures import Picture


def pixels_of(picture: Picture) -> np.ndarray:
    with Image.open(io.BytesIO(picture.png)) as image:
        return np.asarray(image.convert("RGB")).reshape(-1, 3)


def test_a_calendar_gives_each_share_and_each_outcome_its_own_look():
    month = date(2014, 5, 1)
    outcomes = [
        *[calendar.Square(month, "ok", share=share) for share in (0.0, 0.19, 0.2, 0.99, 1.0)],
        *[calendar.Square(month, "empty", why) for why in (*calendar.REASONS, "else")],
        calendar.Square(month, "failed", "SourceError"),
    ]
    looks = [json.dumps(calendar.style_square(square), sort_keys=True) for square in outcomes]
    assert looks[0] == looks[1] != looks[2] and looks[3] == looks[4]
    assert len(set(looks)) == 3 + 7 + 1
    letters = [calendar.mark_of(square)[0] for square in outcomes[5:]]
    assert len(set(letters)) == len(letters) == 8
    greys = [np.dot(tuple(bytes.fromhex(c[1:])), (0.3, 0.59, 0.11)) for c in calendar.SHARES]
    assert all(a - b > 20 for a, b in pairwise(greys))  # told apart on a black and white print


def test_a_calendar_holds_ten_years_and_says_what_it_leaves_out():
    months = [date(year, m, 1) for year in range(2014, 2024) for m in range(1, 13)]
    dark = ("empty", "solar_zenith")
    squares = [
        calendar.Square(m, *(dark if m.month in (1, 12) else ("ok", "")), share=0.7) for m in months
    ]
    one = calendar.draw_calendar({"a": squares})
    assert "a: 120 months, 100 with an image (70 to 70 %" in one.alt
    assert "20 sun too low." in one.alt
    assert one.size_px[1] < 900 and len(one.png) < 60_000
    blue = tuple(bytes.fromhex(calendar.SHARES[3][1:]))
    share = (np.abs(pixels_of(one).astype(int) - blue).max(axis=1) < 8).mean()
    assert 0.35 < share < 0.75  # ten of twelve columns, less gaps, letters and legend
    many = calendar.draw_calendar(dict.fromkeys("abcdef", squares))
    four = calendar.draw_calendar(dict.fromkeys("abcd", squares))
    assert many.size_px[0] == four.size_px[0] and many.png != four.png  # it says so
    assert "d: 120" in many.alt and "e: 120" not in many.alt
    assert many.alt.endswith("2 more regions are not shown.")
