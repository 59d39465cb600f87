"""The quality flags of a whole scene, 69 million pixels, against a mask for every bit."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from row import NotHere, Row, time_in_turn


def bench_qa_decode() -> Row:
    """Shares of eight flags of a full-size QA_PIXEL band."""
    from glacier.geo.raster_files import safe_open
    from glacier.landsat import QA_FLAGS, qa_shares

    folder = os.environ.get("GLACIER_REAL_DATA")
    if not folder:
        raise NotHere("GLACIER_REAL_DATA is not set: the row counts a real scene")
    (path,) = Path(folder, "alaska_qa_pixel").glob("*_QA_PIXEL.TIF")
    with safe_open(path) as source:
        qa = source.read(1)

    def baseline() -> dict[str, float]:
        valid = (qa & 1) == 0
        pixels = valid.sum()
        shares = {"fill": float(1 - valid.mean())}
        for bit, flag in enumerate(QA_FLAGS[1:], start=1):
            shares[flag] = float(((qa & (1 << bit) != 0) & valid).sum() / pixels)
        return shares

    found, expected = qa_shares(qa), baseline()
    for flag, share in expected.items():
        np.testing.assert_allclose(found[flag], share, rtol=1e-12)
    repeats = 5
    ours, theirs = time_in_turn(repeats, lambda: qa_shares(qa), baseline)
    return Row(
        what="shares of eight quality flags by one histogram of the 65,536 values (OpenCV)",
        against="NumPy: a mask and a sum for every bit",
        ours=ours,
        baseline=theirs,
        unit="s",
        repeats=repeats,
        limit="one look at each pixel, at the speed of the histogram",
        facts={"pixels": int(qa.size), "ours_ns_per_pixel": 1e9 * ours / qa.size},
    )
