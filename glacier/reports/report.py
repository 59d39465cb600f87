"""A finished sweep -> the comparison: one self-contained page, and the same as tables.

``summary.json`` is written last and carries the checksum of the sweep, so a report that is
there for a sweep is not made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glacier import store
from glacier.config import Config
from glacier.evaluation.comparison import Comparison, compare_methods, list_epochs, list_folds
from glacier.evaluation.results import SweepResult
from glacier.plots.figures import Picture
from glacier.progress import say
from glacier.reports.charts import draw_charts
from glacier.reports.gallery import draw_strips, group_strips
from glacier.reports.page import Drawn, render_page
from glacier.reports.portrait import draw_portrait
from glacier.reports.sharing import share_text
from glacier.reports.summary import SCHEMA, Stamp, read_stamp, summarise, summary_address
from glacier.reports.tables import encode_csv
from glacier.training.saved import SavedSweep, find_sweep

FILES = ("report.html", "folds.csv", "folds.json", "epochs.csv")
"""What a report's folder holds besides the summary and the figures."""


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
    if is_current(folder, sweep):
        say(f"report: complete in {folder}")
        return
    keep_earlier(folder, sweep.result.config_sha256)
    verdict = write_report(sweep, folder, wall_s)
    say(f"report: {verdict}")
    say(f"report: {store.join(folder, 'report.html')}")


def keep_earlier(folder: str, config_sha256: str) -> None:
    """Move a report of other settings aside, under its own hash, so that it is not lost."""
    stamp = read_stamp(folder)
    if stamp.config_sha256 in ("", config_sha256):
        return
    aside = f"{folder}-{stamp.config_sha256[:8]}"
    # The summary goes last: it vouches for all others.
    for name in (*FILES, *list_figures(stamp), "summary.json"):
        store.move(store.join(folder, name), store.join(aside, name))
    say(f"report: {folder} held a report of other settings, which is in {aside} now")


def list_figures(stamp: Stamp) -> list[str]:
    """Files of a report's figures, of which some are drawn as lines, too."""
    return [f"figures/{name}.{kind}" for name in stamp.figures for kind in ("png", "svg")]


def is_current(folder: str, sweep: SavedSweep) -> bool:
    """Whether a folder holds the finished report of a sweep, with all of its files."""
    stamp = read_stamp(folder)
    found = (stamp.format, stamp.sweep_sha256, stamp.config_sha256)
    if found != (SCHEMA, sweep.sha256, sweep.result.config_sha256):
        return False
    figures = (f"figures/{name}.png" for name in stamp.figures)
    return all(store.exists(store.join(folder, name)) for name in (*FILES, *figures))


def write_report(sweep: SavedSweep, folder: str, wall_s: float | None) -> str:
    """Write page, tables and figures, and the summary last; returns the verdict."""
    strips = draw_strips(sweep)
    found = hide_reasons(compare_methods(sweep.result), sweep)
    charts = draw_charts(sweep.result, found)
    groups = group_strips(sweep.result, strips)
    portrait = draw_portrait(sweep, found.shown)
    pictures = charts | {group.name: group.sheet for group in groups}
    if portrait:
        pictures = {"glacier": portrait.picture} | pictures
    summary = summarise(sweep, found, strips, pictures, wall_s)
    page = render_page(sweep, summary, Drawn(portrait, charts, groups))
    write_tables(folder, sweep.result, found)
    write_figures(folder, pictures)
    store.write_bytes(store.join(folder, "report.html"), page.encode())
    store.write_model(summary_address(folder), summary)
    return summary.verdict


def hide_reasons(found: Comparison, sweep: SavedSweep) -> Comparison:
    """The comparison without what is private in the messages of failed trials."""
    configs = (sweep.result.config, sweep.trained_with or sweep.result.config)
    failed = tuple(
        trial.model_copy(update={"reason": share_text(trial.reason, *configs)})
        for trial in found.failed_trials
    )
    return found.model_copy(update={"failed_trials": failed})


def write_tables(folder: str, sweep: SweepResult, found: Comparison) -> None:
    """Write the scores fold by fold and the learning curves."""
    rows = [name_kept_epoch(row) for row in list_folds(found, sweep.splits)]
    store.write_bytes(store.join(folder, "folds.csv"), encode_csv(rows))
    store.write_json(store.join(folder, "folds.json"), rows)
    store.write_bytes(store.join(folder, "epochs.csv"), encode_csv(list_epochs(sweep)))


def name_kept_epoch(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table for people, who count epochs from 1: ``epoch_kept``."""
    if row.get("best_epoch") is None:
        return {name: value for name, value in row.items() if name != "best_epoch"}
    return {
        "epoch_kept" if name == "best_epoch" else name: value + 1 if name == "best_epoch" else value
        for name, value in row.items()
    }


def write_figures(folder: str, pictures: Mapping[str, Picture]) -> None:
    """Write each picture as a file, and remove those of an earlier report."""
    earlier = read_stamp(folder).figures
    for name, picture in pictures.items():
        store.write_bytes(store.join(folder, "figures", f"{name}.png"), picture.png)
        if picture.svg is not None:
            store.write_bytes(store.join(folder, "figures", f"{name}.svg"), picture.svg)
    for name in set(earlier) - set(pictures):
        for kind in ("png", "svg"):
            store.remove(store.join(folder, "figures", f"{name}.{kind}"))
