"""What a sweep works on: its samples, its folds, and its trials by encoder and fold. No Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glacier.config import Config
from glacier.geo.frames import find_overlaps, is_southern
from glacier.samples.folds import FoldMasks, Split, add_training, make_splits
from glacier.samples.sample_set import SampleSet, month_key, read_set
from glacier.training.saved import SweepPlaces, TrialKey
from glacier.training.trial import Start, Trial


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep works on. Workers share one; a trial is told to them by encoder and fold."""

    config: Config
    places: SweepPlaces
    samples: SampleSet
    splits: list[Split]
    masks: FoldMasks
    weights: Mapping[str, str | None] = field(default_factory=dict)
    """Encoder to the address of its initial weights; without one they are random."""

    starts: Mapping[TrialKey, Start] = field(default_factory=dict)
    """The models that trials go on from; without one they begin anew."""

    @property
    def keys(self) -> list[TrialKey]:
        """Every (encoder, fold), encoder by encoder."""
        encoders = self.config.sweep.encoders
        return [(encoder, split.fold) for encoder in encoders for split in self.splits]

    def split(self, fold: int) -> Split:
        """The parts of a fold."""
        return next(split for split in self.splits if split.fold == fold)

    def trial(self, encoder: str, fold: int) -> Trial:
        """One of the trials."""
        return Trial(
            encoder=encoder,
            split=self.split(fold),
            settings=self.config.sweep,
            seed=self.config.training_seed,
            samples=self.samples,
            masks=self.masks,
            folder=self.places.trial(encoder, fold),
            model_folder=self.places.model(encoder, fold),
            weights=self.weights.get(encoder),
            start=self.starts.get((encoder, fold)),
            label=self.config.prepare.label,
        )


def plan_sweep(config: Config, places: SweepPlaces) -> SweepPlan:
    """Part the samples of a run into folds.

    Raises:
        ConfigError: The samples hold too few units for the folds.
    """
    samples = read_set(places.samples)
    apart = config.ingest.synthetic_regions
    grids = {n: frame.grid for n, frame in samples.regions.items() if n not in apart}
    overlaps = find_overlaps(grids)
    southern = tuple(name for name, grid in grids.items() if is_southern(grid))
    folds, blocks = config.sweep.parts, samples.blocks
    observed = [image for image in samples.images if image[0] not in apart]
    made_up = [image for image in samples.images if image[0] in apart]
    splits, held = make_splits(observed, folds, blocks, config.seed, overlaps, southern)
    if config.sweep.train_synthetic:
        splits = add_training(splits, made_up, folds.kind, blocks)
    if config.sweep.protocol == "notebook":  # the test split chooses, so validation trains
        splits = [Split(s.fold, s.test, (), tuple(sorted(s.train + s.validation))) for s in splits]
    held_out = tuple(month_key(region, month) for region, month in held)
    masks = FoldMasks(folds.kind, blocks, held_out, southern)
    return SweepPlan(config, places, samples, splits, masks)
