"""Variants ("arms") of one configuration, run in one Ray, reported and compared.

Arms whose archive, samples or sweep are the same share them. ``study.json`` is written last and
carries the checksums of the sweeps, so a comparison that is there for them is not made again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from glacier import store
from glacier.archive.ingest import run_ingest
from glacier.cluster import connect
from glacier.config import Config, arms_digest
from glacier.errors import ConfigError, GlacierError
from glacier.evaluation.caveats import explain_change, explain_labels
from glacier.evaluation.comparison import count_months
from glacier.evaluation.metrics import Facts
from glacier.plots.variants import draw_arms
from glacier.progress import duration, say
from glacier.reports.report import make_report
from glacier.reports.tables import encode_csv
from glacier.samples.prepare import run_prepare
from glacier.studies.page import write_page
from glacier.studies.sentences import explain_leakage, explain_row
from glacier.studies.variants import Arm, find_setting, is_about_settings, list_rows
from glacier.training.saved import find_sweep
from glacier.training.sweep import run_sweep

SCHEMA = 5
"""Counts up when a study's content changes for the same sweeps."""


def run_study(config: Config) -> int:
    """Run every arm and write the comparison; returns how many units failed, arms included.

    Raises:
        ConfigError: There are fewer than two arms.
        GlacierError: The reference, which is the first arm, cannot be run.
    """
    if len(config.arms) < 2:
        raise ConfigError(
            f"arms = {list(config.arms)}: a study compares two or more; give names and what "
            "differs, such as {plain: {}, shuffled: {sweep.folds.kind: shuffled}}"
        )
    arms, lost, failed = make_arms(config)
    folder = store.join(store.absolute(config.results), config.name)
    if is_current(store.join(folder, "study.json"), arms, SCHEMA):
        say(f"study: complete in {folder}")
        return failed
    for arm in arms:
        make_report(find_sweep(config.arm(arm.name)), store.join(folder, arm.name))
    write_study(config, arms, lost)
    return failed


def make_arms(config: Config) -> tuple[list[Arm], dict[str, str], int]:
    """Run all arms of a configuration, one after the other in one Ray.

    Returns:
        The arms that have a sweep; name to reason of those that have none; and how many months,
        trials and arms failed past the allowed numbers.

    Raises:
        GlacierError: The first arm cannot be run.
    """
    arms: list[Arm] = []
    lost: dict[str, str] = {}
    failed = 0
    with connect(config.cluster):
        for at, name in enumerate(config.arms):
            started = time.monotonic()
            say(f"study: arm {name} ({at + 1} of {len(config.arms)})")
            try:
                arm, missed = make_arm(config, name)
            except GlacierError as error:
                if not arms:
                    raise
                lost[name], missed = f"{type(error).__name__}: {error}", 1
                say(f"study: arm {name} failed: {lost[name]}")
            else:
                arms.append(arm)
            failed += missed
            say(f"study: arm {name} took {duration(time.monotonic() - started)}")
    return arms, lost, failed


def make_arm(config: Config, name: str) -> tuple[Arm, int]:
    """Run one arm as far as its sweep; returns it, and how many of its units failed."""
    variant = config.arm(name)
    failed = sum(stage(variant) for stage in (run_ingest, run_prepare, run_sweep))
    found = find_sweep(variant)
    facts = found.facts | {"sha256": found.sha256}
    return Arm(name, dict(config.arms[name]), facts, found.summary), failed


def is_current(address: str, arms: Sequence[Arm], schema: int) -> bool:
    """Whether a summary stands for the very sweeps of these arms, in this order."""
    if not store.exists(address):
        return False
    found = store.read_json(address)
    return bool(found.get("sweeps") == list_sweeps(arms) and found.get("schema") == schema)


def list_sweeps(arms: Sequence[Arm]) -> list[list[str]]:
    """Name of each arm and checksum of its sweep."""
    return [[arm.name, arm.sweep["sha256"]] for arm in arms]


def write_study(config: Config, arms: Sequence[Arm], lost: dict[str, str]) -> None:
    """Write table, picture and page, and the summary last."""
    folder = store.join(store.absolute(config.results), config.name)
    summary = summarise(config, arms, lost)
    panels = {"test Dice": {arm.name: collect(arm, Arm.test_dice) for arm in arms}}
    validation = {arm.name: collect(arm, Arm.validation_dice) for arm in arms}
    if any(values for row in validation.values() for values in row.values()):
        panels["validation Dice"] = validation
    picture = draw_arms(panels)
    page = write_page(summary, picture.alt)
    store.write_bytes(store.join(folder, "arms.csv"), encode_csv(summary["rows"]))
    store.write_bytes(store.join(folder, "arms.png"), picture.png)
    store.write_bytes(store.join(folder, "README.md"), page.encode())
    store.write_json(store.join(folder, "study.json"), summary)
    for sentence in summary["leakage"] or summary["sentences"]:
        say(f"study: {sentence}")
    say(f"study: {store.join(folder, 'README.md')}")


def collect(arm: Arm, score: Any) -> dict[str, list[float]]:
    """Scores per fold of the encoders of an arm."""
    return {name: list(score(arm, name).values()) for name in arm.scores["encoders"]}


def summarise(config: Config, arms: Sequence[Arm], lost: dict[str, str]) -> Facts:
    """Everything that the page says, as plain values."""
    rows = list_rows(arms)
    column = "val" if is_about_settings(arms) else "test"
    encoders = [row for row in rows if row["kind"] == "encoder"]
    return {
        "schema": SCHEMA,
        "name": config.name,
        "reference": arms[0].name,
        "setup": explain_setup(arms[0]),
        "compared_on": {"val": "validation", "test": "test"}[column],
        "labels": {
            arm.name: explain_labels(arm.sweep["config"]["prepare"]["label"]) for arm in arms
        },
        "arms": [
            {
                "name": arm.name,
                "changes": arm.changes,
                "differences": explain_differences(arm, arms[0]),
                "protocol": arm.settings["protocol"],
                "months": count_months(arm.samples["parts"]),
                "failed_trials": arm.sweep["failed"],
                "verdict": arm.scores["verdict"],
                "rival": arm.rival,
            }
            for arm in arms
        ],
        "failed_arms": lost,
        "rows": rows,
        "losses": [row for arm in arms for row in list_losses(arm)],
        "sentences": [explain_row(row, arms[0].name, column) for row in encoders],
        "leakage": explain_leakage(arms, rows),
        "sweeps": list_sweeps(arms),
        "config_sha256": arms_digest(config),
    }


def explain_setup(arm: Arm) -> str:
    """What an arm was run on and how it trained, in a sentence or two."""
    samples, settings = arm.samples, arm.settings
    months = count_months(samples["parts"])["ok"]
    size = f"{samples['size_px']} x {samples['size_px']} px"
    shape = f"resized to {size}" if samples["layout"] == "resize" else f"cut into windows of {size}"
    weights = settings["encoder_weights"]
    start = "random weights" if weights == "none" else f"weights from {weights}"
    return (
        f"{months} month{'' if months == 1 else 's'} of {', '.join(samples['regions'])} (source: "
        f"{arm.sweep['config']['ingest']['source']}), {shape}; bands {', '.join(samples['bands'])}."
        f" At most {settings['epochs']} epochs, batches of {settings['batch_size']}, encoders from "
        f"{start}."
    )


def list_losses(arm: Arm) -> list[Facts]:
    """The published experiment's three numbers of every encoder of an arm.

    Returns:
        Dice losses on the part that chose the checkpoint (None where none did): the ``lowest``
        of all epochs and folds, the ``last_mean`` of the folds' last epochs, and those, ``last``.
    """
    return [
        {
            "arm": arm.name,
            "encoder": name,
            "lowest": scores["dice_loss_lowest"],
            "last_mean": scores["dice_loss_last_mean"],
            "last": [row["val_dice_loss_last"] for row in scores["folds"]],
        }
        for name, scores in arm.scores["encoders"].items()
    ]


def explain_differences(arm: Arm, reference: Arm) -> list[str]:
    """A sentence for every setting that an arm changes."""
    return [
        explain_change(setting, value, find_setting(reference.sweep["config"], setting))
        for setting, value in arm.changes.items()
    ]
