"""A variant of a run: what differs, and what its sweep found by method, fold and split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from glacier.config import Config
from glacier.evaluation.comparison import Comparison, Kind, compare_methods, part_ratio
from glacier.evaluation.results import SweepResult, TrialResult
from glacier.evaluation.scores import MethodScores
from glacier.samples.sample_set import SampleSet
from glacier.settings.sweep import Sweep

SplitName = Literal["test", "validation"]
"""A split that is scored."""


@dataclass(frozen=True)
class Variant:
    """One variant of a run, with what its sweep found."""

    name: str
    changes: Mapping[str, JsonValue]
    """Dotted field to value: what differs from the configuration of the study."""
    sweep: SweepResult
    sha256: str
    """Checksum of the file that holds the sweep's results."""
    samples: SampleSet

    @property
    def config(self) -> Config:
        """The resolved configuration."""
        return self.sweep.config

    @property
    def settings(self) -> Sweep:
        """How it trained."""
        return self.sweep.config.sweep

    @cached_property
    def scores(self) -> Comparison:
        """The comparison of all its methods."""
        return compare_methods(self.sweep)

    @cached_property
    def scored(self) -> dict[str, MethodScores]:
        """Scores by method, of those that have any: encoders, their ensemble, baselines."""
        ensemble = {"ensemble": self.scores.ensemble} if self.scores.ensemble else {}
        return {**self.scores.encoders, **ensemble, **self.scores.scored_baselines}

    @cached_property
    def trials(self) -> dict[str, tuple[TrialResult, ...]]:
        """Finished trials by encoder, in the order of the folds."""
        return self.sweep.by_encoder

    @property
    def rival(self) -> str | None:
        """The best baseline by mean test Dice that is not the label's own rule; None without."""
        found = {
            name: scores.dice_mean
            for name, scores in self.scores.scored_baselines.items()
            if self.sweep.baselines[name].is_rival
        }
        return max(found, key=lambda name: found[name]) if found else None

    @property
    def rival_rules(self) -> list[str]:
        """Scored baselines that are a threshold on bands or indices, the label's own left out."""
        described = self.sweep.baselines
        return [
            name
            for name in self.scores.scored_baselines
            if described[name].is_rule and described[name].is_rival
        ]

    @cached_property
    def images(self) -> dict[int, set[str]]:
        """Fold to the keys of the images that it tests."""
        found: dict[int, set[str]] = {}
        for trial in self.sweep.trials:
            tested = {image.key for image in trial.scorecard.images}
            found.setdefault(trial.fold, set()).update(tested)
        return found

    def kind(self, method: str) -> Kind:
        """What sort of method one of its methods is."""
        if method in self.scores.encoders:
            return "encoder"
        return "ensemble" if method == "ensemble" else "baseline"

    def ratio(self, split: SplitName) -> float:
        """Size of a split over that of the training split, in tests of the folds that decide."""
        deciding = self.sweep.deciding if split == "test" else ()
        return part_ratio(deciding or self.sweep.splits, split)

    def units(self, split: SplitName) -> dict[int, list[str]]:
        """Fold to the units of a split."""
        return {found.fold: sorted(getattr(found, split)) for found in self.sweep.splits}

    def shares(self, other: Variant, *splits: SplitName) -> bool:
        """Whether both have the same units in these splits of every fold, and the same images."""
        same = all(self.units(split) == other.units(split) for split in splits)
        return same and self.images == other.images

    def test_dice(self, method: str) -> dict[int, float]:
        """Fold to test Dice of a method, of those that decide; empty where it has none."""
        scores = self.scored.get(method)
        return {f.fold: f.dice for f in scores.folds if f.decides} if scores else {}

    def validation_dice(self, method: str) -> dict[int, float]:
        """Fold to validation Dice of an encoder's chosen epoch.

        Empty for all but encoders, and where the test split itself chose the epoch, or nothing
        did.
        """
        if self.settings.protocol == "notebook":
            return {}
        kept = {trial.fold: trial.kept.val_dice for trial in self.trials.get(method, ())}
        return {fold: dice for fold, dice in kept.items() if dice is not None}


Score = Callable[[Variant, str], dict[int, float]]
"""Score of a method of a variant by fold; empty where it has none."""


def find_setting(config: Config, setting: str) -> Any:
    """Value of a dotted setting as JSON holds it, so that a tuple is a list.

    Returns:
        None also where an optional part of the configuration above it is not there.
    """
    value: Any = config
    for name in setting.split("."):
        if value is None:
            return None
        value = value[name] if isinstance(value, dict) else getattr(value, name)
    return to_jsonable_python(value)


def is_synthetic(config: Config) -> bool:
    """Whether the archive of a run is synthetic, and says nothing of the world."""
    return config.ingest.chosen.knows_truth


def is_about_settings(variants: Sequence[Variant]) -> bool:
    """Whether the variants differ in settings alone, and so are compared on validation splits.

    So it is where every variant has the same test and validation splits of the same images: a
    setting is then chosen, and nothing may be chosen on the test split.
    """
    first = variants[0]
    return any(first.units("validation").values()) and all(
        variant.settings.protocol == "honest" and variant.shares(first, "test", "validation")
        for variant in variants
    )
