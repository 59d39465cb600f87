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
from glacier.studies.seeds import Repeats
from glacier.studies.stamp import is_current, keep_earlier
from glacier.studies.summary import SCHEMA, summarise
from glacier.studies.variants import Score, Variant
from glacier.training.saved import SavedSweep, find_sweep
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
    repeats, missed = make_repeats(config, variants)
    failed += missed
    folder = store.results_folder(config)
    address = store.join(folder, "study.json")
    keep_earlier(address, config, "study")
    report_variants(config, variants, folder)
    if not is_current(address, variants, SCHEMA, owned=False, repeats=repeats):
        with hold(config, folder):
            # Another run may have written it meanwhile.
            if not is_current(address, variants, SCHEMA, owned=True, repeats=repeats):
                write_study(config, variants, lost, repeats)
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
            said = f"variant {name} ({at + 1} of {len(config.variants)})"
            found, missed = attempt(config.variant(name), said, needed=not variants)
            if isinstance(found, str):
                lost[name] = found
            else:
                variants.append(make_variant(config, name, found))
            failed += missed
    return variants, lost, failed


def make_repeats(config: Config, variants: Sequence[Variant]) -> tuple[Repeats, int]:
    """Run variants from other training seeds as well.

    Args:
        config: The study.
        variants: Those that have a sweep.

    Returns:
        What was found by variant and training seed, the run's own included, empty where nothing
        is repeated; and how many trials and repeats failed past the allowed numbers.
    """
    if config.repeats is None:
        return {}, 0
    failed = 0
    known = [variant for variant in variants if variant.name in config.repeated]
    repeats = {variant.name: {variant.config.training_seed: variant} for variant in known}
    runs = [(seed, variant.name) for seed in config.repeats.seeds for variant in known]
    with connect(config.cluster, storage=config.storage):
        for at, (seed, name) in enumerate(runs):
            said = f"variant {name} from seed {seed} ({at + 1} of {len(runs)})"
            found, missed = attempt(config.repeat(name, seed), said)
            if not isinstance(found, str):
                repeats[name][seed] = make_variant(config, name, found)
            failed += missed
    return repeats, failed


def attempt(run: Config, said: str, needed: bool = False) -> tuple[SavedSweep | str, int]:
    """Run one configuration as far as its sweep.

    Args:
        run: The configuration.
        said: What messages call it.
        needed: Nothing can be compared without it.

    Returns:
        Its sweep, or why it has none; and how many of its units failed.

    Raises:
        GlacierError: It is needed and cannot be run.
    """
    started = time.monotonic()
    say(f"study: {said}")
    found: SavedSweep | str
    try:
        failed = sum(stage(run) for stage in (run_ingest, run_prepare, run_sweep))
        found = find_sweep(run)
    except GlacierError as error:
        if needed:
            raise
        found, failed = f"{type(error).__name__}: {error}", 1
        say(f"study: {said.partition(' (')[0]} failed: {found}")
    say(f"study: {said.partition(' (')[0]} took {duration(time.monotonic() - started)}")
    return found, failed


def make_variant(config: Config, name: str, found: SavedSweep) -> Variant:
    """A variant of a study with its sweep."""
    return Variant(name, config.variants[name], found.result, found.sha256, found.samples)


def write_study(
    config: Config, variants: Sequence[Variant], lost: Mapping[str, str], repeats: Repeats
) -> None:
    """Write table, picture and page, and the summary last."""
    folder = store.results_folder(config)
    summary, picture = summarise(config, variants, lost, repeats), draw_scores(variants)
    contents = {
        "variants.csv": encode_csv([row.columns() for row in summary.rows]),
        "variants.png": picture.png,
        "README.md": write_page(summary, picture.alt).encode(),
    }
    if summary.places:
        by_place = [row.model_dump(exclude={"area_percent"}) for row in summary.places]
        contents["places.csv"] = encode_csv(by_place)
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
