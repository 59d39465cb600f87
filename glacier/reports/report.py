"""A finished sweep -> the comparison: one self-contained page, and the same as tables.

``summary.json`` is written last and carries the checksums of the sweep and of the report's files:
a report that is there for a sweep, and whole, is not made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from glacier import seals, store
from glacier.archive.calendar import draw_archive
from glacier.config import Config
from glacier.evaluation.comparison import Comparison, compare_methods, list_epochs, list_folds
from glacier.evaluation.results import SweepResult
from glacier.locks import hold, remove_dead
from glacier.plots.figures import Picture
from glacier.progress import say
from glacier.reports.charts import draw_charts
from glacier.reports.gallery import draw_strips, group_strips
from glacier.reports.groups import find_groups, list_group_rows
from glacier.reports.page import Drawn, render_page
from glacier.reports.portrait import draw_portrait
from glacier.reports.sharing import share_text
from glacier.reports.summary import SCHEMA, Stamp, read_stamp, summarise, summary_address
from glacier.reports.tables import encode_csv
from glacier.training.saved import SavedSweep, find_sweep


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
    make_report(find_sweep(config), store.results_folder(config), wall_s)
    return 0


def make_report(sweep: SavedSweep, folder: str, wall_s: float | None = None) -> None:
    """Write the report of a sweep into a folder, unless it is there already."""
    if not is_current(folder, sweep, owned=False):
        with hold(sweep.result.config, folder):
            # Another run may have written it meanwhile.
            if not is_current(folder, sweep, owned=True):
                keep_earlier(folder, sweep.result.config_sha256)
                say("report: drawing figures and page")
                verdict = write_report(sweep, folder, wall_s)
                say(f"report: {verdict}")
                say(f"report: {store.join(folder, 'report.html')}")
                return
    remove_dead(sweep.result.config, folder)
    say(f"report: complete in {folder}")


def keep_earlier(folder: str, config_sha256: str) -> None:
    """Move a report of other settings aside, under its own hash, so that it is not lost."""
    stamp = read_stamp(folder)
    if stamp.config_sha256 not in ("", config_sha256):
        move_aside(folder, stamp.config_sha256, list_files(folder), "report")


def list_files(folder: str) -> list[str]:
    """Names of the files of the report in a folder, the summary last: it vouches for all others."""
    return [*read_stamp(folder).files, "summary.json"]


def move_aside(folder: str, config_sha256: str, names: Sequence[str], what: str) -> None:
    """Move what other settings have left in a folder into one that is named by their hash.

    Args:
        folder: Address of the folder.
        config_sha256: Hash of those settings.
        names: Names of the files, the one that vouches for all others last.
        what: What they are together, as messages name it.
    """
    aside = f"{folder}-{config_sha256[:8]}"
    for name in names:
        store.move(store.join(folder, name), store.join(aside, name))
    say(f"{what}: {folder} held a {what} of other settings, which is in {aside} now")


def is_current(folder: str, sweep: SavedSweep, owned: bool) -> bool:
    """Whether a folder holds the finished report of a sweep, with all of its files whole.

    Args:
        folder: Address of the folder.
        sweep: The sweep.
        owned: This run alone works there, so damaged files are said and set aside.
    """
    stamp = seals.read_whole(summary_address(folder), Stamp, owned) or Stamp()
    found = (stamp.format, stamp.sweep_sha256, stamp.config_sha256)
    return found == (SCHEMA, sweep.sha256, sweep.result.config_sha256)


def write_report(sweep: SavedSweep, folder: str, wall_s: float | None) -> str:
    """Write page, tables and figures, and the summary last; returns the verdict."""
    strips = draw_strips(sweep)
    found = hide_reasons(compare_methods(sweep.result), sweep)
    charts = draw_charts(sweep.result, found)
    groups = group_strips(sweep.result, strips)
    portrait = draw_portrait(sweep, found.shown)
    calendar = draw_archive(sweep.records, sweep.result.config)
    pictures = charts | {group.name: group.sheet for group in groups}
    if portrait:
        pictures = {"glacier": portrait.picture} | pictures
    if calendar:
        pictures["calendar"] = calendar
    summary = summarise(sweep, found, strips, pictures, wall_s)
    served = find_groups(sweep)
    page = render_page(sweep, summary, Drawn(portrait, charts, groups, calendar), served)
    contents = encode_tables(sweep.result, found) | encode_figures(pictures)
    if served:
        contents["groups.csv"] = encode_csv(list_group_rows(served))
    contents["report.html"] = page.encode()
    seals.write_whole(summary_address(folder), summary, contents)
    return summary.verdict


def hide_reasons(found: Comparison, sweep: SavedSweep) -> Comparison:
    """The comparison without what is private in the messages of failed trials."""
    configs = (sweep.result.config, sweep.trained_with or sweep.result.config)
    failed = tuple(
        trial.model_copy(update={"reason": share_text(trial.reason, *configs)})
        for trial in found.failed_trials
    )
    return found.model_copy(update={"failed_trials": failed})


def encode_tables(sweep: SweepResult, found: Comparison) -> dict[str, bytes]:
    """The scores fold by fold and the learning curves, by the names of their files."""
    rows = list_folds(found, sweep.splits)
    return {
        "folds.csv": encode_csv(rows),
        "folds.json": seals.encode_json({"folds": rows}),
        "epochs.csv": encode_csv(list_epochs(sweep)),
    }


def encode_figures(pictures: Mapping[str, Picture]) -> dict[str, bytes]:
    """The pictures by the names of their files; some are drawn as lines, too."""
    files = {f"figures/{name}.png": picture.png for name, picture in pictures.items()}
    lines = {
        f"figures/{name}.svg": picture.svg
        for name, picture in pictures.items()
        if picture.svg is not None
    }
    return files | lines
