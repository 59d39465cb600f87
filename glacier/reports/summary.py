"""``summary.json`` of a report: the comparison and where it comes from, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from glacier import seals, store
from glacier.evaluation.agreement import Agreement
from glacier.evaluation.breakdown import LateSummer
from glacier.evaluation.comparison import (
    Comparison,
    MonthCounts,
    count_months,
    late_summer_of,
)
from glacier.evaluation.results import SweepResult
from glacier.reports.gallery import ShownScore, Strip
from glacier.reports.sharing import share_part
from glacier.settings.folds import FoldKind
from glacier.settings.labels import Label
from glacier.settings.model import Model
from glacier.settings.values import BareName, Sha256
from glacier.training.saved import SavedSweep

SCHEMA = 13
"""Counts up when a report's content changes for the same sweep."""


class AgreementShares(Model):
    """What the agreement of the encoders is worth; None where there is nothing to share out."""

    pixels: int
    """Labelled test pixels; 0 where there is no ensemble."""
    split_share: float | None
    """Share of them on which the encoders differ, 0..1."""
    error_where_agreed: float | None
    """Share of the pixels on which all agree where the ensemble is wrong."""
    error_where_split: float | None
    """Share of the pixels on which the encoders differ where the ensemble is wrong."""
    errors_agreed_share: float | None
    """Share of all errors that lies where all agree."""


class HeldOut(Model):
    """Scores of models on an image that is in no fold."""

    key: str
    """``<region>/<YYYY-MM>``."""
    models: tuple[ShownScore, ...]


class Summary(Comparison, seals.Manifest):
    """A report, as programs read it; it vouches for page, tables and figures."""

    format: int = Field(SCHEMA, alias="schema")
    name: str
    """Of the run."""
    protocol: Literal["honest", "notebook"]
    labels: Label
    fold_kind: FoldKind
    test_units: dict[int, tuple[str, ...]]
    """By fold."""
    regions: tuple[str, ...]
    months: MonthCounts
    wall_s: float | None
    """Seconds of the whole pipeline; None where it is not known, likewise below."""
    sweep_s: float | None
    train_s: float
    """Seconds of all trials, added up."""
    config_sha256: Sha256
    sweep_sha256: Sha256
    """Checksum of the sweep's results."""
    held_out: tuple[HeldOut, ...]
    agreement: AgreementShares
    late_summer: dict[str, LateSummer]
    """Encoder to the outlines of its clear late-summer images."""
    figures: tuple[BareName, ...]
    """Names of the files in ``figures/``, without their endings."""


class Stamp(seals.Manifest):
    """What the summary of any version tells of its report."""

    model_config = ConfigDict(extra="ignore")

    format: int = Field(0, alias="schema")
    sweep_sha256: Sha256 = ""
    config_sha256: Sha256 = ""


def summarise(
    sweep: SavedSweep,
    found: Comparison,
    strips: Sequence[Strip],
    figures: Iterable[str],
    wall_s: float | None,
) -> Summary:
    """The summary of a sweep.

    Args:
        sweep: The sweep.
        found: Its comparison.
        strips: All images that are shown, the held-out ones among them.
        figures: Names of the figures.
        wall_s: Time of the whole pipeline, seconds; None where the report runs by itself.
    """
    result, config = sweep.result, sweep.result.config
    return Summary(
        name=config.name,
        protocol=config.sweep.protocol,
        labels=share_part(config.prepare.label),
        fold_kind=config.sweep.folds.kind,
        test_units={split.fold: split.test for split in result.splits},
        regions=tuple(region.name for region in config.regions),
        months=count_months(sweep.samples.months),
        wall_s=wall_s if result.sweep_s is not None else None,
        sweep_s=result.sweep_s,
        train_s=sum(trial.train_s for trial in result.trials),
        config_sha256=result.config_sha256,
        sweep_sha256=sweep.sha256,
        held_out=tuple(
            HeldOut(key=strip.view.key, models=strip.scores)
            for strip in strips
            if strip.view.fold is None
        ),
        agreement=share_agreement(result),
        late_summer=late_summer_of(result, sweep.samples.months),
        figures=tuple(figures),
        **dict(found),
    )


def share_agreement(sweep: SweepResult) -> AgreementShares:
    """What the agreement of the encoders is worth, over the test pixels of all folds."""
    found = sum((fold.agreement for fold in sweep.ensemble.folds), Agreement())
    return AgreementShares(
        pixels=found.pixels,
        split_share=found.split_share,
        error_where_agreed=found.error_where_agreed,
        error_where_split=found.error_where_split,
        errors_agreed_share=found.errors_agreed_share,
    )


def summary_address(folder: str) -> str:
    """Where the summary of a report lies; written last, it says that the report is complete."""
    return store.join(folder, "summary.json")


def read_stamp(folder: str) -> Stamp:
    """What the summary in a folder tells of its report, of whatever version; blank without one.

    Raises:
        DamagedError: It is damaged.
    """
    address = summary_address(folder)
    return seals.read_model(address, Stamp) if store.exists(address) else Stamp()
