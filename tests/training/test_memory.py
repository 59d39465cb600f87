"""A training set that is larger than memory: its images are mapped, and read as they are wanted."""

import resource
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from glacier.geo.raster import Grid
from glacier.landsat import months_between
from glacier.samples.coding import REFLECTANCE
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.mapped_images import open_images
from glacier.samples.rows import write_rows
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet, read_set, write_set
from glacier.settings.folds import Folds
from glacier.settings.sweep import Sweep

SIDE, SIZE, LIMIT = 1024, 64, 1500 * 2**20
"""Sides of a month and of a window, pixels; memory that a process may have of its own, bytes."""
BYTES = (3 * 2 + 2) * SIDE**2
"""Of a month in the mapped files."""
MONTHS = 3 * LIMIT // BYTES + 1
"""Three times as much as the limit."""
ROOT = Path(__file__).parents[2]


def write_samples(folder: str) -> None:
    """Samples of one region: bright squares that move, in windows as large as the month."""
    days, months = months_between(date(1900, 1, 1), date(2100, 1, 1))[:MONTHS], []
    for at, day in enumerate(days):
        label = np.zeros((SIDE, SIDE), np.uint8)
        label[:, (8 * at) % SIDE : (8 * at) % SIDE + 900] = 1
        image = np.stack([9000 + 20000 * label.astype(np.uint16)] * 3)
        layers = {"image": image.tobytes(), "label": label.tobytes(), "extra": b""}
        row = {"sample_id": f"a_{at}", "region": "a", "month": day, "row_px": 0, "col_px": 0}
        row |= {"status": "ok", **layers}
        month = SampleMonth(region="a", month=day, status="ok", rows=1)
        months.append(write_rows(folder, [row], month))
    grid = Grid("EPSG:32608", 0.0, 0.0, 30.0, SIDE, SIDE)
    samples = SampleSet(
        bands=("nir", "red", "green"), blocks=(2, 2), size_px=SIDE, layout="chips",
        coding=(REFLECTANCE,) * 3, months=months,
        regions={"a": Frame(grid=grid, shape=(SIDE, SIDE))},
    )  # fmt: skip
    write_set(folder, samples)


def lay_out(folder: str) -> None:
    """Make the files of a set, as the first process of a node does."""
    with open_images(folder, read_set(folder)):
        pass


def train(folder: str, place: str, limit: int) -> None:
    """Train a small network on a set."""
    from glacier.training.fit import run_trial
    from glacier.training.trial import Trial
    from tests.support.discs import TINY

    samples = read_set(folder)
    settings = Sweep(
        encoders=(TINY,), epochs=2, steps_per_epoch=MONTHS // 8, learning_rate=3e-3,
        normalise="imagenet", batch_norm_momentum=0.3, folds=Folds(kind="shuffled"),
    )  # fmt: skip
    keys = tuple(month.key for month in samples.usable)
    trial = Trial(
        TINY, Split(0, keys[:1], keys[1:2], keys[2:]), settings, 7,
        samples.model_copy(update={"size_px": SIZE}), FoldMasks("shuffled", (2, 2)),
        f"{place}/trial", f"{place}/model",
    )  # fmt: skip
    with open_images(folder, samples) as images:
        run_trial(trial, images, lambda row: None)
        if not limit:
            return
        with pytest.raises(MemoryError):  # as they were held before: the limit is one
            _held = [np.array(image.numbers) for image in images]


def run_apart(folder: Path, place: Path | None, limit: int) -> None:
    """Lay out a set, or train on it, in a process of its own."""
    command = [sys.executable, __file__, str(folder), str(place or ""), str(limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what is not mapped")
def test_a_set_three_times_as_large_as_memory_trains_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "system")  # its own reserves 1 GB beforehand
    write_samples(str(tmp_path / "samples"))
    run_apart(tmp_path / "samples", None, LIMIT)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.npy")) > 3 * LIMIT
    weights = []
    for name, limit in (("limited", LIMIT), ("free", 0)):
        run_apart(tmp_path / "samples", tmp_path / name, limit)
        weights.append((tmp_path / name / "model" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


if __name__ == "__main__":
    _, samples_at, place_at, most = sys.argv
    # What a process maps from files is not limited by it.
    resource.setrlimit(resource.RLIMIT_DATA, (int(most) or -1, int(most) or -1))
    train(samples_at, place_at, int(most)) if place_at else lay_out(samples_at)
