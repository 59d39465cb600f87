"""What a watch has found, as its table, its summary and its page say it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pydantic import Field

from glacier import store
from glacier.config import Config
from glacier.monitoring.alarm import Judgement, Reference, Status
from glacier.monitoring.months import is_reference
from glacier.monitoring.network import Looker
from glacier.monitoring.sketch import MonthSketch
from glacier.seals import Manifest
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.values import Name, Sha256

FORMAT = 2
"""Counts up when the files of a watch change for the same maps."""

TABLE, PAGE = "monitor.csv", "monitor.html"

SHOWN = 3
"""Traits that a month's row names, at most."""


class MonthRow(Model):
    """A month beside its season."""

    region: Name
    month: Month
    status: Status
    is_reference: bool
    """It says itself what is usual, and is judged by the other years."""
    score: float | None = None
    """Largest difference of all traits, in standard deviations of the reference months."""
    level: float | None = None
    """Score from which it would be an alarm."""
    traits: tuple[str, ...] = ()
    """Those in which it differs the most, the farthest first."""
    says: str = ""
    """The same in words, or why it is not judged."""
    new_platforms: tuple[str, ...] = ()
    """Satellites of its scenes that no reference month has."""
    looked: str = ""
    """Who has looked at it and lets it pass."""


class RegionRow(Model):
    """A region's months together."""

    region: Name
    says: str
    """What was found, in a sentence."""
    reference_months: int = Field(ge=0)
    false_alarms: int = Field(ge=0)
    """Reference months that the other years would call an alarm."""
    judged: int = Field(ge=0)
    """Reference months that could be judged."""
    network: Looker
    """Whose encoder looked at all of its months."""


class MonitorSummary(Manifest):
    """What a watch was made of and found, ``monitor.json``; it vouches for the files."""

    format: int = FORMAT
    inputs_sha256: Sha256 = ""
    """Of the images, maps and settings."""
    regions: tuple[RegionRow, ...] = ()
    months: tuple[MonthRow, ...] = ()


def summary_address(place: str) -> str:
    """Where it lies what a watch was made of; written last."""
    return store.join(place, "monitor.json")


def name_month(region: str, month: date) -> str:
    """A month of a region as ``monitor.looked`` names it."""
    return f"{region}/{month:%Y-%m}"


def describe_months(
    config: Config,
    sketches: Sequence[MonthSketch],
    judgements: Sequence[Judgement],
    reference: Reference | None,
) -> list[MonthRow]:
    """The rows of a region's months, in order."""
    usual = reference.sketches if reference else ()
    known = {platform for sketch in usual for platform in sketch.platforms}
    by_month = {sketch.month: sketch for sketch in sketches}
    share = config.monitor.false_alarms
    return [
        MonthRow(
            region=found.region,
            month=f"{found.month:%Y-%m}",
            status=found.status,
            is_reference=is_reference(config, found.month),
            score=found.score,
            level=reference.find_level(found.month, share) if reference else None,
            traits=tuple(finding.trait.name for finding in found.findings[:SHOWN]),
            says=found.why or tell_findings(found),
            new_platforms=tuple(sorted({*by_month[found.month].platforms} - known)),
            looked=config.monitor.looked.get(name_month(found.region, found.month), ""),
        )
        for found in judgements
    ]


def tell_findings(found: Judgement) -> str:
    """In what a month differs from its season, in words."""
    said = "; ".join(map(str, found.findings[:SHOWN]))
    kinds = {finding.trait.kind for finding in found.findings[:1]}
    if found.status != "alarm":
        return f"within what is usual; farthest: {said}"
    cause = {
        "input": "the image is unlike its season",
        "data": "the image is disturbed",
        "prediction": "the map is unlike its season",
    }
    return f"{cause[kinds.pop()]}: {said}"


def describe_region(
    config: Config, rows: Sequence[MonthRow], reference: Reference | None, network: Looker
) -> RegionRow:
    """What the months of a region come to that a network has looked at, or none."""
    share = config.monitor.false_alarms
    count, judged = reference.count_false_alarms(share) if reference else (0, 0)
    new = [row for row in rows if not row.is_reference]
    alarms = [row.month for row in new if row.status == "alarm" and not row.looked]
    unjudged = sum(row.status == "not judged" for row in new)
    place = config.place(network.region)
    if not new:
        says = f"{place}: no month lies outside the reference months."
    elif alarms:
        unlike = "is unlike its" if len(alarms) == 1 else "are unlike their"
        says = (
            f"{place}: {len(alarms)} of {len(new)} new months {unlike} season in other years and "
            f"should be looked at: {', '.join(alarms)}."
        )
    else:
        says = f"{place}: of {len(new)} new months none is an alarm."
    if unjudged:
        says += f" {unjudged} could not be judged."
    if judged:
        says += (
            f" Of {judged} reference months {count} would be alarms by the other years "
            f"({count / judged:.0%}; asked: at most {share:.0%})."
        )
    return RegionRow(
        region=network.region,
        says=says,
        reference_months=len(reference.sketches) if reference else 0,
        false_alarms=count,
        judged=judged,
        network=network,
    )
