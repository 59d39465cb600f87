"""Compositing a month: against xarray, and against reading the same scenes."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from row import Row, time_in_turn

SHAPE = (634, 394)
"""The Mendenhall at 30 m, pixels."""


def make_scenes() -> list[Any]:
    """Four scenes of seven bands, smooth ground under noise, three pixels in ten under cloud."""
    from scipy.ndimage import zoom

    from glacier.composite import Scene
    from glacier.landsat import BANDS

    rng = np.random.default_rng(0)
    ground = zoom(rng.uniform(8000, 40000, (len(BANDS), 18, 12)), (1, 40, 40), order=1)
    ground = ground[:, : SHAPE[0], : SHAPE[1]]
    return [
        Scene(
            f"s{k}",
            datetime(2020, 7, k + 1, tzinfo=UTC),
            {
                band: (layer + rng.normal(0, 300, SHAPE)).astype(np.uint16)
                for band, layer in zip(BANDS, ground, strict=True)
            },
            np.where(rng.random(SHAPE) < 0.3, 8, 64).astype(np.uint16),
            45.0,
        )
        for k in range(4)
    ]


def median_by_pixel(scenes: list[Any]) -> np.ndarray:
    """(B, H, W) clear-sky median of every pixel by itself, rounded half up: the reference."""
    from glacier.landsat import BANDS

    clear = np.stack([s.qa_pixel & 25 for s in scenes]) == 0
    stack = np.stack([[s.bands[band] for band in BANDS] for s in scenes]).astype(float)
    out = np.zeros(stack.shape[1:])
    for row, col in np.ndindex(*SHAPE):
        values = stack[clear[:, row, col], :, row, col]
        if len(values):
            out[:, row, col] = np.floor(np.median(values, axis=0) + 0.5)
    return out


def bench_composite() -> Row:
    """Median of the clear observations against xarray."""
    import xarray

    from glacier.composite import composite_scenes
    from glacier.landsat import BANDS

    scenes = make_scenes()
    stack = np.stack([np.stack([s.bands[band] for band in BANDS]) for s in scenes])
    dn = xarray.DataArray(stack.astype(np.float32), dims=("time", "band", "y", "x"))
    clear = xarray.DataArray(
        np.stack([s.qa_pixel & 25 for s in scenes]) == 0, dims=("time", "y", "x")
    )

    def ours() -> Any:
        return composite_scenes(scenes, "ice")

    def baseline() -> Any:
        return dn.where(clear).median("time")

    expected = median_by_pixel(scenes)
    np.testing.assert_array_equal(np.stack([ours().bands[band] for band in BANDS]), expected)
    np.testing.assert_allclose(np.nan_to_num(baseline().values), expected, atol=0.5)
    fast, slow = time_in_turn(9, ours, baseline)
    touched = sum(scene.qa_pixel.nbytes * (len(BANDS) + 1) for scene in scenes)
    return Row(
        what="composite_scenes: four scenes of seven bands, 634 x 394 px, one thread; equal to "
        "a loop over the pixels",
        against="xarray: where(clear).median('time') on a float32 stack that is there already, "
        "one thread",
        ours=fast,
        baseline=slow,
        unit="s",
        repeats=9,
        target=10,
        limit="about thirty passes over 16-bit blocks in the cache, each one NumPy call; a "
        "compiled kernel would need two",
        facts={"input_gb_per_s": round(touched / fast / 1e9, 2)},
    )


def bench_composite_vs_read() -> Row:
    """Compositing against only reading the same scenes."""
    from glacier.composite import composite_scenes
    from glacier.geo.raster import Grid, encode_cog, read_named

    scenes = make_scenes()
    grid = Grid("EPSG:32608", 0.0, 0.0, 30.0, *SHAPE)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for scene in scenes:
            path = Path(folder, f"{scene.scene_id}.tif")
            path.write_bytes(encode_cog({**scene.bands, "QA_PIXEL": scene.qa_pixel}, grid, {}))
            paths.append(path)
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        fast, slow = time_in_turn(
            9,
            lambda: composite_scenes(scenes, "ice"),
            lambda: [read_named(path) for path in paths],
        )
    return Row(
        what="composite_scenes of four scenes that are in memory",
        against="read_named of the same four scenes from cloud-optimised GeoTIFFs (deflate) in "
        "the disk cache, one thread",
        ours=fast,
        baseline=slow,
        unit="s",
        repeats=9,
        limit="none: reading the scenes is what a month costs",
        facts={"files_mb": round(megabytes, 1)},
    )
