"""One fold of a pack: a learner whose steps are recorded, on a lane of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from glacier.evaluation.results import Epoch
from glacier.samples.month_images import MonthImage
from glacier.training.feeds import Feed, ResidentFeed, StreamedFeed
from glacier.training.glance import Glance
from glacier.training.lane import Lane, Work
from glacier.training.learner import Learner, OnEpoch
from glacier.training.resident import ResidentImages
from glacier.training.sampler import WindowTable
from glacier.training.selection import Selection


class PackedFold:
    """A learner that takes its steps in turn with others, and with the same result as alone.

    A step reads from the device all that it needs: the table of the epoch's windows, its number
    within the epoch, the step size; and writes its loss there. So one recording serves all steps
    with a batch of one size.
    """

    def __init__(
        self,
        learner: Learner,
        images: Sequence[MonthImage],
        resident: ResidentImages | None,
        on_epoch: OnEpoch,
    ) -> None:
        """Go on from the last checkpoint, and record the steps.

        Args:
            learner: The network, fresh.
            images: All month images.
            resident: The same on the network's device; None: they are streamed to it.
            on_epoch: Told of each epoch that has ended, those before the checkpoint first.
        """
        self.learner, self.images, self.on_epoch = learner, images, on_epoch
        self.lane = Lane(learner.device)
        self.feed: Feed = (
            StreamedFeed(learner, images) if resident is None else ResidentFeed(learner, resident)
        )
        self.checkpoint = learner.restore()
        for row in self.checkpoint.epochs:
            on_epoch(row)
        self.sizes = learner.sampler.batch_sizes(learner.settings)
        self.at = torch.zeros(1, dtype=torch.int64, device=learner.device)
        """Number of the step within the epoch."""
        self.numbers = torch.arange(len(self.sizes), device=learner.device)
        self.losses = torch.zeros(len(self.sizes), device=learner.device)
        self.ahead: WindowTable | None = None
        with keep_state(learner, self.lane):
            learner.model.train()
            self.steps: dict[int, Work] = {
                size: self.lane.record(partial(self.step, size)) for size in set(self.sizes)
            }
            self.glance = None
            if resident is not None:
                self.glance = Glance(learner, images, resident, self.lane)

    @property
    def epoch(self) -> int:
        """Number of the epoch that comes next, from 0."""
        return self.checkpoint.epoch + 1

    @property
    def is_done(self) -> bool:
        """Whether no epoch is missing."""
        return self.learner.is_done(self.checkpoint)

    def step(self, size: int) -> None:
        """One step with a batch of so many windows; this is what is recorded."""
        loss = self.learner.step(*self.feed.batch(size, self.at))
        self.losses.copy_(torch.where(self.numbers == self.at, loss, self.losses))
        self.at.copy_((self.at + 1) % len(self.sizes))

    def draw(self, epoch: int) -> WindowTable:
        """The windows of an epoch, as the learner alone would draw them."""
        learner = self.learner
        rng = np.random.default_rng(learner.trial.seed_at(epoch))
        return learner.sampler.draw_table(self.images, rng, learner.settings)

    def draw_ahead(self) -> None:
        """Draw the windows of the epoch after this one, while the GPU works."""
        if self.epoch + 1 < self.learner.settings.epochs:
            self.ahead = self.draw(self.epoch + 1)

    def begin_epoch(self) -> None:
        """Make ready for the steps of the next epoch."""
        table, self.ahead = self.ahead or self.draw(self.epoch), None
        self.lane.follow()
        self.lane.seed(self.learner.trial.seed_at(self.epoch))
        with self.lane.use():
            self.learner.model.train()
            self.at.zero_()
            self.feed.load(table)

    def run_step(self, number: int) -> None:
        """Take a step of the epoch; on a GPU this asks for it and does not wait."""
        steps = len(self.sizes)
        if number < steps:
            with self.lane.use():
                self.learner.set_step_size(self.epoch + number / steps, 1 / steps)
                self.feed.advance(self.sizes[number])
                self.steps[self.sizes[number]]()

    def score(self) -> Selection:
        """Scores on the split that chooses."""
        if self.glance is not None:
            return self.glance.score()
        return self.learner.validate(self.images, self.learner.trial.selection_units)

    def end_epoch(self, row: Epoch) -> None:
        """Note an epoch."""
        self.learner.end_epoch(self.checkpoint, row, self.on_epoch)


@contextmanager
def keep_state(learner: Learner, lane: Lane) -> Iterator[None]:
    """Undo what recordings do to weights, running statistics and moments, where they lie."""
    before = [tensor.clone() for tensor in list_state(learner)]
    yield
    lane.wait()
    for tensor, kept in zip_longest(list_state(learner), before):
        if kept is None:  # moments of a fresh optimizer, which begin at zero
            tensor.zero_()
        else:
            tensor.copy_(kept)


def list_state(learner: Learner) -> list[Tensor]:
    """All tensors that a step changes: of the network, then of the optimizer."""
    moments = [
        value
        for state in learner.optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    ]
    return [*learner.model.state_dict().values(), *moments]
