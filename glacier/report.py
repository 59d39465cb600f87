"""A finished sweep -> the comparison: one self-contained page, and the same as tables.

``summary.json`` is written last and carries the checksum of the sweep, so a report that is
there for a sweep is not made again.
"""

from __future__ import annotations

import base64
import calendar
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from itertools import groupby, pairwise

import jinja2
import numpy as np
import yaml
from numpy.typing import NDArray

from glacier import figures, samples, store
from glacier.archive import MonthRecord, draw_archive, read_records
from glacier.comparison import (
    METHOD_NAMES,
    PUBLISHED,
    SLIPS,
    Facts,
    compare_methods,
    count_months,
    ensemble_members,
    explain_run,
    group_trials,
    kept_loss,
    list_epochs,
    list_folds,
    list_methods,
    missing_ensemble,
    rank_encoders,
    score_part,
)
from glacier.config import Config
from glacier.errors import StoreError
from glacier.figures import COLOURS, Curve, Picture
from glacier.folds import mask_of, unit_rectangles
from glacier.labels import IGNORE
from glacier.metrics import SIZES_KM2, count_pixels, pool_counts
from glacier.prepare import samples_folder
from glacier.progress import duration, say
from glacier.samples import MonthImage
from glacier.scorecard import Scorecard
from glacier.sweep import sweep_folders

SCHEMA = 3
"""Counts up when a report's content changes for the same sweep."""

MAX_SAMPLES = 6
"""Test samples shown, over all folds that are some encoder's best."""
FEW_VIEWS = 4
"""Up to so many views are shown at twice the size."""
MAX_UNITS = 24
"""Units of a test part that the page names; folds.json names all."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins with one of these would be run by a spreadsheet."""


@dataclass(frozen=True)
class View:
    """One month image to show, and the models that it is shown under."""

    key: str
    """``<region>/<YYYY-MM>``."""
    fold: int | None
    """Fold whose test part is shown; None: a held-out image, shown whole."""
    models: tuple[tuple[str, int], ...]
    """Encoder and fold of each model."""


@dataclass(frozen=True)
class Strip:
    """The pictures of a view: image, label, and a prediction per model."""

    view: View
    pictures: tuple[Picture, ...]
    scores: tuple[Facts, ...]
    """Scores per model on what is shown."""


@dataclass(frozen=True)
class Sweep:
    """A finished sweep and its samples."""

    facts: Facts
    """Content of sweep.json."""
    sha256: str
    """Checksum of sweep.json."""
    samples_at: str
    summary: Facts
    """Description of the samples."""
    records: tuple[MonthRecord, ...] = ()
    """What became of the archive's months."""

    @property
    def settings(self) -> Facts:
        """The configuration's part on the sweep."""
        return dict(self.facts["config"]["sweep"])

    @property
    def chooser(self) -> str | None:
        """What the part that chose the checkpoints is called; None where nothing chose."""
        if self.settings["protocol"] == "notebook":
            return "test fold"
        return "validation" if self.settings["folds"]["validation_share"] else None

    def part(self, image: MonthImage, fold: int) -> NDArray[np.bool_]:
        """Test pixels of an image in a fold: (H, W) bool; none of a held-out image."""
        shape = (image.label.shape[0], image.label.shape[1])
        if image.key in self.facts["held_out"]:
            return np.zeros(shape, bool)
        rows, cols = self.summary["blocks"]
        kind = self.settings["folds"]["kind"]
        units = unit_rectangles(kind, image.region, image.month, shape, (rows, cols))
        return mask_of(units, self.test_units(fold), shape)

    def test_units(self, fold: int) -> set[str]:
        """Names of the units that a fold tests on."""
        return set(next(s["test"] for s in self.facts["splits"] if s["fold"] == fold))

    def card(self, fold: int) -> Scorecard:
        """An empty scorecard for the test part of a fold."""
        return Scorecard(self.summary, self.settings["folds"]["kind"], self.test_units(fold))


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
    sweep = find_sweep(config)
    folder = store.join(store.absolute(config.results), config.name)
    if is_current(folder, sweep.sha256):
        say(f"report: complete in {folder}")
        return 0
    verdict = write_report(sweep, folder, wall_s)
    say(f"report: {verdict}")
    say(f"report: {store.join(folder, 'report.html')}")
    return 0


def find_sweep(config: Config) -> Sweep:
    """The sweep that belongs to a configuration.

    Raises:
        StoreError: It is not there; the message names the job to run first.
    """
    archives = read_records(config)
    samples_at = samples_folder(config, archives)
    summary = samples.read_summary(samples_at)
    folder, _ = sweep_folders(config, samples_at)
    address = store.join(folder, "sweep.json")
    if not store.exists(address):
        raise StoreError(
            f"there is no finished sweep in {folder}; run jobs.sweep with this configuration first"
        )
    sha256 = store.checksum(store.read_bytes(address))
    records = tuple(record for found in archives.values() for record in found)
    return Sweep(store.read_json(address, sha256), sha256, samples_at, summary, records)


def is_current(folder: str, sha256: str) -> bool:
    """Whether a folder holds the finished report of a sweep with that checksum."""
    address = store.join(folder, "summary.json")
    if not store.exists(address):
        return False
    found = store.read_json(address)
    return bool(found.get("sweep_sha256") == sha256 and found.get("schema") == SCHEMA)


def write_report(sweep: Sweep, folder: str, wall_s: float | None) -> str:
    """Write page, tables and figures, and the summary last; returns the verdict."""
    ensemble, strips = look_through(sweep)
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
        "wall_s": wall_s,
        "sweep_s": sweep.facts["sweep_s"],
        "config_sha256": sweep.facts["config_sha256"],
        "sweep_sha256": sweep.sha256,
        "held_out": [describe_held_out(strip) for strip in strips if strip.view.fold is None],
        **compare_methods(sweep.facts, ensemble),
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


def read_months(sweep: Sweep, keys: Iterable[str]) -> Iterator[MonthImage]:
    """The wanted month images one after the other, so that one at a time is in memory.

    Raises:
        StoreError: A part is missing or differs from its checksum.
    """
    wanted = set(keys)
    for part in sweep.summary["parts"]:
        key = f"{part['region']}/{samples.month_of(part):%Y-%m}"
        if part["status"] == "ok" and key in wanted:
            yield samples.read_image(sweep.samples_at, sweep.summary, part)


class Predictions:
    """Stored probabilities of all finished trials, read image by image."""

    def __init__(self, stack: ExitStack, trials: Sequence[Facts]) -> None:
        """Open the files of the trials for as long as the stack lasts.

        Raises:
            StoreError: A file is missing or differs from its checksum.
        """
        self.files = {}
        self.thresholds: dict[tuple[str, int], float] = {}
        """Probability from which each model calls a pixel glacier."""
        for trial in trials:
            place = trial["predictions"]
            path = stack.enter_context(store.local_copy(place["address"], place["sha256"]))
            self.files[trial["encoder"], trial["fold"]] = stack.enter_context(np.load(path))
            self.thresholds[trial["encoder"], trial["fold"]] = trial["threshold"]

    def get(self, model: tuple[str, int], key: str) -> NDArray[np.uint8] | None:
        """Probability x 255 of an image, (H, W) uint8; None where the model has none."""
        file = self.files.get(model)
        return None if file is None or key not in file else file[key]


def look_through(sweep: Sweep) -> tuple[dict[int, Facts], list[Strip]]:
    """Go through the images once: score the ensemble, draw what is to be shown.

    Returns:
        Fold to the ensemble's scorecard (empty where there is no ensemble), and strips.
    """
    views = plan_views(sweep)
    keys = {view.key for view in views}
    members: dict[int, list[str]] = {}
    if missing_ensemble(sweep.facts) is None:
        members = ensemble_members(sweep.facts)
        keys |= {row_key(row) for trial in sweep.facts["trials"] for row in trial["tested"]}
    cards = {fold: sweep.card(fold) for fold in members}
    strips: dict[View, Strip] = {}
    with ExitStack() as stack:
        predictions = Predictions(stack, sweep.facts["trials"])
        for image in read_months(sweep, keys):
            for fold, names in members.items():
                part = sweep.part(image, fold)
                probability = average_models(predictions, fold, names, image.key)
                if part.any() and probability is not None:
                    levels = [predictions.thresholds[name, fold] for name in names]
                    cards[fold].add(image, part, probability, float(np.mean(levels)))
            for view in views:
                if view.key == image.key:
                    zoom = 2 if len(views) <= FEW_VIEWS else 1
                    strips[view] = draw_strip(sweep, image, predictions, view, zoom)
    ensemble = {fold: card.as_dict() for fold, card in cards.items()}
    return ensemble, [strips[view] for view in views if view in strips]


def row_key(row: Facts) -> str:
    """``<region>/<YYYY-MM>`` of a row of test counts."""
    return f"{row['region']}/{row['month'][:7]}"


def average_models(
    predictions: Predictions, fold: int, names: Sequence[str], key: str
) -> NDArray[np.float64] | None:
    """Mean probability of the encoders' models of a fold, none of which saw its test part.

    Returns:
        (H, W) float64, 0..1; None where no model has an answer for the image.
    """
    found = [predictions.get((name, fold), key) for name in names]
    pictures = [picture for picture in found if picture is not None]
    return np.mean(pictures, axis=0) / 255 if pictures else None


def plan_views(sweep: Sweep) -> list[View]:
    """What is shown: test samples of each encoder's best fold, then the held-out images.

    The samples run from the worst to the best of the first encoder, by Dice of the image.

    A fold that is best for several encoders is shown once, always under every encoder that
    finished it.
    """
    trials = group_trials(sweep.facts)
    folds = sorted({best_fold(found) for found in trials.values()})
    views = []
    for fold in folds:
        models = [(name, fold) for name, ts in trials.items() if any(t["fold"] == fold for t in ts)]
        tested = next(t for t in trials[models[0][0]] if t["fold"] == fold)["tested"]
        ordered = sorted(tested, key=lambda row: (pool_counts([row]).dice, row_key(row)))
        keys = [row_key(row) for row in ordered]
        count = min(len(keys), max(2, MAX_SAMPLES // len(folds)))
        places = np.unique(np.linspace(0, len(keys) - 1, count).round().astype(int))
        views += [View(keys[place], fold, tuple(models)) for place in places]
    chosen = [(name, int(min(found, key=kept_loss)["fold"])) for name, found in trials.items()]
    return views + [View(key, None, tuple(chosen)) for key in sweep.facts["held_out"]]


def best_fold(trials: Sequence[Facts]) -> int:
    """The fold with the highest test Dice of an encoder."""
    scores = [score_part(trial) for trial in trials]
    return int(max(scores, key=lambda row: (row["dice"], -row["fold"]))["fold"])


def draw_strip(
    sweep: Sweep, image: MonthImage, predictions: Predictions, view: View, zoom: int
) -> Strip:
    """Draw image, label and predictions, cut to the bounding box of the part that is shown."""
    part = sweep.part(image, view.fold) if view.fold is not None else image.label >= 0
    place = bounding_box(part)
    part, label = part[place], image.label[place]
    pixels = show_bands(sweep.summary, image.image[(slice(None), *place)])
    known = part & (label != IGNORE)
    share = 100 * float((label[known] == 1).mean()) if known.any() else 0.0
    pictures = [
        figures.show_colour(pixels, f"Satellite image of {view.key}", zoom),
        figures.show_classes(
            figures.classify_label(label),
            f"Label of {view.key}: {share:.0f} % of the known pixels are glacier",
            zoom,
        ),
    ]
    scores: list[Facts] = []
    for name, fold in view.models:
        probability = predictions.get((name, fold), view.key)
        shown = part if probability is not None else np.zeros_like(part)
        probability = np.zeros_like(image.label) if probability is None else probability
        predicted = probability[place] >= 255 * predictions.thresholds[name, fold]
        counts = count_pixels(predicted, label, shown)
        scores.append({"encoder": name, "fold": fold, "dice": counts.dice, "iou": counts.iou})
        alt = (
            f"Prediction of {name} (model of fold {fold}) for {view.key}: Dice {counts.dice:.3f}, "
            f"{counts.tp} pixels found, {counts.fp} false, {counts.fn} missed"
        )
        codes = figures.classify_errors(predicted, label, shown)
        pictures.append(figures.show_classes(codes, alt, zoom))
    return Strip(view, tuple(pictures), tuple(scores))


def bounding_box(part: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Smallest window that holds every true pixel of (H, W) bool."""
    rows, cols = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)


def show_bands(summary: Facts, image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Colours of a sample: near infrared, red and green where it holds them.

    All pictures of a report are brightened alike, by the mean of all samples.

    Args:
        summary: Description of the samples: ``bands``, ``scale``, ``range``, ``mean``.
        image: (B, H, W) float32.

    Returns:
        (H, W, 3) uint8.
    """
    bands = summary["bands"]
    false_colour = ["nir", "red", "green"]
    if all(name in bands for name in false_colour):
        places = [bands.index(name) for name in false_colour]
    else:
        places = [0, 1, 2] if len(bands) >= 3 else [0]
    low, high = (0.0, 1.0) if summary["scale"] == "own_maximum" else summary["range"]
    brightness = (np.mean([summary["mean"][place] for place in places]) - low) / (high - low)
    gamma = np.log(0.45) / np.log(np.clip(brightness, 0.05, 0.95))
    return figures.paint_colour(image[places], (low, high), float(np.clip(gamma, 0.45, 1.3)))


def describe_held_out(strip: Strip) -> Facts:
    """Scores of the models on a held-out image, which is in no fold."""
    return {"key": strip.view.key, "models": list(strip.scores)}


def draw_charts(sweep: Sweep, summary: Facts) -> dict[str, Picture]:
    """Charts by file name: folds, cost, and learning curves of each encoder."""
    ranked = rank_encoders(summary)
    methods = {name: summary["encoders"][name] for name in ranked}
    if summary["ensemble"]:
        methods["ensemble"] = summary["ensemble"]
    dice = {name: [row["dice"] for row in scores["folds"]] for name, scores in methods.items()}
    lines = {
        METHOD_NAMES.get(name, name): scores["dice_mean"]
        for name, scores in summary["baselines"].items()
        if "reason" not in scores
    }
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
            name, found, 1.05 * max(losses), sweep.chooser, COLOURS[k % len(COLOURS)]
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
    train = [row["train_dice_loss"] for row in trial["rows"]]
    chooser = [row["val_dice_loss"] for row in trial["rows"]]
    return Curve(trial["fold"], train, None if None in chooser else chooser, trial["best_epoch"])


def group_strips(sweep: Sweep, strips: Sequence[Strip]) -> list[Facts]:
    """Strips as the page shows them: a group per fold, and one for the held-out images."""
    trials = group_trials(sweep.facts)
    groups = []
    for fold, found in groupby(strips, key=lambda strip: strip.view.fold):
        rows = list(found)
        models = rows[0].view.models
        if fold is None:
            title = "Held-out month" + ("s" if len(rows) > 1 else "")
            note = (
                "In no fold; shown under each encoder's model with the lowest "
                f"{sweep.chooser or 'training'} Dice loss."
            )
            columns = [f"{name}, fold {k}" for name, k in models]
        else:
            best = [name for name, ts in trials.items() if best_fold(ts) == fold]
            title = f"Test fold {fold}"
            note = (
                f"The best fold of {', '.join(best)}. No model shown here was trained on it. "
                + (
                    f"From the lowest to the highest Dice of {models[0][0]}: the first is its "
                    "worst image of the fold, the last its best."
                    if len(rows) > 1
                    else ""
                )
            )
            columns = [name for name, _ in models]
        columns = ["image", "label", *columns]
        sheet = figures.draw_sheet(
            columns, {strip.view.key: strip.pictures for strip in rows}, title
        )
        name = "held-out" if fold is None else f"samples-fold-{fold}"
        groups.append(
            {"name": name, "title": title, "note": note, "columns": columns, "sheet": sheet,
             "rows": rows}
        )  # fmt: skip
    return groups


def encode_csv(rows: Sequence[Facts]) -> bytes:
    """CSV of rows with their columns in order of first appearance; UTF-8, lines end in LF."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: encode_cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def encode_cell(value: object) -> object:
    """A value as a CSV cell: lists joined, and no text that a spreadsheet would run."""
    if isinstance(value, list | tuple):
        value = " ".join(str(part) for part in value)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def render_page(
    sweep: Sweep, summary: Facts, charts: dict[str, Picture], groups: list[Facts]
) -> str:
    """The HTML page, with every picture inside it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("glacier"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"data_uri": data_uri, "duration": duration}
    months = [samples.month_of(part) for part in sweep.summary["parts"]]
    config = sweep.facts["config"]
    return environment.get_template("report.html.j2").render(
        s=summary,
        config=config,
        sweep=sweep,
        span=f"{min(months):%Y-%m} to {max(months):%Y-%m}" if len(set(months)) > 1
        else f"{months[0]:%Y-%m}",
        about=explain_run(config, summary["months"]["ok"]),
        table=list_methods(summary),
        ranked=rank_encoders(summary),
        charts=charts,
        groups=groups,
        classes=list_colours(),
        published=PUBLISHED,
        slips=SLIPS,
        calendar=draw_archive(sweep.records),
        sizes=name_sizes(),
        month_names=calendar.month_abbr,
        units={fold: shorten(units) for fold, units in summary["test_units"].items()},
        made=list_origin(sweep, summary),
        config_yaml=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
    )  # fmt: skip


def list_colours() -> list[tuple[str, str]]:
    """What the colours of a class picture mean: CSS colour and words."""
    words = (
        "not glacier", "glacier found", "false glacier", "glacier missed", "unknown, not counted"
    )  # fmt: skip
    css = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in figures.CLASSES]
    return [(css[k], words[k]) for k in (1, 3, 2, 0, 4)]


def name_sizes() -> dict[str, str]:
    """Size classes of glacier areas as the page names them."""
    limits = [0.0, *SIZES_KM2.values()]
    return {
        name: f"{name}, {low:g} km² and more" if np.isinf(high) else f"{name}, below {high:g} km²"
        for name, (low, high) in zip(SIZES_KM2, pairwise(limits), strict=True)
    }


def shorten(units: Sequence[str]) -> str:
    """Names of units, the first of many."""
    rest = f" and {len(units) - MAX_UNITS} more" if len(units) > MAX_UNITS else ""
    return ", ".join(units[:MAX_UNITS]) + rest


def list_origin(sweep: Sweep, summary: Facts) -> list[tuple[str, str]]:
    """Where the numbers come from: names and values."""
    trials, config = sweep.facts["trials"], sweep.facts["config"]
    devices = sorted({f"{t['device']}, threads a trial: {t['threads']}" for t in trials})
    folds = sweep.settings["folds"]
    rows = [
        ("configuration", summary["config_sha256"]),
        ("samples", sweep.samples_at.rpartition("/")[2]),
        ("image bands", ", ".join(sweep.summary["bands"])),
        ("folds", f"{len(summary['test_units'])}, {folds['kind'].replace('_', ' ')}"),
        ("protocol", summary["protocol"]),
        ("epochs", f"{sweep.settings['epochs']}, batches of {sweep.settings['batch_size']}"),
        ("encoder weights", config["sweep"]["encoder_weights"].rpartition("/")[2]),
        ("seed", str(config["seed"])),
        ("device", "; ".join(devices)),
        ("time of the sweep", duration(summary["sweep_s"])),
    ]
    if summary["wall_s"] is not None:
        rows.append(("time of the pipeline", duration(summary["wall_s"])))
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
