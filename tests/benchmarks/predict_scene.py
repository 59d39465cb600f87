"""A scene through a trained network: against MONAI's windows, and against bare matrix products."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from dice_parity import ENCODER, SEEDS, make_config, plan_trial
from row import NotHere, Row, time_in_turn
from train_epoch import THREADS, best_settings, bfloat16_gains, product_rate

SIDE, SIZE, STRIDE, SW_BATCH, REPEATS = 1536, 256, 192, 4, 3
SIDES = (1024, 2048, 4096)
"""Matrices whose product is timed; the fastest counts."""
SURE = 0.1
"""A probability that is further from 0.5 than this must be called the same in both precisions."""


@dataclass(frozen=True)
class Scene:
    """A trained network and an image to map."""

    model: Any
    """In evaluation mode, float32."""
    card: Any
    image: Any
    """(B, SIDE, SIDE) float32 reflectance, NaN where unseen."""

    def viewer(self, precision: str) -> Any:
        """What the product maps with."""
        from glacier.training.inference import Viewer

        windows = {"size_px": SIZE, "stride_px": STRIDE, "precision": precision}
        return Viewer.of(self.model, self.card.inference.model_copy(update=windows))

    def look(self, precision: str) -> Callable[[], Any]:
        """Our logits, (SIDE, SIDE) float32, of the whole image."""
        viewer, wanted = self.viewer(precision), np.ones((SIDE, SIDE), bool)
        return lambda: viewer.logits(self.image, wanted)

    def look_by_monai(self) -> Any:
        """The same by MONAI in float32, as its users call it."""
        import torch
        from monai.inferers import sliding_window_inference

        from glacier.training.unet import normalise

        inference = self.card.inference
        mean, std = (np.array(v, np.float32) for v in (inference.mean, inference.std))
        with torch.inference_mode():
            pixels = torch.from_numpy(normalise(self.image, mean, std))[None]
            overlap = 1 - STRIDE / SIZE
            answer = sliding_window_inference(pixels, (SIZE, SIZE), SW_BATCH, self.model, overlap)
        return answer[0, 0].numpy()


@contextmanager
def make_scene() -> Iterator[Scene]:
    """A network trained on the months of a synthetic glacier, and a mosaic of these months."""
    import torch

    from glacier.archive.ingest import run_ingest
    from glacier.samples.prepare import run_prepare
    from glacier.training.fit import run_trial
    from glacier.training.model_files import load_model

    with tempfile.TemporaryDirectory() as folder:
        config = make_config(folder)
        run_ingest(config)
        run_prepare(config)
        trial, images = plan_trial(config, SEEDS[0])
        run_trial(trial, images, lambda row: None)
        torch.set_num_threads(THREADS)
        yield Scene(*load_model(trial.model_folder), tile([month.image for month in images], SIDE))


def tile(images: list[Any], wanted: int) -> Any:
    """A mosaic of images, each in the eight orientations before it comes again."""
    from glacier.windows import turn

    side = images[0].shape[-1]
    count = -(-wanted // side)
    cells = [turn(images[k % len(images)], (k // len(images)) % 8) for k in range(count * count)]
    rows = [np.concatenate(cells[k : k + count], axis=2) for k in range(0, len(cells), count)]
    return np.ascontiguousarray(np.concatenate(rows, axis=1)[:, :wanted, :wanted])


def find_rate(precision: str) -> float:
    """Billions of operations a second of a large matrix product, the fastest of several sizes."""
    return max(product_rate(side, precision) for side in SIDES) / 1e9


def compare_masks(scene: Scene, fast: Any, exact: Any) -> dict[str, Any]:
    """How masks of two precisions differ, cut at a probability of 0.5."""
    from glacier.evaluation.calibration import Calibration

    scale = Calibration(scene.card.temperature)
    found, wanted = scale.probability(fast), scale.probability(exact)
    differs = (found >= 0.5) != (wanted >= 0.5)
    return {
        "glacier_share": round(float((wanted >= 0.5).mean()), 3),
        "share_of_pixels_called_otherwise": float(differs.mean()),
        "share_wanted_below": 0.005,
        "of_these_with_a_probability_outside_0.4_to_0.6": int(
            (differs & (np.abs(wanted - 0.5) > SURE)).sum()
        ),
        "largest_difference_of_a_probability": round(float(np.abs(found - wanted).max()), 4),
    }


def compare_corner(scene: Scene, ours: Any, theirs: Any) -> float:
    """The largest difference of a probability where one window alone lies."""
    from glacier.evaluation.calibration import Calibration

    scale, corner = Calibration(scene.card.temperature), np.s_[:STRIDE, :STRIDE]
    found, wanted = (scale.probability(logits[corner]) for logits in (ours, theirs))
    return float(np.abs(found - wanted).max())


def count_scene_gflop(scene: Scene) -> float:
    """Operations of the network on all windows of the scene, billions, as PyTorch counts them."""
    from glacier.training.unet import count_gflop
    from glacier.windows import window_starts

    windows = len(window_starts(SIDE, SIZE, STRIDE)) ** 2
    return windows * count_gflop(scene.model, len(scene.image), SIZE)


def describe_work(precision: str) -> str:
    """What ours is."""
    return (
        f"Viewer.logits, which maps, of a {SIDE} x {SIDE} px image in memory by a U-Net over "
        f"{ENCODER}: {SIZE} px windows every {STRIDE} px, no turned ones, {THREADS} threads, "
        f"{precision}; normalisation and blending included"
    )


def bench_predict_vs_monai() -> Row:
    """The same scene, network and windows by MONAI."""
    if find_spec("monai") is None:
        raise NotHere("monai is not installed; it is in the extra dev")
    precision = best_settings()["precision"]
    with make_scene() as scene:
        look, look_exactly = scene.look(precision), scene.look("float32")
        fast, slow = time_in_turn(REPEATS, look, scene.look_by_monai)
        exact = look_exactly()
        facts = compare_masks(scene, look(), exact)
        corner = compare_corner(scene, exact, scene.look_by_monai())
        gflop = count_scene_gflop(scene)
        gain = find_rate(precision) / (rate := find_rate("float32"))
    assert corner < 1e-4, f"in float32 a probability differs from MONAI's by {corner}"
    return Row(
        what=describe_work(precision),
        against=f"MONAI's sliding_window_inference with the same network, windows and threads, "
        f"float32, sw_batch_size {SW_BATCH}, its own blending, under inference_mode",
        ours=fast,
        baseline=slow,
        unit="s",
        repeats=REPEATS,
        target=3.5 if bfloat16_gains() else 1.3,
        limit=f"arithmetic: the baseline reaches {gflop / slow / rate:.0%} of this machine's "
        f"float32 product rate, ours {gflop / fast / rate / gain:.0%} of that in {precision}, "
        f"which is {gain:.2f} times as high",
        facts={
            "baseline_gflop_per_s": round(gflop / slow, 1),
            "ours_gflop_per_s": round(gflop / fast, 1),
            "megapixels_per_s": round(SIDE**2 / fast / 1e6, 3),
            "largest_difference_in_float32_where_one_window_lies": corner,
            **facts,
        },
    )


def bench_predict_vs_matmul() -> Row:
    """The scene's operations a second against those of a large matrix product."""
    precision, taken, rates = best_settings()["precision"], [], []
    with make_scene() as scene:
        look, gflop = scene.look(precision), count_scene_gflop(scene)
        look()
        for _ in range(REPEATS):
            began = time.perf_counter()
            look()
            taken.append(time.perf_counter() - began)
            rates.append(find_rate(precision))
    return Row(
        what=f"{describe_work(precision)}; operations as PyTorch counts those of the network, "
        f"{gflop:.0f} billion, also where ours gets by with fewer",
        against=f"torch.mm in the same precision with as many threads, the fastest of "
        f"{' '.join(map(str, SIDES))} squared",
        ours=gflop / statistics.median(taken),
        baseline=max(rates),
        unit="GFLOP/s",
        repeats=REPEATS,
        target=0.4,
        limit="the products themselves; normalisation, blending and pooling are the rest",
        higher_is_better=True,
        facts={"scene_s": round(statistics.median(taken), 2)},
    )
