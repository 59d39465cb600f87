"""A trial: one strategy on one order of a stream, and what came of it. No torch, no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import mean

from pydantic import Field

from glacier import seals, store
from glacier.archive.contents import read_outcomes
from glacier.config import Config
from glacier.continual.strategies import STRATEGIES, choose_strategies
from glacier.continual.stream import StreamTask, draw_orders, list_tasks
from glacier.errors import ConfigError
from glacier.evaluation.forgetting import ScoreMatrix
from glacier.geo.frames import find_overlaps, is_southern
from glacier.samples.folds import FoldMasks, Split, make_splits
from glacier.samples.sample_set import SampleSet, read_set, samples_folder
from glacier.settings.identity import digest, identity
from glacier.settings.model import RUNTIME_ONLY, SELECTION, Model
from glacier.training.saved import describe_samples

FORMAT = 1
"""Counts up when a trial's outcome changes for the same settings."""


def bytes_of_chip(bands: int, size_px: int) -> int:
    """Bytes of a chip with its label, as samples hold it: two a band and pixel, one for a label."""
    return size_px**2 * (2 * bands + 1)


class StreamKey(Model):
    """What tells a trial from the others of its stream."""

    strategy: str
    budget_percent: float | None
    """None where the strategy takes none."""
    order: int
    seed: int
    rate: float
    """Step size of Adam."""
    strength: float
    """Weight of the strategy's own term of the loss."""

    @property
    def name(self) -> str:
        """As messages and folders name it."""
        budget = "" if self.budget_percent is None else f"-b{self.budget_percent:g}"
        return (
            f"{self.strategy}{budget}-o{self.order}-s{self.seed}-r{self.rate:g}-k{self.strength:g}"
        )

    @property
    def method(self) -> tuple[str, float | None]:
        """Strategy and budget."""
        return self.strategy, self.budget_percent


class StreamOutcome(seals.Manifest):
    """What came of a trial."""

    key: StreamKey
    test: ScoreMatrix
    """IoU of the test parts."""
    validation: tuple[float, ...]
    """IoU of the validation part of each task in the end, by which learning rates are chosen."""
    train_s: float
    """Seconds of training alone."""
    kept_bytes: int
    """What was kept at the end besides one plain network."""
    parameters: int
    """Weights of the network at the end."""
    train_chips: tuple[int, ...]
    """Training chips of each task."""
    notes: dict[str, float] = Field(default_factory=dict)
    """What a strategy measured of itself, by name."""


@dataclass(frozen=True)
class StreamPlan:
    """What a benchmark works on. Workers share one; a trial is told to them by its key."""

    config: Config
    samples_at: str
    samples: SampleSet
    tasks: Sequence[StreamTask]
    orders: Sequence[tuple[int, ...]]
    splits: Sequence[Split]
    masks: FoldMasks
    folder: str

    def order(self, key: StreamKey) -> list[StreamTask]:
        """The tasks in a trial's order."""
        return [self.tasks[at] for at in self.orders[key.order]]

    def split(self, key: StreamKey) -> Split:
        """The parts of a trial: those of a fold by its seed."""
        return self.splits[key.seed % len(self.splits)]

    def place(self, key: StreamKey) -> str:
        """Folder of a trial."""
        return store.join(self.folder, key.name)

    def address(self, key: StreamKey) -> str:
        """Where a trial's outcome lies; written last, it says that the trial has ended."""
        return store.join(self.place(key), "done.json")

    def find(self, key: StreamKey, owned: bool = True) -> StreamOutcome | None:
        """A trial's outcome, if it has ended.

        Args:
            key: Of the trial.
            owned: This run alone works there, so a damaged file is said and set aside.
        """
        return seals.read_whole(self.address(key), StreamOutcome, owned)

    def budget_bytes(self, percent: float | None, train_chips: Sequence[int]) -> int:
        """What may be kept of earlier tasks: the bytes of a share of all chips, of one at least.

        Args:
            percent: Of the chips; None: nothing.
            train_chips: Training chips of each task.
        """
        if percent is None:
            return 0
        chips = max(1, round(percent / 100 * sum(train_chips)))
        return chips * bytes_of_chip(len(self.samples.bands), self.samples.size_px)

    @property
    def methods(self) -> list[tuple[str, float | None]]:
        """Strategies with their budgets."""
        settings = self.config.continual
        return [
            (name, budget)
            for name in choose_strategies(settings.strategies)
            for budget in (settings.budgets_percent if STRATEGIES[name].uses_budget else (None,))
        ]

    def list_choices(self) -> list[StreamKey]:
        """Trials by whose validation parts each strategy's rate and strength are chosen."""
        settings = self.config.continual
        return [
            StreamKey(
                strategy=name,
                budget_percent=settings.tuning_budget if STRATEGIES[name].uses_budget else None,
                order=0,
                seed=0,
                rate=rate,
                strength=strength,
            )
            for name in choose_strategies(settings.strategies)
            for rate, strength in product(settings.learning_rates, STRATEGIES[name].strengths)
        ]

    def list_trials(self, chosen: Sequence[StreamKey]) -> list[StreamKey]:
        """All trials of the strategies whose rate and strength have been chosen.

        Args:
            chosen: A trial of each, of :meth:`list_choices`.
        """
        settings, best = self.config.continual, {key.strategy: key for key in chosen}
        return [
            best[name].model_copy(update={"budget_percent": budget, "order": order, "seed": seed})
            for name, budget in self.methods
            if name in best
            for order in range(settings.orders)
            for seed in range(settings.seeds)
        ]


def choose_best(outcomes: Sequence[StreamOutcome]) -> list[StreamKey]:
    """Of each strategy the trial with the highest mean validation IoU; the first among equals."""
    best: dict[str, StreamOutcome] = {}
    for found in outcomes:
        name = found.key.strategy
        if name not in best or mean_of(found) > mean_of(best[name]):
            best[name] = found
    return [found.key for found in best.values()]


def mean_of(found: StreamOutcome) -> float:
    """Mean validation IoU of all tasks at the end of a stream."""
    return mean(found.validation)


def plan_stream(config: Config) -> StreamPlan:
    """Part the samples of a run into tasks and folds.

    Raises:
        ConfigError: They hold too few tasks or units, or the folds leave no ground unseen.
        StoreError: The samples are not complete.
    """
    settings = config.continual
    if reason := explain_no_stream(config):
        raise ConfigError(reason)
    samples_at = samples_folder(config, read_outcomes(config))
    samples = read_set(samples_at)
    tasks = list_tasks(settings, samples.images)
    images = [key for key in samples.images if any(key in task.images for task in tasks)]
    grids = {name: frame.grid for name, frame in samples.regions.items()}
    southern = tuple(name for name, grid in grids.items() if is_southern(grid))
    overlaps = find_overlaps(grids)
    folds, blocks = config.sweep.folds, samples.blocks
    splits, _ = make_splits(images, folds, blocks, config.seed, overlaps, southern)
    return StreamPlan(
        config=config,
        samples_at=samples_at,
        samples=samples,
        tasks=tasks,
        orders=draw_orders(len(tasks), settings.orders, config.seed),
        splits=splits,
        masks=FoldMasks(folds.kind, blocks, (), southern),
        folder=store.join(
            store.absolute(config.storage),
            "continual",
            f"{config.name}-{name_stream(config, samples_at)}",
        ),
    )


def name_stream(config: Config, samples_at: str) -> str:
    """What tells the trials of a stream from those of others."""
    inputs = {
        "format": FORMAT,
        "samples": describe_samples(samples_at),
        "seed": config.seed,
        "folds": identity(config.sweep.folds),
        "settings": identity(config.continual, (RUNTIME_ONLY, SELECTION)),
    }
    return digest(inputs)[:8]


def explain_no_stream(config: Config) -> str:
    """Why a configuration has no stream to learn; nothing where it has."""
    try:
        choose_strategies(config.continual.strategies)
    except ConfigError as error:
        return str(error)
    folds, size, levels = config.sweep.folds, config.prepare.size_px, config.continual.levels
    if folds.kind != "by_block":
        return (
            f"sweep.folds.kind = {folds.kind}: every task needs training, validation and test "
            "ground of its own, which by_block gives; set it, and prepare.layout chips"
        )
    if not folds.validation_share or folds.hold_out_last:
        return (
            "continual needs validation ground in every fold, and all months: set "
            "sweep.folds.validation_share above 0 and hold_out_last false"
        )
    if size % 2 ** (levels - 1):
        return (
            f"prepare.size_px = {size}: a network of continual.levels = {levels} needs a multiple "
            f"of {2 ** (levels - 1)}; lower the levels"
        )
    return ""
