"""What tests of a sweep say of areas: which months count, and how wrong their areas were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial

from glacier.config import Config
from glacier.evaluation.results import SweepResult
from glacier.evaluation.scorecard import ImageScore
from glacier.mapping.seasons import MonthFacts, Season, choose_months, late_summer_of
from glacier.mapping.uncertainty import AreaErrors, choose_errors, group_log_errors
from glacier.training.saved import SavedSweep

KNOWN = ("truth", "outlines")
"""Kinds of labels that know more than the image tells."""


def find_area_errors(
    config: Config, sweep: SavedSweep, encoders: Sequence[str], region: str
) -> AreaErrors:
    """What tests say of the areas of a region."""
    snow = {(month.region, month.month): month.snow_outside for month in sweep.samples.months}
    season_of = partial(describe_season, config, sweep)
    return choose_errors(find_tested_errors(sweep.result, encoders, season_of, snow), region)


def choose_season(config: Config, sweep: SavedSweep, region: str) -> tuple[int, ...]:
    """Calendar months, 1..12, that may stand for a year of a region."""
    return config.series.months or late_summer_of(region in sweep.result.southern)


def describe_season(config: Config, sweep: SavedSweep, region: str) -> Season:
    """Which months may stand for a year of a region, and what they must show."""
    months = choose_season(config, sweep, region)
    return Season(months, config.series.min_seen, config.series.max_snow)


def find_tested_errors(
    sweep: SweepResult,
    encoders: Sequence[str],
    season_of: Callable[[str], Season],
    snow: Mapping[tuple[str, date], float | None],
) -> dict[str, tuple[float, ...]]:
    """Errors of the area in months that could stand for a year, by models that never saw them.

    Args:
        sweep: The sweep.
        encoders: Whose models map; several: their mean.
        season_of: Which months of a region may stand for a year: the south has other ones.
        snow: Region and first day of a month to the share of the ground outside the outlines under
            snow, 0..1, where that is known.

    Returns:
        As :func:`uncertainty.group_log_errors`; none where labels are made of the image itself.
    """
    if sweep.config.prepare.label.kind not in KNOWN:
        return {}
    images: list[ImageScore] = []
    if len(encoders) == 1:
        for trial in sweep.by_encoder.get(encoders[0], ()):
            images += trial.scorecard.images
    else:
        for fold in sweep.ensemble.folds:
            images += fold.scorecard.images
    return group_log_errors(choose_images(images, season_of, snow))


def choose_images(
    images: Iterable[ImageScore],
    season_of: Callable[[str], Season],
    snow: Mapping[tuple[str, date], float | None],
) -> list[ImageScore]:
    """Those of the month of each region and year that would stand for it.

    Args:
        images: In any order; several of a month are scores of parts of its ground.
        season_of: As :func:`find_tested_errors`.
        snow: Likewise.
    """
    parts: dict[str, dict[date, list[ImageScore]]] = defaultdict(lambda: defaultdict(list))
    for image in images:
        parts[image.region][image.month].append(image)
    chosen = []
    for region, months in parts.items():
        facts = [
            MonthFacts(
                month=month,
                status="ok",
                seen_share=sum(image.valid_share for image in found) / len(found),
                snow_outside=snow.get((region, month)),
            )
            for month, found in months.items()
        ]
        for choice in choose_months(facts, season_of(region)):
            chosen += months[choice.month] if choice.month else []
    return chosen
