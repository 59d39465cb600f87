"""What the measures of a report mean, in words that need no course in statistics."""

from __future__ import annotations

TERMS = {
    "Dice": "overlap of what is called glacier with what is labelled glacier; 1 is the same, 0 "
    "has nothing in common",
    "IoU": "the ground that both call glacier over the ground that either does; 1 is the same, "
    "and it is never above Dice",
    "precision": "of what it calls glacier, the share that is",
    "recall": "of the glacier, the share that it finds",
    "p": "how often equal methods would differ as much by chance; below 0.05 counts as a "
    "difference",
    "interval": "where the true value lies, 95 times of 100",
    "effect size": "the difference over how much it varies from fold to fold",
    "detectable": "the smallest true difference that these folds would show four times of five; "
    "a smaller one may go unseen",
    "boundary F1": "share of both outlines that runs within one pixel of the other; 1 is all",
    "distance": "from one outline to the nearest point of the other, on the ground",
    "area error": "predicted less labelled area, so misplaced ice cancels and missed ice does not",
    "ECE": "expected calibration error: the mean gap between the probability that was stated and "
    "the share that came true; 0 is honest",
    "Dice loss": "1 less a Dice that counts probabilities; training makes it small",
}
"""Measure to what it is; a table's note names those that stand in it."""
