"""The list of claims: every testable one of the published experiment, with what came of it.

The variants are run as a study's are. ``claims.json`` is written last and carries the checksums of
their sweeps.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import ConfigDict, JsonValue

from glacier import seals, store
from glacier.config import Config, variants_digest
from glacier.errors import ConfigError
from glacier.evaluation.caveats import explain_folds, explain_labels, explain_protocol
from glacier.locks import hold, remove_dead
from glacier.markdown import escape
from glacier.progress import duration, say
from glacier.published import INTRODUCTION
from glacier.reports.sharing import share_changes
from glacier.reports.terms import TERMS
from glacier.settings.model import Model
from glacier.studies.claim_list import (
    CLAIMS,
    Departure,
    JudgedClaim,
    judge_claims,
    list_departures,
)
from glacier.studies.page import describe_changes
from glacier.studies.stamp import Stamp, is_current, keep_earlier, list_sweeps
from glacier.studies.study import make_variants
from glacier.studies.summary import share_reasons
from glacier.studies.variants import Variant, is_synthetic

SCHEMA = 6
"""Counts up when the content of the list changes for the same sweeps."""


class VariantChanges(Model):
    """A variant that was read."""

    name: str
    changes: dict[str, JsonValue]


class ClaimsSummary(Stamp):
    """Every claim with its verdict: ``claims.json``."""

    model_config = ConfigDict(extra="forbid")

    name: str
    source: str
    """Where the scenes come from."""
    is_synthetic: bool
    """The archive says nothing of the world."""
    caveats: tuple[str, ...]
    claims: tuple[JudgedClaim, ...]
    variants: tuple[VariantChanges, ...]
    failed_variants: dict[str, str]
    """Name to reason."""
    departures: tuple[Departure, ...]
    wall_s: float
    """Seconds that the command took."""


def run_claims(config: Config) -> int:
    """Run the variants and judge the claims; returns how many units failed, variants included.

    Raises:
        ConfigError: There is no variant.
        GlacierError: The first variant cannot be run.
    """
    if not config.variants:
        wanted = sorted({name for claim in CLAIMS for name in claim.variants})
        raise ConfigError(f"variants is empty: the claims read {', '.join(wanted)}")
    began = time.monotonic()
    variants, lost, failed = make_variants(config)
    folder = store.results_folder(config)
    address = store.join(folder, "claims.json")
    if not is_current(address, variants, SCHEMA, owned=False):
        with hold(config, folder):
            # Another run may have written it meanwhile.
            if not is_current(address, variants, SCHEMA, owned=True):
                keep_earlier(address, config, "list of claims")
                wall_s = time.monotonic() - began
                write_claims(summarise(config, variants, lost, wall_s), address)
                return failed
    remove_dead(config, folder)
    say(f"claims: complete in {folder}")
    return failed


def write_claims(summary: ClaimsSummary, address: str) -> None:
    """Write the page, and the summary last."""
    seals.write_whole(address, summary, {"README.md": write_page(summary).encode()})
    for row in summary.claims:
        say(f"claims: {row.verdict}: {row.claim}")
    say(f"claims: {store.join(address.rpartition('/')[0], 'README.md')}")


def summarise(
    config: Config, variants: Sequence[Variant], lost: Mapping[str, str], wall_s: float
) -> ClaimsSummary:
    """Everything that the page says.

    Args:
        config: The run.
        variants: Those that have a sweep.
        lost: Name to reason of the others.
        wall_s: Seconds that it all took.
    """
    first = variants[0].config
    return ClaimsSummary(
        format=SCHEMA,
        name=config.name,
        source=config.ingest.source,
        is_synthetic=is_synthetic(config),
        caveats=(
            explain_labels(first.prepare.label),
            explain_protocol(first.sweep),
            explain_folds(first),
        ),
        claims=judge_claims({variant.name: variant for variant in variants}),
        variants=tuple(
            VariantChanges(name=v.name, changes=share_changes(v.changes, v.config))
            for v in variants
        ),
        failed_variants=share_reasons(lost, config),
        departures=list_departures(config),
        sweeps=list_sweeps(variants),
        config_sha256=variants_digest(config),
        wall_s=wall_s,
    )


def write_page(summary: ClaimsSummary) -> str:
    """The page in Markdown."""
    lines = [
        f"# What the published experiment claims ({summary.name}"
        f"{', synthetic data' if summary.is_synthetic else ''})",
        "",
        f"The published experiment is {INTRODUCTION}.",
        "",
        count_verdicts(summary.claims),
        *explain_source(summary),
        "",
        "| claim | verdict | effect (95 %) | how tested | why |",
        "|---|---|---|---|---|",
        *map(format_row, summary.claims),
        "",
        "A claim is held only where the interval of its effect lies wholly on the claimed side. "
        "Not held says that it was not shown, and that the opposite is true only where that is "
        f"said. Dice: {TERMS['Dice']}. IoU: {TERMS['IoU']}. p: {TERMS['p']}.",
        escape(" ".join(summary.caveats)),
        "",
        *write_departures(summary),
        "",
        f"Configuration {summary.config_sha256[:12]}; the command took {duration(summary.wall_s)}.",
    ]
    return "\n".join(lines) + "\n"


def count_verdicts(claims: Sequence[JudgedClaim]) -> str:
    """How many claims held, in a sentence or two."""
    counts = Counter(row.verdict for row in claims)
    opposite = sum(row.opposite for row in claims)
    against = f" Of {opposite} the opposite is shown." if opposite else ""
    return ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())) + f".{against}"


def explain_source(summary: ClaimsSummary) -> list[str]:
    """What a synthetic archive says of the world."""
    if not summary.is_synthetic:
        return []
    return [
        "",
        "The archive is synthetic: held is said of the synthetic glacier and the small run below, "
        "and says nothing of the Mendenhall Glacier.",
    ]


def write_departures(summary: ClaimsSummary) -> list[str]:
    """What the run and its variants do otherwise than the published experiment."""
    return [
        "## Departures from the published run",
        "",
        "| setting | here | published |",
        "|---|---|---|",
        *(
            f"| {escape(d.field)} | {show(d.here)} | {show(d.published)} |"
            for d in summary.departures
        ),
        "",
        "The variants change, on top of that:",
        "",
        *(f"- {variant.name}: {describe_changes(variant.changes)}" for variant in summary.variants),
        *(
            f"- {name}: failed, {escape(reason)}"
            for name, reason in summary.failed_variants.items()
        ),
    ]


def format_row(row: JudgedClaim) -> str:
    """A claim as a row of the table."""
    effect = "" if row.effect is None else f"{row.effect:+.3g} {row.unit}"
    if row.low is not None and row.high is not None and row.low < row.high:
        effect += f" ({row.low:+.3g} to {row.high:+.3g})"
    verdict = row.verdict + (", the opposite is shown" if row.opposite else "")
    cells = (escape(row.claim), verdict, effect, escape(row.test), escape(row.why))
    return "| " + " | ".join(cells) + " |"


def show(value: JsonValue) -> str:
    """A setting's value in a table of Markdown."""
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return "none" if value is None else escape(str(value))
