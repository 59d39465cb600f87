"""What packs make of one GPU, beside the published loop on the same card; under eight minutes.

    PYTHONPATH=. python tests/benchmarks/gpu.py          # on a machine with a GPU
    PYTHONPATH=. python tests/benchmarks/gpu.py --toy    # on cores: small, to see that it runs

Results go to ``results/benchmarks/gpu.json``, part by part as they come.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))  # the other benchmarks

from train_epoch import prepare_published

from glacier.evaluation.results import Epoch
from glacier.flags import load_config
from glacier.geo.raster import Grid
from glacier.landsat import months_between
from glacier.samples.coding import Coding
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet
from glacier.settings.sweep import Sweep
from glacier.training.pack import Pack, run_pack
from glacier.training.process import configure_process, gpu_arithmetic
from glacier.training.throughput import Throughput
from glacier.training.trial import Trial

ROOT = Path(__file__).parents[2]
OUT = ROOT / "results" / "benchmarks" / "gpu.json"

FAST = {"precision": "bfloat16", "channels_last": True}
WAYS: dict[str, dict[str, Any]] = {
    "bfloat16": FAST,
    "bfloat16, order of sums not fixed": FAST | {"deterministic": False},
    "TF32": {"tf32": True, "channels_last": True},
    "float32": {},
}
"""Settings that the first encoder is measured with; all others with the first of them alone."""


@dataclass(frozen=True)
class Size:
    """How large the work is."""

    encoders: tuple[str, ...]
    wanted: tuple[int, ...]
    """Images a second that each encoder is to reach."""
    folds: int
    months: int
    side: int
    """Of an image, pixels."""
    epochs: int
    """That are measured."""
    sweep_epochs: int
    """Of the whole sweep."""
    device: str


FULL = Size(
    ("resnet34", "resnet50", "efficientnet-b4"), (1900, 1350, 850), 5, 98, 224, 6, 30, "cuda"
)
TOY = Size(("tu-test_efficientnet",), (0,), 2, 4, 64, 1, 1, "cpu")


def make_pictures(size: Size) -> tuple[Any, Any]:
    """Bright discs on noisy ground: (T, 3, H, W) float32 in 0..1, (T, H, W) uint8 0 and 1."""
    rng, side = np.random.default_rng(0), size.side
    rows, cols = np.indices((side, side))
    images, labels = [], []
    for _ in range(size.months):
        row, col = rng.uniform(0.25, 0.75, 2) * side
        disc = (rows - row) ** 2 + (cols - col) ** 2 < (0.22 * side) ** 2
        image = 0.2 + 0.5 * disc + rng.normal(0, 0.05, (3, side, side))
        images.append(np.clip(image, 0, 1).astype(np.float32))
        labels.append(disc.astype(np.uint8))
    return np.stack(images), np.stack(labels)


def make_months(size: Size) -> list[MonthImage]:
    """The pictures as month images."""
    coding, months = Coding.plain(3), months_between(date(2014, 1, 1), date(2030, 1, 1))
    nothing = np.zeros((0, size.side, size.side), np.uint16)
    return [
        MonthImage("a", month, coding.encode(image), coding, label, nothing, np.zeros_like(label))
        for month, image, label in zip(months, *make_pictures(size), strict=False)
    ]


def make_trials(
    encoder: str, size: Size, images: list[MonthImage], settings: Sweep, folder: Path
) -> list[Trial]:
    """The folds of an encoder, as the published experiment parts them: no validation part."""
    grid = Grid("EPSG:32608", 0.0, 0.0, 30.0, size.side, size.side)
    samples = SampleSet(
        bands=("nir", "red", "green"),
        size_px=size.side,
        layout="resize",
        resize=(size.side, size.side),
        blocks=(5, 5),
        regions={"a": Frame(grid=grid, shape=(size.side, size.side))},
        months=[SampleMonth(region="a", month=image.month, status="ok") for image in images],
    )
    keys, trials = [image.key for image in images], []
    for fold in range(size.folds):
        test = tuple(keys[fold :: size.folds])
        split = Split(fold, test, (), tuple(key for key in keys if key not in test))
        here, model = (str(folder / part / encoder / str(fold)) for part in ("trial", "model"))
        masks = FoldMasks("shuffled", samples.blocks)
        trials.append(Trial(encoder, split, settings, 42, samples, masks, here, model))
    return trials


def make_settings(size: Size, **changes: Any) -> Sweep:
    """Settings of the published experiment for this machine."""
    published = load_config([str(ROOT / "jobs" / "notebook.yaml")], "").sweep
    share = 1 / size.folds if size.device == "cuda" else 0.0
    plain = {"gpus_per_trial": share, "pack": size.folds, "checkpoint_s": 1e6}
    return published.model_copy(update=plain | changes)


def train_some(
    trials: list[Trial], images: list[MonthImage], epochs: int, at_once: int
) -> tuple[Pack, float]:
    """Train a pack for some epochs, without end or test; the median rate, images a second."""
    pack = Pack(trials, images, lambda trial, row: None)
    pack.throughput = Throughput(at_once)
    with gpu_arithmetic(trials[0].settings.deterministic):
        pack.admit()
        for _ in range(epochs):
            pack.run_epoch()
    return pack, pack.throughput.rate(at_once)


def measure_rates(size: Size, images: list[MonthImage], folder: Path) -> Iterator[dict[str, Any]]:
    """Rates of packs, a row for each encoder and way."""
    for encoder, wanted in zip(size.encoders, size.wanted, strict=True):
        for way, changes in WAYS.items():
            if encoder == size.encoders[0] or changes == FAST:
                settings = make_settings(size, **changes)
                trials = make_trials(encoder, size, images, settings, folder)
                pack, rate = train_some(trials, images, size.epochs, size.folds)
                row = {"encoder": encoder, "way": way, "folds": size.folds, "images_per_s": rate}
                if changes == FAST:
                    said = pack.describe(pack.running[0])
                    row |= {"wanted": wanted, "share_of_products": said and said.share}
                del pack
                gc.collect()  # the next needs its memory
                yield row


def measure_published(size: Size, folder: Path) -> Iterator[dict[str, Any]]:
    """Rates of the published loop, images a second, training alone."""
    pictures = make_pictures(size)
    trained = size.months - size.months // size.folds
    for encoder in size.encoders:
        train, _ = prepare_published(encoder, folder, pictures, trained, size.device)
        train()
        seconds = [time_once(train) for _ in range(2)]
        yield {"encoder": encoder, "images_per_s": trained / statistics.median(seconds)}


def time_once(work: Callable[[], object]) -> float:
    """Seconds of some work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare_bits(size: Size, images: list[MonthImage], folder: Path) -> Iterator[dict[str, Any]]:
    """Whether weights and moments are the same alone and packed, a row for each encoder."""
    for encoder in {size.encoders[0], size.encoders[-1]}:
        trials = make_trials(encoder, size, images, make_settings(size, **FAST), folder)
        last = size.folds - 1
        together, _ = train_some(trials, images, 2, size.folds)
        alone, _ = train_some(trials[last:], images, 2, 1)
        states = [
            pack.running[at].learner.model.state_dict()
            for pack, at in ((together, last), (alone, 0))
        ]
        differ = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
        yield {"encoder": encoder, "epochs": 2, "tensors": len(states[0]), "differ": len(differ)}


def time_sweep(size: Size, images: list[MonthImage], folder: Path, **changes: Any) -> float:
    """Seconds of the published experiment, from samples to tested and exported models."""
    settings = make_settings(size, epochs=size.sweep_epochs, **changes)
    rows: list[Epoch] = []

    def run() -> None:
        for encoder in size.encoders:
            trials = make_trials(encoder, size, images, settings, folder)
            failed = run_pack(trials, images, lambda trial, row: rows.append(row))
            assert not failed, failed

    seconds = time_once(run)
    assert len(rows) == len(size.encoders) * size.folds * size.sweep_epochs
    return seconds


def describe_device(device: str) -> dict[str, Any]:
    """The card, and what drives it."""
    found: dict[str, Any] = {"torch": torch.__version__, "cuda": torch.version.cuda, "card": "none"}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "card": properties.name,
            "memory_gb": round(properties.total_memory / 1e9),
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


def measure(size: Size, out: Path) -> dict[str, Any]:
    """Measure all, and write what is known after each part."""
    configure_process(1)
    images, began = make_months(size), time.monotonic()
    found: dict[str, Any] = {"schema": 1, "machine": describe_device(size.device)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], Any]] = {
            "packed": lambda: list(measure_rates(size, images, folder / "rates")),
            "published": lambda: list(measure_published(size, folder)),
            "packed_and_alone": lambda: list(compare_bits(size, images, folder / "bits")),
            "sweep_s": lambda: {
                "as in jobs/notebook.yaml": time_sweep(size, images, folder / "a"),
                "bfloat16": time_sweep(size, images, folder / "b", **FAST),
            },
        }
        for part, work in parts.items():
            found[part] = work()
            found["seconds"] = time.monotonic() - began
            print(part, json.dumps(found[part]), flush=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(found, indent=1) + "\n")
    return found


def main(arguments: list[str]) -> int:
    """Measure on the GPU, or a toy on cores; 1 where packed is not as alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--toy", action="store_true", help="small, on cores")
    parser.add_argument("--out", type=Path, default=OUT, help="file of the results")
    flags = parser.parse_args(arguments)
    if not flags.toy and not torch.cuda.is_available():
        print("there is no GPU here; --toy runs a small piece of it on cores", file=sys.stderr)
        return 2
    found = measure(TOY if flags.toy else FULL, flags.out)
    return int(any(row["differ"] for row in found["packed_and_alone"]))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
