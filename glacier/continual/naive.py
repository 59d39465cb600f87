"""Naive fine-tuning: one task after the other, and nothing is done against forgetting."""

from __future__ import annotations

from glacier.continual.strategy import Strategy


class Naive(Strategy):
    """The floor: each task is learned from where the one before has left the weights.

    Source:
        McCloskey & Cohen 1989, Catastrophic interference in connectionist networks, Psychology of
        Learning and Motivation 24.
    """
