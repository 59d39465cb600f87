"""How the models of a sweep go on: what is new to them, the folds that grew, what is shown again.

No Ray and no torch in here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from glacier.archive.contents import read_outcomes
from glacier.config import Config
from glacier.errors import ConfigError
from glacier.geo.frames import find_overlaps, is_southern
from glacier.registry.records import LearnedData
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.grown_folds import Growth, draw_memory, grow_splits
from glacier.samples.sample_set import SampleSet, month_key, read_set, samples_folder
from glacier.samples.units import unit_rectangles
from glacier.settings.identity import digest
from glacier.training.saved import (
    SavedSweep,
    TrialKey,
    describe_samples,
    find_grids,
    place_sweep,
    refuse_moved,
)
from glacier.training.sweep_plan import SweepPlan
from glacier.training.trial import Start
from glacier.wording import shorten_list

SHOWN = 5
"""Images that a sentence names."""

Starts = dict[TrialKey, Start]

ALIKE = ("bands", "extra_bands", "size_px", "layout", "resize", "blocks", "scale", "range", "fill")
"""What samples have to share with those of the serving model."""


@dataclass(frozen=True)
class ContinuedPlan:
    """A sweep whose trials go on from the models that serve."""

    plan: SweepPlan
    serving: SavedSweep
    fresh: tuple[str, ...]
    """Keys of the images that the serving model has not seen, or not with these labels."""

    @property
    def seen(self) -> frozenset[str]:
        """Keys of the images that it has seen, or tested."""
        return frozenset(list_checksums(self.serving.samples))


def plan_continued(config: Config, serving: SavedSweep) -> ContinuedPlan:
    """What a configuration adds to what the serving model knows, and how that is learned.

    Raises:
        ConfigError: The samples are not like those of the serving model, or lack some of them.
        StoreError: The samples are not there; the message names the job to run first.
    """
    config = set_training(config)
    samples_at = samples_folder(config, read_outcomes(config))
    samples = read_set(samples_at)
    refuse_unlike(config, samples, serving)
    fresh = find_fresh(samples, serving.samples)
    learn, masks = config.learn, grow_masks(samples, serving)
    start: dict[str, str | float] = {"model": serving.sha256, "strategy": learn.strategy}
    if learn.strategy == "replay":
        start["memory_share"] = learn.memory_share
    places = place_sweep(config, samples_at, start)
    splits = grow_folds(config, samples, serving, masks)
    plan = SweepPlan(config, places, samples, splits, masks)
    plan = replace(plan, starts=list_starts(plan, serving, fresh) if fresh else {})
    return ContinuedPlan(plan, serving, fresh)


def set_training(config: Config) -> Config:
    """The run with the epochs and the step size that learning has for itself."""
    own = {"epochs": config.learn.epochs, "learning_rate": config.learn.learning_rate}
    changes = {name: value for name, value in own.items() if value is not None}
    return config.model_copy(update={"sweep": config.sweep.model_copy(update=changes)})


def refuse_unlike(config: Config, samples: SampleSet, serving: SavedSweep) -> None:
    """Refuse samples and settings with which the serving model could not go on.

    Raises:
        ConfigError: One differs that may not.
    """
    theirs, trained = serving.samples, serving.result.config.sweep
    pairs = {f"the samples' {name}": (getattr(samples, name), getattr(theirs, name))
             for name in ALIKE}  # fmt: skip
    pairs["sweep.encoders"] = (config.sweep.encoders, trained.encoders)
    pairs["sweep.folds.kind"] = (config.sweep.folds.kind, trained.folds.kind)
    for name, (own, other) in pairs.items():
        if own != other:
            raise ConfigError(
                f"learn: {name} = {own}, and the serving model has {other}: a model goes on only "
                "with what it is made for; run `glacier sweep` for a new one"
            )
    if "notebook" in (config.sweep.protocol, trained.protocol):
        raise ConfigError(
            "learn: sweep.protocol notebook chooses by its test folds, which could judge nothing; "
            "use honest"
        )
    refuse_moved(theirs, find_grids(config))
    there = list_checksums(samples)
    if gone := [key for key in list_checksums(theirs) if key not in there]:
        raise ConfigError(
            f"learn: {shorten_list(gone, SHOWN)} of the serving model's images have no samples in "
            "this run, so its frozen folds could not be tested again: keep its regions and months"
        )
    done = {(trial.encoder, trial.fold) for trial in serving.result.trials}
    for encoder in config.sweep.encoders:
        for split in serving.result.splits:
            if (encoder, split.fold) not in done:
                raise ConfigError(
                    f"learn: the serving model has no network of {encoder}, fold {split.fold}: "
                    "run `glacier sweep` again with its configuration"
                )


def list_checksums(samples: SampleSet) -> dict[str, str]:
    """Key of each image to the checksum of its samples."""
    rows = samples.usable.rows("region", "month", "sha256")
    return {month_key(row["region"], row["month"]): row["sha256"] for row in rows}


def find_fresh(samples: SampleSet, seen: SampleSet) -> tuple[str, ...]:
    """Keys of the images that were not seen before, or have another image or label now."""
    before = list_checksums(seen)
    return tuple(key for key, sha in list_checksums(samples).items() if before.get(key) != sha)


def grow_masks(samples: SampleSet, serving: SavedSweep) -> FoldMasks:
    """Which pixels belong to which units, of old and new images."""
    southern = tuple(name for name, frame in samples.regions.items() if is_southern(frame.grid))
    kind = serving.result.config.sweep.folds.kind
    return FoldMasks(kind, samples.blocks, serving.result.held_out, southern)


def grow_folds(
    config: Config, samples: SampleSet, serving: SavedSweep, masks: FoldMasks
) -> list[Split]:
    """The serving model's folds with all that is new in them."""
    images = tuple(image for image in samples.images if month_key(*image) not in masks.held_out)
    overlaps = find_overlaps({name: frame.grid for name, frame in samples.regions.items()})
    share = config.sweep.folds.validation_share
    growth = Growth(serving.result.splits, masks, images, tuple(overlaps), share, config.seed)
    return grow_splits(growth)


def list_starts(plan: SweepPlan, serving: SavedSweep, fresh: Collection[str]) -> Starts:
    """The model that each trial goes on from, and the images that it leaves out.

    Raises:
        ConfigError: A fold would have nothing to train on.
    """
    folds = list(leave_out(plan, fresh))
    return {
        (encoder, fold): Start(serving.places.model(encoder, fold), images)
        for encoder in plan.config.sweep.encoders
        for fold, images in folds
    }


def leave_out(plan: SweepPlan, fresh: Collection[str]) -> Iterator[tuple[int, frozenset[str]]]:
    """Each fold and the images that do not train there.

    Raises:
        ConfigError: A fold would have nothing to train on.
    """
    learn, units = plan.config.learn, list_units(plan.samples, plan.masks)
    old = {key: held for key, held in units.items() if key not in fresh}
    memories = draw_memory(plan.splits, old, learn.memory_share, plan.config.seed)
    for split, memory in zip(plan.splits, memories, strict=True):
        has_new = any(units[key] & set(split.train) for key in fresh)
        if learn.strategy == "naive" and not has_new:
            raise ConfigError(
                f"learn.strategy = naive: fold {split.fold} tests all that is new and has nothing "
                "to train on; use replay"
            )
        shown = {"joint": frozenset(old), "replay": memory, "naive": frozenset[str]()}
        yield split.fold, frozenset(old) - shown[learn.strategy]


def list_units(samples: SampleSet, masks: FoldMasks) -> dict[str, frozenset[str]]:
    """Key of each image to the units that it holds."""
    found = {}
    for region, month in samples.images:
        key, shape = month_key(region, month), samples.regions[region].shape
        held = unit_rectangles(masks.kind, region, month, shape, masks.blocks, masks.southern)
        found[key] = frozenset(() if key in masks.held_out else held)
    return found


def describe_data(continued: ContinuedPlan) -> LearnedData:
    """What a candidate learned from, as a registry has it."""
    plan = continued.plan
    return describe_set(plan.places.samples, plan.samples, continued.fresh)


def describe_set(folder: str, samples: SampleSet, fresh: tuple[str, ...] = ()) -> LearnedData:
    """What a set of samples is, as a registry has it."""
    images = samples.images
    months = sorted(month for _, month in images)
    return LearnedData(
        samples=folder.rpartition("/")[2],
        sha256=digest(describe_samples(folder)),
        regions=tuple(dict.fromkeys(region for region, _ in images)),
        first=f"{months[0]:%Y-%m}",
        last=f"{months[-1]:%Y-%m}",
        images=len(images),
        fresh=fresh,
    )
