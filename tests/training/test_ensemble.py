"""The mean of the encoders is scored on the core that its task was given."""

import cv2
import pytest

from glacier.samples.folds import FoldMasks, Split
from glacier.training import ensemble
from glacier.training.saved import SweepPlaces
from tests.support.discs import make_samples
from tests.support.sweeps import make_sweep

TRIAL = make_sweep({"net": [0.5]}).trials[0]


def test_a_fold_takes_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV would else take all of them in every task."""
    threads: list[int] = []

    class Reader:
        def __init__(self, *_: object) -> None:
            self.thresholds = {("net", 0): 0.5}
            threads.append(cv2.getNumThreads())

    monkeypatch.setattr(ensemble, "Predictions", Reader)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(2)
        masks = FoldMasks("shuffled", (1, 1))
        split, places = Split(0, (), (), ()), SweepPlaces("", "", "", "")
        ensemble.score_ensemble_fold((TRIAL,), (), make_samples(), masks, split, places)
    finally:
        cv2.setNumThreads(before)
    assert threads == [1]
