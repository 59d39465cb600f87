"""Variants of a study with given scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from glacier.config import Config
from glacier.evaluation.agreement import Agreement
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import BaselineResult, EnsembleFold, EnsembleResult, TrialResult
from glacier.evaluation.scorecard import Scorecard, UnitScore
from glacier.geo.raster import Grid
from glacier.samples.folds import Split
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet
from glacier.studies import claim_list, judgements
from glacier.studies.rows import VariantRow, list_rows
from glacier.studies.seeds import Repeats
from glacier.studies.summary import StudySummary, summarise
from glacier.studies.variants import Variant
from tests.support.sweeps import counts_of, make_card, make_config, make_sweep

DICE = {"net": [0.8, 0.7, 0.9]}

SAMPLES = SampleSet(
    bands=("nir", "red", "green"),
    size_px=224,
    layout="resize",
    resize=(224, 224),
    blocks=(5, 5),
    regions={"a": Frame(grid=Grid("EPSG:32608", 0, 0, 30, 448, 448), shape=(224, 224))},
    months=(),
)
"""Description of samples without a month."""


def make_variant(
    name: str = "plain",
    dice: Mapping[str, Sequence[float]] | None = None,
    validation: Mapping[str, Sequence[float]] | None = None,
    baselines: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    **sweep: Any,
) -> Variant:
    """A variant with given test Dice by fold.

    Args:
        name: Its name.
        dice: Encoder to its test Dice by fold.
        validation: The same of the chosen epochs; equals the test Dice where not given.
        baselines: As ``make_sweep`` takes them.
        changes: Dotted field to value.
        sweep: What else ``make_sweep`` takes, such as changed parts of the configuration.
    """
    found = make_sweep(dice or DICE, baselines, variants={name: dict(changes or {})}, **sweep)
    wanted = validation or dice or DICE
    trials = tuple(give_validation(t, wanted[t.encoder][t.fold]) for t in found.trials)
    config = found.config.variant(name)
    found = found.model_copy(update={"config": config, "trials": trials})
    return Variant(name, dict(changes or {}), found, f"sha256 of {name}", SAMPLES)


def give_validation(trial: TrialResult, dice: float) -> TrialResult:
    """The trial with this validation Dice of its chosen epoch, where anything chose it."""
    kept = trial.kept.model_copy(update={"val_dice": dice})
    if trial.kept.val_dice is None:
        return trial
    epochs = tuple(kept if epoch.epoch == kept.epoch else epoch for epoch in trial.epochs)
    return trial.model_copy(update={"epochs": epochs})


def edit_trials(variant: Variant, edit: Callable[[TrialResult], TrialResult | None]) -> Variant:
    """The variant with every trial changed, or left out where the change is None."""
    trials = tuple(new for trial in variant.sweep.trials if (new := edit(trial)) is not None)
    return replace(variant, sweep=variant.sweep.model_copy(update={"trials": trials}))


def edit_cards(variant: Variant, edit: Callable[[TrialResult], dict[str, Any]]) -> Variant:
    """The variant with fields of every trial's scorecard changed."""

    def change(trial: TrialResult) -> TrialResult:
        values = {name: getattr(trial.scorecard, name) for name in Scorecard.model_fields}
        card = Scorecard(**(values | edit(trial)))
        return trial.model_copy(update={"scorecard": card})

    return edit_trials(variant, change)


def clear_fold(variant: Variant, fold: int) -> Variant:
    """The variant as if a test part held no known ice, whoever is scored there."""

    def clear(rows: Sequence[Any]) -> tuple[Any, ...]:
        bare = make_card(Counts(fp=3, tn=2497))
        return tuple(
            row.model_copy(update={"scorecard": bare}) if row.fold == fold else row for row in rows
        )

    baselines = {
        name: found.model_copy(update={"folds": clear(found.folds)})
        for name, found in variant.sweep.baselines.items()
    }
    update = {"trials": clear(variant.sweep.trials), "baselines": baselines}
    return replace(variant, sweep=variant.sweep.model_copy(update=update))


def edit_config(variant: Variant, changes: Mapping[str, Any]) -> Variant:
    """The variant with dotted fields of its configuration changed."""
    asked = variant.config.model_copy(update={"variants": {"edited": dict(changes)}})
    return give_config(variant, asked.variant("edited"))


def give_config(variant: Variant, config: Config) -> Variant:
    """The variant with another configuration."""
    return replace(variant, sweep=variant.sweep.model_copy(update={"config": config}))


def give_splits(variant: Variant, edit: Callable[[Split], Split]) -> Variant:
    """The variant with every split changed."""
    splits = tuple(map(edit, variant.sweep.splits))
    return replace(variant, sweep=variant.sweep.model_copy(update={"splits": splits}))


def move_units(variant: Variant) -> Variant:
    """The variant as if it tested and validated on other units, with the same counts."""
    return give_splits(
        variant,
        lambda split: replace(split, test=(f"other/{split.fold}",), validation=("other/v",)),
    )


def give_units(variant: Variant) -> Variant:
    """The variant with the counts of its images as units, so that it has a bootstrap interval."""
    return edit_cards(
        variant,
        lambda trial: {"units": (UnitScore(unit=f"u{trial.fold}", counts=trial.scorecard.counts),)},
    )


def give_ensemble(variant: Variant, dice: Sequence[float]) -> Variant:
    """The variant with an ensemble of its encoders that has these test Dice by fold."""
    folds = tuple(
        EnsembleFold(
            fold=fold,
            members=tuple(variant.trials),
            scorecard=make_card(counts_of(value)),
            agreement=Agreement(),
        )
        for fold, value in enumerate(dice)
    )
    update = {"ensemble": EnsembleResult(folds=folds)}
    return replace(variant, sweep=variant.sweep.model_copy(update=update))


def find_row(variants: Sequence[Variant], name: str, method: str = "net") -> VariantRow:
    """The row of a method of a variant, the first of them being the reference."""
    rows = list_rows(variants)
    return next(row for row in rows if (row.variant, row.method) == (name, method))


def summarise_study(
    *variants: Variant, lost: Mapping[str, str] | None = None, repeats: Repeats | None = None
) -> StudySummary:
    """The study of some variants, of which the first is the reference, and others that failed."""
    changes: dict[str, Any] = {variant.name: dict(variant.changes) for variant in variants}
    changes |= {name: {} for name in lost or {}}
    source = variants[0].config.ingest.source
    parts = {} if source == "synthetic" else archive_of(source)
    parts |= {"regions": [region.model_dump() for region in variants[0].config.regions]}
    config = make_config(["net"], variants=changes, **parts)
    return summarise(config, variants, lost or {}, repeats or {})


TRIO = ("resnet34", "resnet50", "efficientnet-b4")

CLAIMS = {claim.id: claim for claim in claim_list.CLAIMS}

SPREAD = (-0.01, 0.0, 0.01)


def dice_around(mean: float, noise: Sequence[float] = SPREAD) -> list[float]:
    """A Dice for each of three steps of the noise, and a little that goes with the mean alone.

    So that two scores do not differ by the same in every fold, which would say nothing.
    """
    own = round(100 * mean) % 7 * 1e-3
    return [mean + step + extra for step, extra in zip(noise, (own, -2 * own, own), strict=True)]


def archive_of(source: str) -> dict[str, Any]:
    """Parts of a configuration that reads an archive by the published rule.

    Labels are the truth where the archive is synthetic, which alone knows it, else the outlines
    of an inventory.
    """
    kind = "truth" if source == "synthetic" else "outlines"
    return {
        "ingest": {"source": source, "cloud_profile": "notebook", "min_valid_share": 0.0},
        "months": {"first": "2014-01", "last": "2023-12"},
        "prepare": {"label": {"kind": kind, "outlines": "rgi.gpkg"}},
    }


def make_encoders(
    means: Sequence[float] = (0.9, 0.8, 0.7),
    source: str = "earthengine",
    baselines: Mapping[str, BaselineResult] | None = None,
) -> Variant:
    """The variant ``encoders``: a mean Dice for each of the trio, in its order."""
    dice = {name: dice_around(mean) for name, mean in zip(TRIO, means, strict=True)}
    return make_variant("encoders", dice, baselines=baselines, **archive_of(source))


def make_single(
    name: str, mean: float, noise: Sequence[float] = SPREAD, encoder: str = "net"
) -> Variant:
    """A variant of one encoder over a real archive."""
    dice = {encoder: dice_around(mean, noise)}
    return make_variant(name, dice, **archive_of("earthengine"))


def find(name: str, *found: Variant) -> judgements.Finding:
    """What some variants say of a claim."""
    return claim_list.judge_claim(CLAIMS[name], {variant.name: variant for variant in found})


def count_months(variant: Variant, usable: int, total: int = 120) -> Variant:
    """The variant with so many months, of which so many are usable."""
    months = tuple(
        SampleMonth(
            region="a",
            month=date(2014 + k // 12, k % 12 + 1, 1),
            status="ok" if k < usable else "empty",
            reason="" if k < usable else "no_scene",
        )
        for k in range(total)
    )
    return replace(variant, samples=variant.samples.model_copy(update={"months": months}))
