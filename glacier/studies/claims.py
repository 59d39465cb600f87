"""The ledger: every testable claim of the published experiment, with what came of it.

The variants are run as a study's are. ``claims.json`` is written last and carries the checksums of
their sweeps.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from glacier import store
from glacier.config import Config, variants_digest
from glacier.errors import ConfigError
from glacier.evaluation.caveats import explain_folds, explain_labels, explain_protocol
from glacier.evaluation.metrics import Facts
from glacier.progress import duration, say
from glacier.studies.claim_list import CLAIMS, list_departures, list_findings
from glacier.studies.page import describe_changes
from glacier.studies.study import is_current, list_sweeps, make_variants
from glacier.studies.variants import Variant

SCHEMA = 3
"""Counts up when the ledger's content changes for the same sweeps."""


def run_claims(config: Config) -> int:
    """Run the variants and write the ledger; returns how many units failed, variants included.

    Raises:
        ConfigError: There is no variant.
        GlacierError: The first variant cannot be run.
    """
    if not config.variants:
        wanted = sorted({name for claim in CLAIMS for name in claim.variants})
        raise ConfigError(f"variants is empty: the claims read {', '.join(wanted)}")
    began = time.monotonic()
    variants, lost, failed = make_variants(config)
    folder = store.join(store.absolute(config.results), config.name)
    if is_current(store.join(folder, "claims.json"), variants, SCHEMA):
        say(f"claims: complete in {folder}")
        return failed
    facts = summarise(config, variants, lost) | {"wall_s": time.monotonic() - began}
    store.write_bytes(store.join(folder, "README.md"), write_page(facts).encode())
    store.write_json(store.join(folder, "claims.json"), facts)
    for row in facts["claims"]:
        say(f"claims: {row['verdict']}: {row['claim']}")
    say(f"claims: {store.join(folder, 'README.md')}")
    return failed


def summarise(config: Config, variants: Sequence[Variant], lost: dict[str, str]) -> Facts:
    """Everything that the page says, as plain values."""
    first = variants[0].sweep["config"]
    return {
        "schema": SCHEMA,
        "name": config.name,
        "source": config.ingest.source,
        "caveats": [
            explain_labels(first["prepare"]["label"]),
            explain_protocol(first["sweep"]),
            explain_folds(first),
        ],
        "claims": list_findings({variant.name: variant for variant in variants}),
        "variants": [{"name": variant.name, "changes": variant.changes} for variant in variants],
        "failed_variants": lost,
        "departures": list_departures(config.model_dump(mode="json")),
        "sweeps": list_sweeps(variants),
        "config_sha256": variants_digest(config),
    }


def write_page(facts: Facts) -> str:
    """The page in Markdown."""
    counts = Counter(row["verdict"] for row in facts["claims"])
    opposite = sum(row["opposite"] for row in facts["claims"])
    against = f" Of {opposite} the opposite is shown." if opposite else ""
    lines = [
        f"# What the published experiment claims ({facts['name']})",
        "",
        ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())) + f".{against}",
        *explain_source(facts["source"]),
        "",
        "| claim | verdict | effect (95 %) | how tested | why |",
        "|---|---|---|---|---|",
        *map(format_row, facts["claims"]),
        "",
        "A claim is held only where the interval of its effect lies wholly on the claimed side. "
        "Not held says that it was not shown, and that the opposite is true only where that is "
        "said.",
        " ".join(facts["caveats"]),
        "",
        "## Departures from the published run",
        "",
        "| setting | here | published |",
        "|---|---|---|",
        *(f"| {row['field']} | {show(row['here'])} | {show(row['published'])} |"
          for row in facts["departures"]),
        "",
        "The variants change, on top of that:",
        "",
        *(f"- {variant['name']}: {describe_changes(variant['changes'])}" for variant in facts["variants"]),
        *(f"- {name}: failed, {reason}" for name, reason in facts["failed_variants"].items()),
        "",
        f"Configuration {facts['config_sha256'][:12]}; the command took "
        f"{duration(facts['wall_s'])}.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def explain_source(source: str) -> list[str]:
    """What a synthetic archive says of the world."""
    if source != "synthetic":
        return []
    return [
        "The archive is synthetic: held is said of the synthetic glacier and the small run below, "
        "and says nothing of the Mendenhall Glacier."
    ]


def format_row(row: Facts) -> str:
    """A claim as a row of the table."""
    effect = "" if row["effect"] is None else f"{row['effect']:+.3g} {row['unit']}"
    if row["low"] is not None and row["low"] < row["high"]:
        effect += f" ({row['low']:+.3g} to {row['high']:+.3g})"
    verdict = row["verdict"] + (", the opposite is shown" if row["opposite"] else "")
    cells = (row["claim"], verdict, effect, row["test"], row["why"])
    return "| " + " | ".join(cells) + " |"


def show(value: object) -> str:
    """A setting's value in a table."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
