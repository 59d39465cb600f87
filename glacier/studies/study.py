"""Variants of one configuration, run in one Ray, reported and compared.

Variants whose archive, samples or sweep are the same share them. ``study.json`` is written last
and carries the checksums of the sweeps, so a comparison that is there for them is not made again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from glacier import seals, store
from glacier.archive.ingest import run_ingest
from glacier.cluster import connect
from glacier.config import Config, explain_few_variants
from glacier.errors import ConfigError, GlacierError
from glacier.locks import hold, remove_dead
from glacier.plots.figures import Picture
from glacier.plots.variants import draw_variants
from glacier.progress import duration, say
from glacier.reports.report import make_report
from glacier.reports.tables import encode_csv
from glacier.samples.prepare import run_prepare
from glacier.studies.page import write_page
from glacier.studies.summary import SCHEMA, is_current, keep_earlier, summarise
from glacier.studies.variants import Score, Variant
from glacier.training.saved import find_sweep
from glacier.training.sweep import run_sweep


def run_study(config: Config) -> int:
    """Run every variant and write the comparison; returns how many units failed, variants included.

    Raises:
        ConfigError: There are fewer than two variants.
        GlacierError: The reference, which is the first variant, cannot be run.
    """
    if reason := explain_few_variants(config):
        raise ConfigError(reason)
    variants, lost, failed = make_variants(config)
    folder = store.results_folder(config)
    address = store.join(folder, "study.json")
    keep_earlier(address, config, "study")
    report_variants(config, variants, folder)
    if not is_current(address, variants, SCHEMA, owned=False):
        with hold(config, folder):
            # Another run may have written it meanwhile.
            if not is_current(address, variants, SCHEMA, owned=True):
                write_study(config, variants, lost)
                return failed
    remove_dead(config, folder)
    say(f"study: complete in {folder}")
    return failed


def report_variants(config: Config, variants: Sequence[Variant], folder: str) -> None:
    """Write the report of every variant's sweep, each in a folder of its own."""
    for variant in variants:
        make_report(find_sweep(config.variant(variant.name)), store.join(folder, variant.name))


def make_variants(config: Config) -> tuple[list[Variant], dict[str, str], int]:
    """Run all variants of a configuration, one after the other in one Ray.

    Returns:
        The variants that have a sweep; name to reason of those that have none; and how many
        months, trials and variants failed past the allowed numbers.

    Raises:
        GlacierError: The first variant cannot be run.
    """
    variants: list[Variant] = []
    lost: dict[str, str] = {}
    failed = 0
    with connect(config.cluster, storage=config.storage):
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
    resolved = config.variant(name)
    failed = sum(stage(resolved) for stage in (run_ingest, run_prepare, run_sweep))
    found = find_sweep(resolved)
    changes = config.variants[name]
    return Variant(name, changes, found.result, found.sha256, found.samples), failed


def write_study(config: Config, variants: Sequence[Variant], lost: Mapping[str, str]) -> None:
    """Write table, picture and page, and the summary last."""
    folder = store.results_folder(config)
    summary, picture = summarise(config, variants, lost), draw_scores(variants)
    contents = {
        "variants.csv": encode_csv([row.columns() for row in summary.rows]),
        "variants.png": picture.png,
        "README.md": write_page(summary, picture.alt).encode(),
    }
    seals.write_whole(store.join(folder, "study.json"), summary, contents)
    for sentence in summary.leakage or summary.sentences:
        say(f"study: {sentence}")
    say(f"study: {store.join(folder, 'README.md')}")


def draw_scores(variants: Sequence[Variant]) -> Picture:
    """The picture of the encoders' test Dice, and of their validation Dice where there is one."""
    panels = {"test Dice": collect(variants, Variant.test_dice)}
    validation = collect(variants, Variant.validation_dice)
    if any(values for row in validation.values() for values in row.values()):
        panels["validation Dice"] = validation
    return draw_variants(panels)


def collect(variants: Sequence[Variant], score: Score) -> dict[str, dict[str, list[float]]]:
    """Variant to encoder to its score per fold."""
    return {
        variant.name: {
            name: list(score(variant, name).values()) for name in variant.scores.encoders
        }
        for variant in variants
    }
