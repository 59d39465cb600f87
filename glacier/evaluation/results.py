"""What a sweep found: its trials, its baselines and its ensemble, as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from glacier.config import Config
from glacier.evaluation.agreement import Agreement
from glacier.evaluation.breakdown import late_summer_months
from glacier.evaluation.calibration import Calibration, Reliability
from glacier.evaluation.scorecard import Scorecard
from glacier.samples.folds import FoldMasks, Split
from glacier.seals import Manifest
from glacier.settings.model import Model
from glacier.settings.values import BareName

FORMAT = 15
"""Counts up when a sweep's bytes change for the same configuration."""

RESULT = "done.json"
"""Name of the file that says that a trial has ended, and how."""

PREDICTIONS = "predictions.npz"
"""Name of the file that holds a trial's probabilities of its test pixels."""


class Epoch(Model):
    """Metrics of one epoch of a trial."""

    epoch: int
    """From 0."""
    train_loss: float
    """Mean over the batches."""
    val_dice_loss: float | None = None
    """Soft Dice loss on the selection split; None where nothing chooses, likewise below."""
    val_dice: float | None = None
    val_iou: float | None = None
    images_per_s: float
    """Training samples a second."""
    seconds: float


class PackRate(Model):
    """How fast the trials of one encoder trained together on one GPU."""

    folds: int = Field(ge=1)
    """That trained at once, most of the time."""
    images_per_s: float
    """Training samples of all of them a second, median of the epochs."""
    share: float | None = None
    """Of the operations that the GPU does in plain products of matrices; None: not measured."""
    limit: str
    """What kept it from being faster, as words."""
    resident: bool
    """Whether the samples lay on the GPU; else they were streamed to it."""


class TrialResult(Manifest):
    """One (encoder, fold) that has ended well: ``done.json``, which vouches for its predictions."""

    encoder: BareName
    fold: int = Field(ge=0)
    best_epoch: int
    """Epoch whose weights were kept, as an index of the next."""
    epochs: tuple[Epoch, ...]
    scorecard: Scorecard
    """On the test split, by the weights that were kept."""
    calibration: Calibration = Calibration()
    uncalibrated: Reliability = Reliability()
    """The scorecard's reliability as it would be at temperature 1."""
    parameters: int
    gflop: float = 0.0
    """Operations of a prediction of one window, billions."""
    images_per_s: float
    """Training samples a second, median of the epochs."""
    epoch_s: float
    """Seconds an epoch, median."""
    train_s: float
    """Seconds of all epochs."""
    device: str = "cpu"
    threads: int = 1
    pack: PackRate | None = None
    """Of the pack that it trained in; None: on cores."""

    @property
    def kept(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.epochs[self.best_epoch]

    @property
    def epoch_kept(self) -> int:
        """Number of that epoch as people count, from 1."""
        return self.best_epoch + 1

    @property
    def was_chosen(self) -> bool:
        """Whether a split with known ice chose that epoch; else it is the last one."""
        return self.kept.val_dice_loss is not None

    @property
    def kept_loss(self) -> float:
        """Dice loss of that epoch: on the split that chose it, else the mean of its batches."""
        chosen = self.kept.val_dice_loss
        return self.kept.train_loss if chosen is None else chosen


class FailedTrial(Model):
    """One (encoder, fold) that has no result."""

    encoder: BareName
    fold: int = Field(ge=0)
    reason: str

    @classmethod
    def of(cls, encoder: str, fold: int, error: Exception) -> FailedTrial:
        """A trial that an error ended."""
        return cls(encoder=encoder, fold=fold, reason=f"{type(error).__name__}: {error}")


class BaselineFold(Model):
    """A simple method in one fold."""

    fold: int
    fitted: dict[str, float] = Field(default_factory=dict)
    """What was fitted to the training split, by name."""
    scorecard: Scorecard


class BaselineResult(Model):
    """A simple method in all folds, or why it could not be used."""

    title: str
    """As tables name it."""
    phrase: str
    """As a sentence names it."""
    is_rule: bool = False
    """It is a threshold on bands or indices."""
    is_rival: bool = True
    """It is not the very rule that made the labels."""
    reason: str | None = None
    """Why there are no scores."""
    folds: tuple[BaselineFold, ...] = ()


class EnsembleFold(Model):
    """The mean of the encoders that never saw a fold, on its test split."""

    fold: int
    members: tuple[str, ...]
    """Encoders."""
    scorecard: Scorecard
    agreement: Agreement


class EnsembleResult(Model):
    """The mean of the encoders in all folds, or why there is none."""

    reason: str | None = None
    folds: tuple[EnsembleFold, ...] = ()


class SweepResult(Manifest):
    """A finished sweep: ``sweep.json``, which vouches for the table of its trials."""

    format: int = FORMAT
    config: Config
    config_sha256: str = ""
    samples: BareName = "samples"
    """Name of the samples' folder in the storage, below ``samples``."""
    models: BareName | None = None
    """Name of the models' folder, below ``models``; None: nobody knows."""
    splits: tuple[Split, ...]
    held_out: tuple[str, ...] = ()
    """Keys of images that are in no fold."""
    southern: tuple[str, ...] = ()
    """Regions south of the equator, where a year begins in April."""
    trials: tuple[TrialResult, ...]
    failed: tuple[FailedTrial, ...] = ()
    baselines: dict[str, BaselineResult] = Field(default_factory=dict)
    ensemble: EnsembleResult = EnsembleResult()
    sweep_s: float | None = None
    """Seconds that it took; None where some trials had been done before."""

    @property
    def by_encoder(self) -> dict[str, tuple[TrialResult, ...]]:
        """Finished trials in the order of encoders and folds; no encoder without a trial."""
        return group_trials(self.config.sweep.encoders, self.trials)

    @property
    def bare(self) -> frozenset[int]:
        """Folds without known ice in their test split, whoever scored it: they decide nothing."""
        cards = [(trial.fold, trial.scorecard) for trial in self.trials]
        cards += [(row.fold, row.scorecard) for b in self.baselines.values() for row in b.folds]
        return frozenset(fold for fold, card in cards if not card.counts.glacier_pixels)

    @property
    def deciding(self) -> tuple[Split, ...]:
        """The other folds; one that nobody scored is among them."""
        bare = self.bare
        return tuple(split for split in self.splits if split.fold not in bare)

    @property
    def unchosen(self) -> tuple[int, ...]:
        """Folds whose selection split shows no ice, so that their last epochs were kept."""
        if not self.selection_split:
            return ()
        return tuple(sorted({trial.fold for trial in self.trials if not trial.was_chosen}))

    @property
    def selection_split(self) -> str | None:
        """What the split that chose the checkpoints is called; None where nothing chose."""
        if self.config.sweep.protocol == "notebook":
            return "test fold"
        return "validation" if self.config.sweep.folds.validation_share else None

    @property
    def loss_names(self) -> tuple[str, str | None]:
        """What the training loss, and the Dice loss of the selection split, are called."""
        mixed, selection = self.config.sweep.loss != "dice", self.selection_split
        training = "training, Dice + cross-entropy" if mixed else "training"
        return training, f"{selection}, Dice" if mixed and selection else selection

    @property
    def masks(self) -> FoldMasks:
        """Which pixels belong to which units."""
        prepare, sweep = self.config.prepare, self.config.sweep
        return FoldMasks(sweep.folds.kind, prepare.blocks, self.held_out, self.southern)

    @property
    def late_summer(self) -> tuple[int, ...] | None:
        """Calendar months, 1..12, of late summer where the tested images lie.

        None where they lie on both sides of the equator, or nothing was tested.
        """
        tested = {image.region for trial in self.trials for image in trial.scorecard.images}
        return late_summer_months(tested, self.southern)

    def split(self, fold: int) -> Split:
        """The units of a fold."""
        return next(split for split in self.splits if split.fold == fold)


def group_trials(
    encoders: Sequence[str], trials: Sequence[TrialResult]
) -> dict[str, tuple[TrialResult, ...]]:
    """Trials by encoder and fold in this order of encoders; none without a trial."""
    grouped = {
        name: tuple(sorted((t for t in trials if t.encoder == name), key=lambda t: t.fold))
        for name in encoders
    }
    return {name: found for name, found in grouped.items() if found}


def rank_kept(trial: TrialResult) -> tuple[bool, float]:
    """How well a trial's kept epoch did, less is better; one that nothing chose comes last."""
    return not trial.was_chosen, trial.kept_loss


def find_members(trials: Mapping[str, Sequence[TrialResult]], fold: int) -> tuple[str, ...]:
    """Encoders whose model of a fold is there: none of them saw its test split."""
    return tuple(name for name, found in trials.items() if any(t.fold == fold for t in found))


def explain_no_ensemble(
    encoders: Sequence[str], trials: Sequence[TrialResult], splits: Sequence[Split]
) -> str | None:
    """Why the encoders of a sweep cannot be averaged in every fold, or None."""
    if len(encoders) < 2:
        return "one encoder alone is no ensemble"
    grouped = group_trials(encoders, trials)
    short = [str(s.fold) for s in splits if len(find_members(grouped, s.fold)) < 2]
    return f"fewer than two encoders finished fold {', '.join(short)}" if short else None
