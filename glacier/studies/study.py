"""Variants ("variants") of one configuration, run in one Ray, reported and compared.

Variants whose archive, samples or sweep are the same share them. ``study.json`` is written last and
carries the checksums of the sweeps, so a comparison that is there for them is not made again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from glacier import store
from glacier.archive.ingest import run_ingest
from glacier.cluster import connect
from glacier.config import Config, variants_digest
from glacier.errors import ConfigError, GlacierError
from glacier.evaluation.caveats import explain_change, explain_labels
from glacier.evaluation.comparison import count_months
from glacier.evaluation.metrics import Facts
from glacier.plots.variants import draw_variants
from glacier.progress import duration, say
from glacier.reports.report import make_report
from glacier.reports.tables import encode_csv
from glacier.samples.prepare import run_prepare
from glacier.studies.page import write_page
from glacier.studies.sentences import explain_leakage, explain_row
from glacier.studies.variants import Variant, find_setting, is_about_settings, list_rows
from glacier.training.saved import find_sweep
from glacier.training.sweep import run_sweep

SCHEMA = 5
"""Counts up when a study's content changes for the same sweeps."""


def run_study(config: Config) -> int:
    """Run every variant and write the comparison; returns how many units failed, variants included.

    Raises:
        ConfigError: There are fewer than two variants.
        GlacierError: The reference, which is the first variant, cannot be run.
    """
    if len(config.variants) < 2:
        raise ConfigError(
            f"variants = {list(config.variants)}: a study compares two or more; give names and what "
            "differs, such as {plain: {}, shuffled: {sweep.folds.kind: shuffled}}"
        )
    variants, lost, failed = make_variants(config)
    folder = store.join(store.absolute(config.results), config.name)
    if is_current(store.join(folder, "study.json"), variants, SCHEMA):
        say(f"study: complete in {folder}")
        return failed
    for variant in variants:
        make_report(find_sweep(config.variant(variant.name)), store.join(folder, variant.name))
    write_study(config, variants, lost)
    return failed


def make_variants(config: Config) -> tuple[list[Variant], dict[str, str], int]:
    """Run all variants of a configuration, one after the other in one Ray.

    Returns:
        The variants that have a sweep; name to reason of those that have none; and how many months,
        trials and variants failed past the allowed numbers.

    Raises:
        GlacierError: The first variant cannot be run.
    """
    variants: list[Variant] = []
    lost: dict[str, str] = {}
    failed = 0
    with connect(config.cluster):
        for at, name in enumerate(config.variants):
            started = time.monotonic()
            say(f"study: variant {name} ({at + 1} of {len(config.variants)})")
            try:
                variant, missed = make_variant(config, name)
            except GlacierError as error:
                if not variants:
                    raise
                lost[name], missed = f"{type(error).__name__}: {error}", 1
                say(f"study: variant {name} failed: {lost[name]}")
            else:
                variants.append(variant)
            failed += missed
            say(f"study: variant {name} took {duration(time.monotonic() - started)}")
    return variants, lost, failed


def make_variant(config: Config, name: str) -> tuple[Variant, int]:
    """Run one variant as far as its sweep; returns it, and how many of its units failed."""
    variant = config.variant(name)
    failed = sum(stage(variant) for stage in (run_ingest, run_prepare, run_sweep))
    found = find_sweep(variant)
    facts = found.facts | {"sha256": found.sha256}
    return Variant(name, dict(config.variants[name]), facts, found.summary), failed


def is_current(address: str, variants: Sequence[Variant], schema: int) -> bool:
    """Whether a summary stands for the very sweeps of these variants, in this order."""
    if not store.exists(address):
        return False
    found = store.read_json(address)
    return bool(found.get("sweeps") == list_sweeps(variants) and found.get("schema") == schema)


def list_sweeps(variants: Sequence[Variant]) -> list[list[str]]:
    """Name of each variant and checksum of its sweep."""
    return [[variant.name, variant.sweep["sha256"]] for variant in variants]


def write_study(config: Config, variants: Sequence[Variant], lost: dict[str, str]) -> None:
    """Write table, picture and page, and the summary last."""
    folder = store.join(store.absolute(config.results), config.name)
    summary = summarise(config, variants, lost)
    panels = {
        "test Dice": {variant.name: collect(variant, Variant.test_dice) for variant in variants}
    }
    validation = {variant.name: collect(variant, Variant.validation_dice) for variant in variants}
    if any(values for row in validation.values() for values in row.values()):
        panels["validation Dice"] = validation
    picture = draw_variants(panels)
    page = write_page(summary, picture.alt)
    store.write_bytes(store.join(folder, "variants.csv"), encode_csv(summary["rows"]))
    store.write_bytes(store.join(folder, "variants.png"), picture.png)
    store.write_bytes(store.join(folder, "README.md"), page.encode())
    store.write_json(store.join(folder, "study.json"), summary)
    for sentence in summary["leakage"] or summary["sentences"]:
        say(f"study: {sentence}")
    say(f"study: {store.join(folder, 'README.md')}")


def collect(variant: Variant, score: Any) -> dict[str, list[float]]:
    """Scores per fold of the encoders of a variant."""
    return {name: list(score(variant, name).values()) for name in variant.scores["encoders"]}


def summarise(config: Config, variants: Sequence[Variant], lost: dict[str, str]) -> Facts:
    """Everything that the page says, as plain values."""
    rows = list_rows(variants)
    column = "val" if is_about_settings(variants) else "test"
    encoders = [row for row in rows if row["kind"] == "encoder"]
    return {
        "schema": SCHEMA,
        "name": config.name,
        "reference": variants[0].name,
        "setup": explain_setup(variants[0]),
        "compared_on": {"val": "validation", "test": "test"}[column],
        "labels": {
            variant.name: explain_labels(variant.sweep["config"]["prepare"]["label"])
            for variant in variants
        },
        "variants": [
            {
                "name": variant.name,
                "changes": variant.changes,
                "differences": explain_differences(variant, variants[0]),
                "protocol": variant.settings["protocol"],
                "months": count_months(variant.samples["parts"]),
                "failed_trials": variant.sweep["failed"],
                "verdict": variant.scores["verdict"],
                "rival": variant.rival,
            }
            for variant in variants
        ],
        "failed_variants": lost,
        "rows": rows,
        "losses": [row for variant in variants for row in list_losses(variant)],
        "sentences": [explain_row(row, variants[0].name, column) for row in encoders],
        "leakage": explain_leakage(variants, rows),
        "sweeps": list_sweeps(variants),
        "config_sha256": variants_digest(config),
    }


def explain_setup(variant: Variant) -> str:
    """What a variant was run on and how it trained, in a sentence or two."""
    samples, settings = variant.samples, variant.settings
    months = count_months(samples["parts"])["ok"]
    size = f"{samples['size_px']} x {samples['size_px']} px"
    shape = f"resized to {size}" if samples["layout"] == "resize" else f"cut into windows of {size}"
    weights = settings["encoder_weights"]
    start = "random weights" if weights == "none" else f"weights from {weights}"
    return (
        f"{months} month{'' if months == 1 else 's'} of {', '.join(samples['regions'])} (source: "
        f"{variant.sweep['config']['ingest']['source']}), {shape}; bands {', '.join(samples['bands'])}."
        f" At most {settings['epochs']} epochs, batches of {settings['batch_size']}, encoders from "
        f"{start}."
    )


def list_losses(variant: Variant) -> list[Facts]:
    """The published experiment's three numbers of every encoder of a variant.

    Returns:
        Dice losses on the part that chose the checkpoint (None where none did): the ``lowest``
        of all epochs and folds, the ``last_mean`` of the folds' last epochs, and those, ``last``.
    """
    return [
        {
            "variant": variant.name,
            "encoder": name,
            "lowest": scores["dice_loss_lowest"],
            "last_mean": scores["dice_loss_last_mean"],
            "last": [row["val_dice_loss_last"] for row in scores["folds"]],
        }
        for name, scores in variant.scores["encoders"].items()
    ]


def explain_differences(variant: Variant, reference: Variant) -> list[str]:
    """A sentence for every setting that a variant changes."""
    return [
        explain_change(setting, value, find_setting(reference.sweep["config"], setting))
        for setting, value in variant.changes.items()
    ]
