"""An epoch of training against the published loop, each in a process of its own.

python train_epoch.py ours resnet34    # runs an epoch for every line on its input
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from row import Row

TRAIN, TEST, SIZE, BATCH, THREADS, REPEATS = 48, 16, 224, 8, 2, 3


def bfloat16_gains() -> bool:
    """Whether this processor multiplies matrices faster in bfloat16 than in float32."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def best_settings() -> dict[str, Any]:
    """Settings of a sweep that train fastest on this processor."""
    if bfloat16_gains():
        return {"precision": "bfloat16", "channels_last": True}
    return {"precision": "float32", "channels_last": False}


def make_pictures() -> tuple[Any, Any]:
    """Bright discs on noisy ground: (N, 3, H, W) float32 in 0..1, (N, H, W) uint8 0 and 1."""
    rng = np.random.default_rng(0)
    rows, cols = np.indices((SIZE, SIZE))
    images, labels = [], []
    for _ in range(TRAIN + TEST):
        row, col = rng.uniform(50, 170, 2)
        disc = (rows - row) ** 2 + (cols - col) ** 2 < 50**2
        image = 0.2 + 0.5 * disc + rng.normal(0, 0.05, (3, SIZE, SIZE))
        images.append(np.clip(image, 0, 1).astype(np.float32))
        labels.append(disc.astype(np.uint8))
    return np.stack(images), np.stack(labels)


def prepare_ours(encoder: str, folder: Path) -> Callable[[], object]:
    """The product's epoch: train on month images in memory, score the part that chooses."""
    from glacier.landsat import months_between
    from glacier.samples.coding import Coding
    from glacier.samples.folds import FoldMasks, Split
    from glacier.samples.month_images import MonthImage
    from glacier.samples.sample_set import SampleSet
    from glacier.settings.folds import Folds
    from glacier.settings.sweep import Sweep
    from glacier.training.learner import Learner
    from glacier.training.process import configure_process
    from glacier.training.sampler import WindowSampler
    from glacier.training.trial import Trial

    configure_process(THREADS)
    first, last = (np.datetime64(day).astype(object) for day in ("2014-01-01", "2019-04-01"))
    coding, nothing = Coding.plain(3), np.zeros((0, SIZE, SIZE), np.uint16)
    images = [
        MonthImage("a", month, coding.encode(image), coding, label, nothing, np.zeros_like(label))
        for month, image, label in zip(months_between(first, last), *make_pictures(), strict=True)
    ]
    keys = [image.key for image in images]
    split = Split(0, (), tuple(keys[TRAIN:]), tuple(keys[:TRAIN]))
    settings = Sweep(
        encoders=(encoder,),
        folds=Folds(kind="shuffled"),
        batch_size=BATCH,
        cpus_per_trial=THREADS,
        **best_settings(),
    )
    samples = SampleSet(
        bands=("nir", "red", "green"), size_px=SIZE, layout="resize", blocks=(5, 5), regions={},
        months=(),
    )  # fmt: skip
    masks = FoldMasks("shuffled", samples.blocks)
    trial = Trial(encoder, split, settings, 0, samples, masks, str(folder))
    train = [masks.mask(image, split.train) for image in images]
    sampler = WindowSampler.plan(images, train, SIZE, whole=True)
    learner = Learner(trial, sampler, np.full(3, 0.3, np.float32), np.full(3, 0.2, np.float32))

    def run() -> None:
        learner.run_epoch(images, 0)
        learner.validate(images, split.validation)

    return run


def prepare_baseline(encoder: str, folder: Path) -> Callable[[], object]:
    """The published epoch: training, then the loss of the test pictures."""
    import torch

    torch.set_num_threads(THREADS)
    train, score = prepare_published(encoder, folder, make_pictures(), TRAIN, "cpu")

    def run() -> None:
        train()
        score()

    return run


def prepare_published(
    encoder: str, folder: Path, pictures: tuple[Any, Any], trained: int, device: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """The published loop: pictures read with PIL in every epoch, DataLoader, float32, Adam.

    Args:
        encoder: Name in segmentation-models-pytorch.
        folder: Where the pictures are written.
        pictures: As of :func:`make_pictures`.
        trained: How many of them train; the others test.
        device: As torch names it.

    Returns:
        What trains for an epoch, and what scores the test pictures.
    """
    import segmentation_models_pytorch as smp
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms

    side, size = pictures[1].shape[-1], (400, 340)  # of the published cut
    for k, (image, label) in enumerate(zip(*pictures, strict=True)):
        picture = Image.fromarray((image.transpose(1, 2, 0) * 255).astype(np.uint8))
        picture.resize(size).save(folder / f"{k:02d}.png")
        Image.fromarray(label * 255).resize(size).save(folder / f"{k:02d}_mask.png")

    class Pictures(Dataset[Any]):
        """Image and mask as the published data set makes them."""

        def __init__(self, numbers: range) -> None:
            self.numbers = numbers
            self.resize = transforms.Resize((side, side))
            self.to_tensor = transforms.ToTensor()
            self.normalise = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

        def __len__(self) -> int:
            return len(self.numbers)

        def __getitem__(self, at: int) -> tuple[Any, Any]:
            number = self.numbers[at]
            picture = Image.open(folder / f"{number:02d}.png").convert("RGB")
            mask = Image.open(folder / f"{number:02d}_mask.png").convert("L")
            image = self.normalise(self.to_tensor(self.resize(picture)))
            return image, self.to_tensor(self.resize(mask))

    train = DataLoader(Pictures(range(trained)), batch_size=BATCH, shuffle=True)
    test = DataLoader(Pictures(range(trained, len(pictures[0]))), batch_size=BATCH)
    torch.manual_seed(0)
    model = smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=1).to(device)
    loss_of = smp.losses.DiceLoss(mode="binary")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def run_epoch() -> None:
        model.train()
        total = 0.0
        for image, mask in train:
            optimizer.zero_grad()
            loss = loss_of(model(image.to(device)), mask.to(device))
            loss.backward()
            optimizer.step()
            total += loss.item()
        assert np.isfinite(total)

    def score() -> None:
        model.eval()
        with torch.no_grad():
            total = sum(
                loss_of(model(image.to(device)), mask.to(device)).item() for image, mask in test
            )
        assert np.isfinite(total)

    return run_epoch, score


def count_operations(encoder: str) -> float:
    """Multiplications and additions of an epoch: forward once, backward twice that."""
    import segmentation_models_pytorch as smp
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model = smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=1).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, SIZE, SIZE))
    return float(counter.get_total_flops() * (3 * TRAIN + TEST))


def product_rate(side: int = 2048, precision: str | None = None) -> float:
    """Operations a second of a matrix product, the best of several; None: at our precision."""
    import torch

    torch.set_num_threads(THREADS)
    kind = getattr(torch, precision or best_settings()["precision"])
    left, right = torch.ones(2, side, side, dtype=kind)
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - began)
    return 2 * side**3 / min(seconds)


class Worker:
    """A process that runs epochs of one way when asked."""

    def __init__(self, way: str, encoder: str) -> None:
        """Start it; its first epoch, which pays for all first times, is not counted."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, way, encoder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(THREADS)},
        )
        self.run()

    def run(self) -> float:
        """Seconds of an epoch."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print("epoch", file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def end(self) -> None:
        """End it."""
        self.process.communicate()


def describe_limit(share: float, precision: str, ratio: float) -> str:
    """What keeps an epoch from being faster, by its share of the matrix-product rate."""
    rate = f"ours runs at {share:.0%} of this machine's {precision} matrix-product rate"
    most = f"{ratio / share:.1f} times the baseline"
    if share > 0.5:
        return f"arithmetic: {rate}, so no more than {most} is possible at this precision"
    return (
        f"not arithmetic, which would allow {most} ({rate}), but what lies between the products: "
        "normalisations, activations, copies between layouts and precisions, depthwise layers"
    )


def bench_train_epoch(encoder: str) -> Row:
    """One epoch, ours and the published loop in turn, the other process waiting."""
    workers = [Worker("ours", encoder), Worker("baseline", encoder)]
    seconds = [[worker.run() for worker in workers] for _ in range(REPEATS)]
    for worker in workers:
        worker.end()
    fast, slow = (statistics.median(taken) for taken in zip(*seconds, strict=True))
    operations, rate = count_operations(encoder), product_rate()
    precision = best_settings()["precision"]
    share = operations / fast / rate
    return Row(
        what=f"Learner.run_epoch on {TRAIN} samples in memory with random flips, and "
        f"Learner.validate on {TEST}; {SIZE} px, batch {BATCH}, {THREADS} threads, {precision}",
        against="the published loop on the same pictures: PNG read and resized by PIL for every "
        f"item, DataLoader, float32, Adam, {THREADS} threads; then the loss on the {TEST}",
        ours=fast,
        baseline=slow,
        unit="s",
        repeats=REPEATS,
        target=1.9,
        limit=describe_limit(share, precision, slow / fast),
        facts={
            "product_gflop_per_s": round(rate / 1e9, 1),
            "epoch_gflop": round(operations / 1e9),
            "ours_share_of_product_rate": round(share, 3),
            "baseline_share_of_float32_product_rate": round(operations / slow / rate, 3)
            if precision == "float32"
            else None,
        },
    )


def main(way: str, encoder: str) -> None:
    """Run an epoch for every line that comes in, and answer its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        prepare = {"ours": prepare_ours, "baseline": prepare_baseline}[way]
        run = prepare(encoder, Path(folder))
        for _ in sys.stdin:
            began = time.perf_counter()
            run()
            print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
