"""The card of a model that knows everything."""

from typing import Any

from glacier.evaluation.metrics import Counts
from glacier.samples.folds import Split
from glacier.training.model_card import ModelCard
from tests.support.sweeps import make_image

TRAINING = {"folds": {"kind": "by_year"}}
SPLIT = Split(2, ("2016",), ("2015",), ("2014",))


def make_card(bands: tuple[str, ...] = ("nir", "red", "green"), **changes: Any) -> ModelCard:
    """A card with changed facts."""
    count = len(bands)
    values = {
        "encoder": "resnet34", "fold": 2, "resize": None, "pixel_m": (30, 30),
        "image": {"bands": bands, "scale": "reflectance", "range": (0, 1)},
        "inference": {"size_px": 128, "stride_px": 64, "mean": (0.3,) * count,
                      "std": (0.1,) * count},
        "parameters": 24_400_000, "temperature": 1.25, "threshold": 0.43, "seed": 7,
        "fill": (0.3,) * count, "label": {"kind": "truth"}, "split": SPLIT, "training": TRAINING,
        "data": {"regions": ["ridge", "col"], "first": "2014-05", "last": "2016-09", "images": 21},
        "scores": {"epoch_kept": 4, "was_chosen": True,
                   "tested": [make_image(Counts(tp=30, fp=10, fn=10, tn=50))]},
    }  # fmt: skip
    return ModelCard(**(values | changes))
