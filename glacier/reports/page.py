"""The comparison as one self-contained HTML page."""

from __future__ import annotations

import base64
import calendar
import re
from collections.abc import Sequence
from importlib import metadata
from itertools import pairwise

import jinja2
import numpy as np
import yaml

from glacier.archive.records import draw_archive
from glacier.evaluation.caveats import explain_run
from glacier.evaluation.comparison import list_methods, rank_encoders
from glacier.evaluation.metrics import SIZES_KM2, Facts
from glacier.plots import pictures
from glacier.plots.figures import Picture
from glacier.progress import duration
from glacier.published import PUBLISHED, SLIPS
from glacier.samples import dataset
from glacier.training.saved import SavedSweep
from glacier.wording import shorten_list

MAX_UNITS = 24
"""Units of a test part that the page names; folds.json names all."""


def render_page(
    sweep: SavedSweep, summary: Facts, charts: dict[str, Picture], groups: list[Facts]
) -> str:
    """The HTML page, with every picture inside it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("glacier.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": data_uri,
        "duration": lambda seconds: keep_together(duration(seconds)),
        "keep_together": keep_together,
    }
    months = [dataset.month_of(part) for part in sweep.summary["parts"]]
    config = sweep.facts["config"]
    return environment.get_template("report.html.j2").render(
        s=summary,
        config=config,
        sweep=sweep,
        span=f"{min(months):%Y-%m} to {max(months):%Y-%m}" if len(set(months)) > 1
        else f"{months[0]:%Y-%m}",
        about=explain_run(
            config,
            summary["months"]["ok"],
            min(len(split["validation"]) for split in sweep.facts["splits"]),
            mean_clipped(sweep.summary["parts"]),
            list_bare_folds(summary),
        ),
        table=list_methods(summary),
        ranked=rank_encoders(summary),
        charts=charts,
        groups=groups,
        classes=list_colours(len(summary["encoders"]) > 1),
        published=PUBLISHED,
        slips=SLIPS,
        calendar=draw_archive(sweep.records),
        sizes=name_sizes(),
        month_names=calendar.month_abbr,
        units={k: shorten_list(names, MAX_UNITS) for k, names in summary["test_units"].items()},
        made=list_origin(sweep, summary),
        config_yaml=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
    )  # fmt: skip


def mean_clipped(parts: Sequence[Facts]) -> float | None:
    """Share of clipped pixels over all months, each by its labelled pixels; None of none."""
    known = [part for part in parts if part.get("clipped") is not None]
    if not known:
        return None
    pixels = [part["label_pixels"]["glacier"] + part["label_pixels"]["ground"] for part in known]
    return float(np.average([part["clipped"] for part in known], weights=pixels))


def list_bare_folds(summary: Facts) -> list[int]:
    """Folds whose test part has no known glacier pixel."""
    folds = {
        row["fold"]: row["tp"] + row["fn"]
        for scores in summary["encoders"].values()
        for row in scores["folds"]
    }
    return [fold for fold, pixels in sorted(folds.items()) if not pixels]


def keep_together(text: str) -> str:
    """A text whose lines do not end before a unit, or beside ``=`` and ``±``."""
    return re.sub(r"(?<=\d) (?=(?:s|min|h|m|px)\b|%)| (?=[=±])|(?<=[=±]) ", "\u00a0", text)


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


def list_origin(sweep: SavedSweep, summary: Facts) -> list[tuple[str, str]]:
    """Where the numbers come from: names and values."""
    trials, config = sweep.facts["trials"], sweep.facts["config"]
    devices = sorted({f"{t['device']}, threads a trial: {t['threads']}" for t in trials})
    folds = sweep.settings["folds"]
    rows = [
        ("configuration", summary["config_sha256"]),
        ("samples", sweep.samples_at.rpartition("/")[2]),
        ("models", f"{'/'.join(trials[0]['model'].split('/')[-4:-2])}/<encoder>/fold-<number>"),
        ("image bands", ", ".join(sweep.summary["bands"])),
        ("folds", f"{len(summary['test_units'])}, {folds['kind'].replace('_', ' ')}"),
        ("protocol", summary["protocol"]),
        ("epochs", f"{sweep.settings['epochs']}, batches of {sweep.settings['batch_size']}"),
        ("encoder weights", config["sweep"]["encoder_weights"].rpartition("/")[2]),
        ("seed", str(config["seed"])),
        ("device", "; ".join(devices)),
        ("time of all training, added up", duration(summary["train_s"])),
    ]
    for name, field in (("sweep", "sweep_s"), ("pipeline", "wall_s")):
        if summary[field] is not None:
            rows.append((f"time of the {name}", duration(summary[field])))
    packages = ("glacier", "torch", "segmentation-models-pytorch", "ray", "numpy")
    return [*rows, ("versions", ", ".join(f"{name} {find_version(name)}" for name in packages))]


def find_version(package: str) -> str:
    """Version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def data_uri(picture: Picture) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
