"""The comparison as one self-contained HTML page."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise

import jinja2
import numpy as np
import yaml

from glacier import __version__
from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.evaluation.caveats import explain_run, mean_clipped
from glacier.evaluation.metrics import SIZES_KM2
from glacier.evaluation.results import SweepResult
from glacier.plots import pictures
from glacier.plots.calendar import name_reason
from glacier.plots.figures import Picture
from glacier.progress import duration
from glacier.published import INTRODUCTION, PUBLISHED, SLIPS
from glacier.reports.gallery import Group
from glacier.reports.groups import Groups
from glacier.reports.portrait import Portrait
from glacier.reports.sharing import share_config
from glacier.reports.summary import Summary
from glacier.reports.templating import keep_together, open_templates
from glacier.reports.terms import TERMS
from glacier.samples.sample_set import SampleMonth
from glacier.settings.sweep import Sweep
from glacier.training.saved import SavedSweep
from glacier.wording import shorten_list

MAX_HEADLINE = 240
"""Letters of a verdict that stand large."""

MAX_PLACES = 4
"""Regions that the title names."""

MAX_UNITS = 24
"""Units of a test part that the page names; folds.json names all."""


@dataclass(frozen=True)
class Drawn:
    """All pictures of a page."""

    portrait: Portrait | None
    charts: dict[str, Picture]
    groups: list[Group]
    calendar: Picture | None
    """Of the archive; None where it holds fewer than two months."""


def render_page(sweep: SavedSweep, summary: Summary, drawn: Drawn, served: Groups) -> str:
    """The HTML page, with every picture inside it.

    Args:
        sweep: The sweep.
        summary: What is said of it.
        drawn: The pictures.
        served: Whom each method serves how well.
    """
    result, samples = sweep.result, sweep.samples
    return load_template().render(
        s=summary,
        sweep=result,
        config=result.config,
        samples=samples,
        place=result.config.place,
        places=shorten_list([result.config.place(name) for name in summary.regions], MAX_PLACES),
        span=name_span(samples.months),
        about=explain_sweep(sweep, summary),
        table=summary.methods,
        ranked=summary.ranked,
        pick=summary.shown,
        lead=summary.encoders.get(summary.shown) or summary.ensemble,
        best=summary.ranked[0],
        served=served.get(summary.shown, ()),
        selection=result.selection_split,
        bare=sorted(result.bare),
        charts=drawn.charts,
        groups=drawn.groups,
        portrait=drawn.portrait,
        classes=list_colours(len(summary.encoders) > 1),
        published=PUBLISHED,
        introduction=INTRODUCTION,
        slips=SLIPS,
        calendar=drawn.calendar,
        sizes=name_sizes(),
        month_names=calendar.month_abbr,
        units={fold: shorten_list(names, MAX_UNITS) for fold, names in summary.test_units.items()},
        made=list_origin(sweep, summary),
        config_yaml=encode_config(result.config),
        synthetic=result.config.ingest.chosen.knows_truth,
        terms=TERMS,
        **dict(zip(("headline", "rest"), split_verdict(summary.verdict), strict=True)),
    )


def explain_sweep(sweep: SavedSweep, summary: Summary) -> list[str]:
    """What the scores say and do not say, in sentences."""
    return explain_run(
        sweep.result.config,
        summary.months.ok,
        min(len(split.validation) for split in sweep.result.splits),
        mean_clipped(sweep.samples.months),
        sorted(sweep.result.bare),
        sweep.result.unchosen,
    )


def split_verdict(verdict: str) -> tuple[str, str]:
    """What stands large, and what stands below it: a short verdict is all large."""
    if len(verdict) <= MAX_HEADLINE:
        return verdict, ""
    first, stop, rest = verdict.partition(". ")
    return first + stop.strip(), rest


def load_template() -> jinja2.Template:
    """The page's template."""
    environment = open_templates()
    filters: dict[str, Callable[..., str]] = {
        "duration": lambda seconds: keep_together(duration(seconds)),
        "reason": name_reason,
    }
    environment.filters |= filters
    return environment.get_template("report.html.j2")


def name_span(months: Sequence[SampleMonth]) -> str:
    """The first and the last of some months, or the only one."""
    first, last = min(m.month for m in months), max(m.month for m in months)
    return f"{first:%B %Y} to {last:%B %Y}" if first < last else f"{first:%B %Y}"


def encode_config(config: Config) -> str:
    """What of a configuration may be passed on as YAML, keys sorted."""
    return str(yaml.safe_dump(share_config(config), allow_unicode=True))


def list_colours(several: bool) -> list[tuple[str, str]]:
    """What the colours of a class picture mean: CSS colour and words.

    Args:
        several: There is more than one encoder, so that they can differ.
    """
    words = (
        "not glacier", "glacier found", "false glacier", "glacier missed", "unknown, not counted",
        "encoders differ",
    )  # fmt: skip
    css = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in pictures.CLASSES]
    return [(css[k], words[k]) for k in (1, 3, 2, 0, 4, *([5] if several else []))]


def name_sizes() -> dict[str, str]:
    """Size classes of glacier areas as the page names them."""
    limits = [0.0, *SIZES_KM2.values()]
    return {
        name: f"{name}, {low:g} km² and more" if np.isinf(high) else f"{name}, below {high:g} km²"
        for name, (low, high) in zip(SIZES_KM2, pairwise(limits), strict=True)
    }


def list_sources(sweep: Sweep) -> str:
    """Where the weights of the encoders come from; of a file its name alone."""
    given = sweep.rename_weights(lambda source: source.rpartition("/")[2]).encoder_weights
    if isinstance(given, str):
        return given
    return ", ".join(f"{encoder}: {source}" for encoder, source in given.items())


def list_origin(sweep: SavedSweep, summary: Summary) -> list[tuple[str, str]]:
    """Where the numbers come from: names and values."""
    result, config = sweep.result, sweep.result.config
    devices = sorted({f"{t.device}, threads a trial: {t.threads}" for t in result.trials})
    failed = f"{len(result.failed)} failed" if result.failed else "none failed"
    times = {"sweep": summary.sweep_s, "pipeline": summary.wall_s}
    packages = ("torch", "segmentation-models-pytorch", "ray", "numpy")
    return [
        ("configuration", summary.config_sha256),
        ("samples", result.samples),
        ("models", f"models/{result.models}/<encoder>/fold-<number>"),
        ("image bands", ", ".join(sweep.samples.bands)),
        *list_sensors(sweep.records),
        ("folds", f"{len(result.splits)}, {summary.fold_kind.replace('_', ' ')}"),
        ("protocol", summary.protocol),
        ("epochs", f"{config.sweep.epochs}, batches of {config.sweep.batch_size}"),
        ("encoder weights", list_sources(config.sweep)),
        ("seed", str(config.seed)),
        ("trials", f"{len(result.trials)} done, {failed}"),
        ("device", "; ".join(devices)),
        *list_packs(result),
        ("time of all training, added up", duration(summary.train_s)),
        *((f"time of the {name}", duration(s)) for name, s in times.items() if s is not None),
        ("versions", ", ".join([f"glacier {__version__}", *map(name_version, packages)])),
    ]


def list_sensors(records: Iterable[MonthRecord]) -> list[tuple[str, str]]:
    """What took the images, and those of how many months; nothing where nobody knows."""
    months = Counter(platform for record in records for platform in record.platforms)
    taken = ", ".join(f"{name} ({count} months)" for name, count in sorted(months.items()))
    return [("images taken by", taken.replace("(1 months)", "(1 month)"))] if taken else []


def list_packs(result: SweepResult) -> list[tuple[str, str]]:
    """How the trials of each encoder shared a GPU, and what of its arithmetic is not float32."""
    rows = []
    for encoder, trials in result.by_encoder.items():
        if (rate := trials[-1].pack) is not None:  # the last to end knows the most of it
            share = "" if rate.share is None else (
                f", {rate.share:.0%} of the operations that its products of matrices reach"
            )  # fmt: skip
            place = "on the GPU" if rate.resident else "in the host's memory"
            rows.append((
                f"{encoder} on the GPU",
                f"{rate.folds} at once, {rate.images_per_s:,.0f} images a second together{share}; "
                f"samples {place}; limit: {rate.limit}",
            ))  # fmt: skip
    if rows and result.config.sweep.tf32:
        rows.append(("float32 products in training", "TF32: ten bits of each number"))
    return rows


def name_version(package: str) -> str:
    """An installed package with its version."""
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} (not installed)"
