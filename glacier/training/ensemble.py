"""The mean of the encoders that never saw a fold, scored on its test split."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import cv2
import numpy as np

from glacier.evaluation.agreement import Agreement, measure_agreement
from glacier.evaluation.results import EnsembleFold, TrialResult
from glacier.evaluation.scorecard import ScorecardBuilder
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.samples.sample_set import SampleSet
from glacier.training.saved import Predictions, SweepPlaces


def score_ensemble_fold(
    trials: Sequence[TrialResult],
    images: Sequence[MonthImage],
    samples: SampleSet,
    masks: FoldMasks,
    split: Split,
    places: SweepPlaces,
) -> EnsembleFold:
    """Score the mean of some models on the test split of their fold.

    The threshold of the mean is the mean of the models' thresholds.

    Args:
        trials: The fold's finished trials, one an encoder; two or more.
        images: All month images of the run.
        samples: Description of the samples.
        masks: Which pixels belong to which units.
        split: The fold.
        places: Where the trials lie.

    Raises:
        StoreError: Stored predictions are missing or damaged.
    """
    cv2.setNumThreads(1)  # a task has one core
    card, agreement = ScorecardBuilder(samples, masks, split.test), Agreement()
    models = [(trial.encoder, trial.fold) for trial in trials]
    with ExitStack() as stack:
        predictions = Predictions(stack, places, trials)
        level = float(np.mean([predictions.thresholds[model] for model in models]))
        for image in images:
            mask = masks.mask(image, split.test)
            found = predictions.of(models, image.key)
            if mask.any() and found:
                probability = np.mean(list(found.values()), axis=0) / 255
                card.add(image, mask, probability, level)
                votes = np.stack([predictions.classify(*each) for each in found.items()])
                agreement += measure_agreement(votes, probability >= level, image.label, mask)
    return EnsembleFold(
        fold=split.fold,
        members=tuple(trial.encoder for trial in trials),
        scorecard=card.build(),
        agreement=agreement,
    )
