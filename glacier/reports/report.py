"""A finished sweep -> the comparison: one self-contained page, and the same as tables.

``summary.json`` is written last and carries the checksum of the sweep, so a report that is
there for a sweep is not made again.
"""

from __future__ import annotations

import calendar

from glacier import store
from glacier.config import Config
from glacier.evaluation.comparison import (
    METHOD_NAMES,
    compare_methods,
    count_months,
    late_summer_of,
    list_folds,
    list_methods,
    rank_encoders,
)
from glacier.evaluation.metrics import Facts
from glacier.evaluation.results import group_trials, list_epochs
from glacier.plots import figures
from glacier.plots.figures import COLOURS, Curve, Picture
from glacier.progress import say
from glacier.reports.gallery import describe_held_out, group_strips, look_through
from glacier.reports.page import render_page
from glacier.reports.tables import encode_csv
from glacier.training.saved import SavedSweep, find_sweep

SCHEMA = 6
"""Counts up when a report's content changes for the same sweep."""


def run_report(config: Config, wall_s: float | None = None) -> int:
    """Write the comparison of a run's sweep; nothing is done where it is there already.

    Args:
        config: The run.
        wall_s: Time of the whole pipeline, seconds; None where the report runs by itself.

    Returns:
        0.

    Raises:
        StoreError: An earlier stage is missing, or one of its files is damaged.
    """
    folder = store.join(store.absolute(config.results), config.name)
    make_report(find_sweep(config), folder, wall_s)
    return 0


def make_report(sweep: SavedSweep, folder: str, wall_s: float | None = None) -> None:
    """Write the report of a sweep into a folder, unless it is there already."""
    if is_current(folder, sweep.sha256):
        say(f"report: complete in {folder}")
        return
    verdict = write_report(sweep, folder, wall_s)
    say(f"report: {verdict}")
    say(f"report: {store.join(folder, 'report.html')}")


def is_current(folder: str, sha256: str) -> bool:
    """Whether a folder holds the finished report of a sweep with that checksum."""
    address = store.join(folder, "summary.json")
    if not store.exists(address):
        return False
    found = store.read_json(address)
    return bool(found.get("sweep_sha256") == sha256 and found.get("schema") == SCHEMA)


def write_report(sweep: SavedSweep, folder: str, wall_s: float | None) -> str:
    """Write page, tables and figures, and the summary last; returns the verdict."""
    looks = look_through(sweep)
    strips = looks.strips
    config = sweep.facts["config"]
    summary = {
        "schema": SCHEMA,
        "name": config["name"],
        "protocol": sweep.settings["protocol"],
        "labels": config["prepare"]["label"],
        "fold_kind": sweep.settings["folds"]["kind"],
        "test_units": {split["fold"]: split["test"] for split in sweep.facts["splits"]},
        "regions": [region["name"] for region in config["regions"]],
        "months": count_months(sweep.summary["parts"]),
        "wall_s": wall_s if sweep.facts["sweep_s"] is not None else None,
        "sweep_s": sweep.facts["sweep_s"],
        "train_s": sum(trial["train_s"] for trial in sweep.facts["trials"]),
        "config_sha256": sweep.facts["config_sha256"],
        "sweep_sha256": sweep.sha256,
        "held_out": [describe_held_out(strip) for strip in strips if strip.view.fold is None],
        "agreement": looks.agreement.as_dict(),
        "late_summer": late_summer_of(sweep.facts, sweep.summary["parts"]),
        **compare_methods(sweep.facts, looks.ensemble),
    }
    charts = draw_charts(sweep, summary)
    groups = group_strips(sweep, strips)
    page = render_page(sweep, summary, charts, groups)
    rows = list_folds(summary)
    store.write_bytes(store.join(folder, "folds.csv"), encode_csv(rows))
    store.write_json(store.join(folder, "folds.json"), rows)
    store.write_bytes(store.join(folder, "epochs.csv"), encode_csv(list_epochs(sweep.facts)))
    sheets = {group["name"]: group["sheet"] for group in groups}
    summary["figures"] = write_figures(folder, charts | sheets)
    store.write_bytes(store.join(folder, "report.html"), page.encode())
    store.write_json(store.join(folder, "summary.json"), summary)
    return str(summary["verdict"])


def write_figures(folder: str, pictures: dict[str, Picture]) -> list[str]:
    """Write each picture as a file, and remove those of an earlier report; returns the names."""
    address = store.join(folder, "summary.json")
    earlier = store.read_json(address).get("figures", []) if store.exists(address) else []
    for name, picture in pictures.items():
        store.write_bytes(store.join(folder, "figures", f"{name}.png"), picture.png)
    for name in set(earlier) - set(pictures):
        store.remove(store.join(folder, "figures", f"{name.rpartition('/')[2]}.png"))
    return list(pictures)


def draw_charts(sweep: SavedSweep, summary: Facts) -> dict[str, Picture]:
    """Charts by file name: folds, cost, and learning curves of each encoder."""
    ranked = rank_encoders(summary)
    methods = {name: summary["encoders"][name] for name in ranked}
    if summary["ensemble"]:
        methods["ensemble"] = summary["ensemble"]
    rivals = {
        METHOD_NAMES.get(name, name): scores
        for name, scores in summary["baselines"].items()
        if "reason" not in scores
    }
    nearest = max(rivals, key=lambda name: float(rivals[name]["dice_mean"]), default=None)
    dotted = methods | ({nearest: rivals[nearest]} if nearest else {})
    dice = {name: [row["dice"] for row in scores["folds"]] for name, scores in dotted.items()}
    lines = {name: scores["dice_mean"] for name, scores in rivals.items() if name != nearest}
    points = [
        figures.CostPoint(
            name, (scores["dice_mean"], scores["dice_sd"]), scores["epoch_s"], scores["parameters"]
        )
        for name, scores in ((name, summary["encoders"][name]) for name in ranked)
    ]
    charts = {"folds": figures.draw_folds(dice, lines), "cost": figures.draw_cost(points)}
    for chart, which in (("reliability", "reliability"), ("before", "reliability_before")):
        reliability = {
            row["name"]: [(step["probability"], step["glacier"]) for step in row["scores"][which]]
            for row in list_methods(summary)
            if row["scores"].get(which)
        }
        if reliability:
            charts[chart] = figures.draw_reliability(reliability)
    for title, lines_by_name in list_conditions(methods).items():
        charts[f"by-{title.partition(' ')[0]}"] = figures.draw_conditions(title, lines_by_name)
    trials = group_trials(sweep.facts)
    curves = {name: [make_curve(trial) for trial in trials[name]] for name in ranked}
    losses = [v for found in curves.values() for c in found for v in (*c.train, *(c.chooser or ()))]
    for k, (name, found) in enumerate(curves.items()):
        charts[f"curves-{name}"] = figures.draw_curves(
            name, found, 1.05 * max(losses), sweep.losses, COLOURS[k % len(COLOURS)]
        )
    return charts


def list_conditions(methods: dict[str, Facts]) -> dict[str, dict[str, dict[str, float]]]:
    """Dice by month and by what was seen, for the kinds that tell two conditions apart."""
    kinds = {"month": "by_month", "share of the test part that was seen": "by_seen"}
    found = {
        title: {
            name: {
                calendar.month_abbr[kind] if isinstance(kind, int) else kind: row["dice"]
                for kind, row in scores[field].items()
            }
            for name, scores in methods.items()
        }
        for title, field in kinds.items()
    }
    return {
        title: names
        for title, names in found.items()
        if len({kind for rows in names.values() for kind in rows}) > 1
    }


def make_curve(trial: Facts) -> Curve:
    """Learning curve of a trial."""
    train = [row["train_loss"] for row in trial["rows"]]
    chooser = [row["val_dice_loss"] for row in trial["rows"]]
    return Curve(trial["fold"], train, None if None in chooser else chooser, trial["best_epoch"])
