"""What the published experiment was set to, printed and claimed: a notebook of 2024.

It looked at ten years of the Mendenhall Glacier, month by month, with three encoders.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedLosses:
    """Dice losses that the published experiment gave for one encoder."""

    lowest: float
    """Of all epochs and folds."""
    last_mean: float | None = None
    """Mean of the folds' last epochs."""
    last: tuple[float, ...] = ()
    """Those one by one."""


INTRODUCTION = (
    "a notebook of 2024 that mapped the Mendenhall Glacier in ten years of monthly images with "
    "three encoders"
)
"""What it was, as an apposition, wherever a page speaks of the published experiment."""

PUBLISHED = {
    "resnet34": PublishedLosses(0.0810, 0.1059, (0.0810, 0.0968, 0.1424, 0.1175, 0.0917)),
    "resnet50": PublishedLosses(0.0865),
    "efficientnet-b4": PublishedLosses(0.0796),
}
"""Encoder to what was printed of it.

Source: the notebook's own output; resnet34's fifth value follows from the printed mean.
"""

SLIPS = (
    "labels cut out of a drawn figure, margins included",
    "masks resized with bilinear interpolation, which makes soft labels at every edge",
    "a shuffled test loader whose batches of 8, 8 and 1 weigh one image eight times",
    "the 30th as an exclusive end of every month, which loses up to two days",
    "logits cut at 0.5, which is a probability of 0.62",
    "pictures drawn with batch statistics instead of evaluation mode",
)
"""What the published experiment did and a repeat of it here does not."""

PUBLISHED_RUN: dict[str, object] = {
    "ingest.source": "earthengine",
    "ingest.cloud_profile": "notebook",
    "ingest.min_valid_share": 0.0,
    "months.first": "2014-01",
    "months.last": "2023-12",
    "prepare.layout": "resize",
    "prepare.size_px": 224,
    "prepare.image": ["nir", "red", "green"],
    "prepare.scale": "own_maximum",
    "prepare.label.kind": "threshold",
    "prepare.label.threshold": 128,
    "prepare.label.unseen": "background",
    "sweep.encoders": ["resnet34", "resnet50", "efficientnet-b4"],
    "sweep.encoder_weights": "imagenet",
    "sweep.protocol": "notebook",
    "sweep.folds.kind": "shuffled",
    "sweep.folds.count": 5,
    "sweep.folds.hold_out_last": True,
    "sweep.epochs": 30,
    "sweep.steps_per_epoch": None,
    "sweep.batch_size": 8,
    "sweep.learning_rate": 1e-4,
    "sweep.schedule": "constant",
    "sweep.warm_up_epochs": 0,
    "sweep.patience_epochs": None,
    "sweep.weight_decay": 0.0,
    "sweep.loss": "dice",
    "sweep.batch_norm_momentum": None,
    "sweep.normalise": "imagenet",
    "sweep.flips": False,
    "sweep.brightness_jitter": 0.0,
    "sweep.test_time_augmentation": False,
    "sweep.calibrate": False,
}
"""Settings of the published experiment. Source: the notebook."""

PUBLISHED_USABLE, PUBLISHED_TOTAL = 82, 120
"""Months that the published experiment kept, and asked for. Source: the notebook."""

USABLE_RULE = {
    "ingest.cloud_profile": "notebook",
    "ingest.min_valid_share": 0.0,
    "months.first": "2014-01",
    "months.last": "2023-12",
}
"""Settings under which the published experiment counted them."""
