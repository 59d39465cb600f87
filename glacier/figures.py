"""Charts and pictures of a report: values in, PNG bytes and a text for those who cannot see.

Colours are those of Okabe & Ito, which people with any colour vision tell apart. No pyplot, so
nothing is shared between figures.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

RGB = tuple[int, int, int]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Source: Okabe & Ito 2008, Color Universal Design; yellow left out, it fails on white."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 4)), (0, (9, 3)))
INK, MUTED, HAIR = "#1c2733", "#5b6875", "#d8dee4"

HIT: RGB = (86, 180, 233)
FALSE: RGB = (213, 94, 0)
MISSED: RGB = (20, 24, 60)
GROUND: RGB = (236, 239, 242)
UNKNOWN: RGB = (170, 176, 182)
SPLIT: RGB = (204, 121, 167)
CLASSES = (GROUND, HIT, FALSE, MISSED, UNKNOWN, SPLIT)
"""Colours of a class picture by code: ground, glacier found, false glacier, missed, unknown,
encoders that differ."""

SHARES = ("#d4e5f3", "#9cc5e2", "#5b9fcd", "#2873b0", "#0b3c73")
"""Colours of a month by its share of seen pixels, in fifths; darker is more, also in grey."""
REASONS = {
    "solar_zenith": ("S", "sun too low", "////"),
    "no_scene": ("N", "no scene", ""),
    "all_masked": ("M", "all masked", "...."),
    "valid_share": ("V", "too little seen", "\\\\\\\\"),
}
"""Letter, words and hatching of the reasons why a month is empty."""
OTHER_REASON = ("E", "empty", "xxxx")
EMPTY_FACE, EMPTY_HATCH, FAILED_FACE = "#f1f3f5", "#b4bdc6", "#D55E00"
MAX_PANELS = 4
"""Regions that a calendar shows; its text counts all."""

MAX_PX = (240, 320)
"""Largest height and width of a picture, pixels; twice that where there are few."""
DPI = 144
CHART_COLOURS = 64
PICTURE_COLOURS = 128
SHEET_COLOURS = 256


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows."""

    png: bytes
    alt: str
    """The same in words."""
    size_px: tuple[int, int]
    """Height and width."""


@dataclass(frozen=True)
class CostPoint:
    """What an encoder achieves, and what it costs."""

    name: str
    dice: tuple[float, float]
    """Mean and standard deviation of test Dice over the folds."""
    epoch_s: float
    """Seconds an epoch."""
    parameters: int


@dataclass(frozen=True)
class Curve:
    """Dice losses of one trial, epoch by epoch."""

    fold: int
    train: Sequence[float]
    chooser: Sequence[float] | None
    """On the part that chose the epoch; None where nothing chose."""
    best_epoch: int
    """Index of the epoch whose weights were kept."""

    @property
    def kept_loss(self) -> float:
        """Loss of the epoch that was kept, on the part that chose it, else in training."""
        return (self.chooser or self.train)[self.best_epoch]


@dataclass(frozen=True)
class Square:
    """One month of one region, as a calendar shows it."""

    month: date
    status: str
    """``ok``, ``empty`` or ``failed``."""
    why: str = ""
    """Why it is empty, or the class of the error."""
    share: float = 0.0
    """Share of pixels seen, 0..1."""


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure in the report's size of letters."""
    figure = Figure((width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Quiet axes: no box, hairline grid, muted numbers."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(HAIR)
    axes.grid(color=HAIR, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=10, length=0)
    axes.set_xlabel(x_label, color=INK, fontsize=10.5)
    axes.set_ylabel(y_label, color=INK, fontsize=10.5)


def encode_figure(figure: Figure, alt: str, colours: int = CHART_COLOURS) -> Picture:
    """PNG of a chart, in a palette."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    with Image.open(buffer) as drawn:
        return encode_palette(np.asarray(drawn.convert("RGB")), colours, alt)


def encode_palette(pixels: NDArray[np.uint8], colours: int, alt: str) -> Picture:
    """PNG of (H, W, 3) uint8 pixels in the given number of colours, 256 at most."""
    image = Image.fromarray(pixels).quantize(colours, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Picture(buffer.getvalue(), alt, (pixels.shape[0], pixels.shape[1]))


def draw_folds(scores: Mapping[str, Sequence[float]], baselines: Mapping[str, float]) -> Picture:
    """Every fold of every method as a dot, its mean as a bar, baselines as lines.

    Args:
        scores: Method to its test Dice per fold, 0..1; drawn from the top.
        baselines: Baseline to its mean test Dice.
    """
    figure = new_figure(5.2, 1.5 + 0.5 * len(scores) + 0.12 * len(baselines))
    axes = figure.add_subplot()
    style_axes(axes, "test Dice", "")
    axes.grid(visible=False, axis="y")
    for k, (name, mean) in enumerate(baselines.items()):
        axes.axvline(
            mean,
            color=MUTED,
            linestyle=DASHES[k % len(DASHES)],
            linewidth=1.6,
            label=f"{name} {mean:.3f}",
        )
    for k, values in enumerate(scores.values()):
        colour, heights = COLOURS[k % len(COLOURS)], spread_heights(len(values)) + k
        axes.plot([np.mean(values)] * 2, [k - 0.32, k + 0.32], color=colour, linewidth=3.5)
        axes.scatter(
            values, heights, s=44, color=colour, marker=MARKERS[k % len(MARKERS)],
            edgecolors="white", linewidths=0.8, zorder=3,
        )  # fmt: skip
    axes.set_yticks(range(len(scores)), list(scores), color=INK, fontsize=11)
    axes.set_ylim(len(scores) - 0.45, -0.55)
    if baselines:
        figure.legend(
            loc="outside lower left", frameon=False, fontsize=9.5, labelcolor=INK, ncols=2,
            handlelength=2.6, title="mean of the baselines", title_fontsize=9.5, alignment="left",
        )  # fmt: skip
    words = [
        f"{name}: mean {np.mean(v):.3f}, folds from {min(v):.3f} to {max(v):.3f}"
        for name, v in scores.items()
    ] + [f"baseline {name}: mean {mean:.3f}" for name, mean in baselines.items()]
    return encode_figure(figure, "Test Dice of every fold. " + "; ".join(words) + ".")


def spread_heights(count: int) -> NDArray[np.float64]:
    """Small offsets that keep the dots of a row apart, (count,)."""
    return np.linspace(-0.18, 0.18, count) if count > 1 else np.zeros(count)


def draw_cost(points: Sequence[CostPoint]) -> Picture:
    """Mean test Dice over seconds an epoch; the area of a dot is the number of parameters."""
    figure = new_figure(5.2, 3.5 + 0.12 * len(points))
    axes = figure.add_subplot()
    style_axes(axes, "seconds an epoch", "mean test Dice")
    seconds = [point.epoch_s for point in points]
    if max(seconds) > 8 * min(seconds) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    largest = max(point.parameters for point in points)
    for k, point in enumerate(points):
        (mean, sd), area = point.dice, 30 + 330 * point.parameters / largest
        colour, name = COLOURS[k % len(COLOURS)], f"{point.name}, {point.parameters / 1e6:.1f} M"
        axes.errorbar(
            point.epoch_s, mean, sd, linewidth=1.2, capsize=3, zorder=2, color=colour, alpha=0.6
        )
        axes.scatter(
            point.epoch_s, mean, s=area, alpha=0.85, edgecolors="white", linewidths=0.8, zorder=3,
            label=name, color=colour, marker=MARKERS[k % len(MARKERS)],
        )  # fmt: skip
    axes.margins(x=0.15, y=0.12)
    legend = figure.legend(
        loc="outside lower left", frameon=False, fontsize=9.5, labelcolor=INK, ncols=2,
        title="encoder and its parameters", title_fontsize=9.5, alignment="left",
    )  # fmt: skip
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([44])
    words = [
        f"{p.name}: Dice {p.dice[0]:.3f} at {p.epoch_s:.3g} s an epoch, "
        f"{p.parameters / 1e6:.1f} million parameters"
        for p in points
    ]
    return encode_figure(figure, "Accuracy against cost. " + "; ".join(words) + ".")


def draw_reliability(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Picture:
    """What share of the pixels is glacier, over the probability that they were given.

    Args:
        curves: Method to (mean probability, share of glacier) per bin, 0..1, ascending.
    """
    figure = new_figure(5.2, 4.2 + 0.12 * len(curves))
    axes = figure.add_subplot()
    style_axes(axes, "probability given", "share that is glacier")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle="--", label="as it should be")
    for k, (name, points) in enumerate(curves.items()):
        given, found = zip(*points, strict=True)
        axes.plot(
            given, found, color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)],
            markersize=5, markeredgecolor="white", markeredgewidth=0.6, linewidth=1.6, label=name,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    figure.legend(
        loc="outside lower left", frameon=False, fontsize=9.5, labelcolor=INK, ncols=2,
        alignment="left",
    )  # fmt: skip
    gaps = {name: max(points, key=lambda p: abs(p[0] - p[1])) for name, points in curves.items()}
    words = [
        f"{name}: widest gap at {given:.2f}, where {found:.2f} is glacier"
        for name, (given, found) in gaps.items()
    ]
    return encode_figure(figure, "Reliability of the probabilities. " + "; ".join(words) + ".")


def draw_conditions(title: str, methods: Mapping[str, Mapping[str, float]]) -> Picture:
    """Dice by the condition of the image, a line a method.

    Args:
        title: Kind of condition.
        methods: Method to condition (in order) to Dice, 0..1.
    """
    figure = new_figure(5.2, 3.6)
    axes = figure.add_subplot()
    style_axes(axes, title, "test Dice")
    conditions = list(dict.fromkeys(name for found in methods.values() for name in found))
    words = []
    for k, (method, found) in enumerate(methods.items()):
        places = [place for place, name in enumerate(conditions) if name in found]
        axes.plot(
            places, [found[conditions[place]] for place in places], label=method, linewidth=1.4,
            color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)], markersize=6,
            markeredgecolor="white", markeredgewidth=0.6,
        )  # fmt: skip
        low = min(found, key=lambda name: found[name])
        words.append(f"{method}: lowest {found[low]:.3f} at {low}")
    axes.set_xticks(range(len(conditions)), conditions)
    figure.legend(
        loc="outside lower left", frameon=False, fontsize=9.5, labelcolor=INK, ncols=2,
        alignment="left",
    )  # fmt: skip
    return encode_figure(figure, f"Dice by {title}. " + "; ".join(words) + ".")


def draw_curves(
    name: str, curves: Sequence[Curve], top: float, chooser: str | None, colour: str
) -> Picture:
    """Dice loss by epoch of all folds of one encoder, with the epochs that were kept.

    Args:
        name: The encoder.
        curves: One per fold.
        top: Upper end of the loss axis, so that encoders can be compared.
        chooser: What the part that chose the epoch is called; None where nothing chose.
        colour: Of its lines.
    """
    figure = new_figure(4.0, 3.1)
    axes = figure.add_subplot()
    style_axes(axes, "epoch", "Dice loss")
    axes.set_title(name, color=INK, fontsize=11.5, loc="left", fontweight="bold")
    for k, curve in enumerate(curves):
        epochs = np.arange(1, len(curve.train) + 1)
        dot = "o" if len(epochs) == 1 else None
        labels = ("training", chooser, "kept epoch") if k == 0 else (None, None, None)
        axes.plot(epochs, curve.train, color="#9aa5b1", linewidth=1.1, label=labels[0], marker=dot)
        if curve.chooser:
            axes.plot(
                epochs, curve.chooser, color=colour, linewidth=1.3, label=labels[1], marker=dot
            )
        axes.plot(
            curve.best_epoch + 1, curve.kept_loss, "o", color=colour,
            markersize=6.5, markeredgecolor="white", label=labels[2], linestyle="none",
        )  # fmt: skip
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    figure.legend(
        loc="outside lower center", frameon=False, fontsize=9.5, labelcolor=INK, ncols=3,
        handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    words = [
        f"fold {c.fold}: {c.kept_loss:.3f} at epoch {c.best_epoch + 1} of {len(c.train)}"
        for c in curves
    ]
    alt = f"Learning curves of {name}: {chooser or 'training'} Dice loss at the epoch kept. "
    return encode_figure(figure, alt + "; ".join(words) + ".")


def draw_calendar(regions: Mapping[str, Sequence[Square]]) -> Picture:
    """Years by months, a panel per region: how much was seen, or why nothing was.

    Args:
        regions: Name to its months; the first few are drawn, the text counts all.
    """
    shown = {name: regions[name] for name in list(regions)[:MAX_PANELS]}
    years = [count_years(squares) for squares in shown.values()]
    figure = new_figure(5.6, 1.1 + sum(0.42 + 0.26 * count for count in years))
    panels = figure.subplots(len(shown), squeeze=False, height_ratios=years)[:, 0]
    for axes, (name, squares) in zip(panels, shown.items(), strict=True):
        draw_months(axes, name, squares)
    marks, words = explain_squares([s for squares in shown.values() for s in squares])
    figure.legend(
        marks, words, loc="outside lower left", ncols=len(marks) // len(SHARES), frameon=False,
        fontsize=9.5, labelcolor=INK, handlelength=1.7, handleheight=1.1, columnspacing=1.6,
    )  # fmt: skip
    return encode_figure(figure, describe_calendar(regions))


def explain_squares(squares: Sequence[Square]) -> tuple[list[Patch], list[str]]:
    """Marks and words of a calendar's legend: the shares first, then what occurs, in columns."""
    marks = [Patch(facecolor=colour) for colour in SHARES]
    words = [f"{20 * k}–{20 * k + 20} % seen" for k in range(len(SHARES))]
    others = {mark_of(square): square for square in squares if square.status != "ok"}
    tally = Counter(mark_of(square) for square in squares if square.status != "ok")
    for (letter, text), count in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        marks.append(Patch(**style_square(others[letter, text])))
        words.append(f"{letter}  {text}: {count}")
    blank = -len(marks) % len(SHARES)  # so that the shares have a column to themselves
    return marks + [Patch(alpha=0)] * blank, words + [""] * blank


def count_years(squares: Sequence[Square]) -> int:
    """Calendar years from the first month to the last."""
    years = [square.month.year for square in squares]
    return max(years) - min(years) + 1


def draw_months(axes: Axes, name: str, squares: Sequence[Square]) -> None:
    """The panel of one region: a row a year, the first on top."""
    first = min(square.month.year for square in squares)
    rows = count_years(squares)
    for square in squares:
        x, y = square.month.month - 1, square.month.year - first
        axes.add_patch(Rectangle((x + 0.04, y + 0.06), 0.92, 0.88, **style_square(square)))
        if square.status != "ok":
            colour, weight = ("white", "bold") if square.status == "failed" else (INK, "normal")
            axes.text(
                x + 0.5, y + 0.53, mark_of(square)[0], color=colour, fontweight=weight,
                fontsize=9, ha="center", va="center",
            )  # fmt: skip
    axes.set_xlim(0, 12)
    axes.set_ylim(rows, 0)
    axes.set_xticks(np.arange(12) + 0.5, list("JFMAMJJASOND"))
    axes.set_yticks(np.arange(rows) + 0.5, [str(first + row) for row in range(rows)])
    axes.xaxis.tick_top()
    axes.tick_params(colors=MUTED, labelsize=9.5, length=0)
    axes.set_title(name, color=INK, fontsize=11, loc="left", fontweight="bold")
    for spine in axes.spines.values():
        spine.set_visible(False)


def mark_of(square: Square) -> tuple[str, str]:
    """Letter and words of a month without an image."""
    if square.status == "failed":
        return "×", f"failed ({square.why})"
    letter, words, _ = REASONS.get(square.why, (OTHER_REASON[0], square.why, ""))
    return letter, words


def style_square(square: Square) -> dict[str, Any]:
    """Face, edge and hatching of a month; each outcome differs without its colour, too."""
    if square.status == "ok":
        step = min(int(square.share * len(SHARES)), len(SHARES) - 1)
        return {"facecolor": SHARES[step], "linewidth": 0}
    if square.status == "failed":
        return {"facecolor": FAILED_FACE, "linewidth": 0}
    hatch = REASONS.get(square.why, OTHER_REASON)[2]
    return {"facecolor": EMPTY_FACE, "edgecolor": EMPTY_HATCH, "linewidth": 0.6, "hatch": hatch}


def describe_calendar(regions: Mapping[str, Sequence[Square]]) -> str:
    """A calendar in words: counts, shares and reasons of each region that it shows."""
    parts = []
    for name in list(regions)[:MAX_PANELS]:
        shares = [square.share for square in regions[name] if square.status == "ok"]
        words = [f"{len(regions[name])} months, {len(shares)} with an image"]
        if shares:
            low, middle, high = (100 * float(np.quantile(shares, q)) for q in (0, 0.5, 1))
            words[0] += f" ({low:.0f} to {high:.0f} % of the pixels seen, median {middle:.0f} %)"
        tally = Counter(mark_of(s)[1] for s in regions[name] if s.status != "ok")
        words += [f"{count} {text}" for text, count in tally.most_common()]
        parts.append(f"{name}: {', '.join(words)}")
    rest = len(regions) - MAX_PANELS
    more = f". {rest} more regions are not shown" if rest > 0 else ""
    return f"Calendar of the archive, years by months. {'; '.join(parts)}{more}."


def paint_colour(
    image: NDArray[np.float32], limits: tuple[float, float], gamma: float
) -> NDArray[np.uint8]:
    """Show reflectance as colours.

    Args:
        image: (3, H, W) float32 red, green and blue of the picture, or (1, H, W) grey; NaN
            where unseen.
        limits: Reflectance shown as black and as white.
        gamma: Power of the brightness in between; below 1 brightens.

    Returns:
        (H, W, 3) uint8, grey where unseen.
    """
    low, high = limits
    seen = np.isfinite(image).all(axis=0)
    scaled = np.clip((np.nan_to_num(image) - low) / (high - low), 0, 1) ** gamma
    pixels = np.rint(scaled * 255).astype(np.uint8)
    pixels = np.repeat(pixels, 3 // len(pixels), axis=0).transpose(1, 2, 0).copy()
    pixels[~seen] = UNKNOWN
    return pixels


def show_colour(pixels: NDArray[np.uint8], alt: str, zoom: int = 1) -> Picture:
    """Picture of (H, W, 3) uint8 colours, reduced to ``zoom`` x :data:`MAX_PX` by the mean."""
    small = Image.fromarray(pixels).resize(reduced_size(pixels, zoom), Image.Resampling.BOX)
    return encode_palette(np.asarray(small), PICTURE_COLOURS, alt)


def classify_label(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Codes of :data:`CLASSES` of a label: (H, W) uint8 0, 1, 255 -> 0, 1, 4."""
    return np.where(label > 1, np.uint8(4), label)


def classify_errors(
    predicted: NDArray[np.bool_], label: NDArray[np.uint8], part: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Codes of :data:`CLASSES` of a prediction, so that its errors stand out.

    Args:
        predicted: (H, W) bool, True where glacier is predicted.
        label: (H, W) uint8: 1 glacier, 0 not, 255 unknown.
        part: (H, W) bool, pixels that were predicted; the others are shown as unknown.

    Returns:
        (H, W) uint8.
    """
    codes = np.select([predicted & (label == 1), predicted, label == 1], [1, 2, 3], 0)
    codes[(label > 1) | ~part] = 4
    return codes.astype(np.uint8)


def classify_agreement(
    predicted: NDArray[np.bool_], split: NDArray[np.bool_], known: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Codes of :data:`CLASSES` of what several models say.

    Args:
        predicted: (H, W) bool, what one of them says; the others say the same but where split.
        split: (H, W) bool, True where some say glacier and some do not.
        known: (H, W) bool, pixels that were predicted and have a label.

    Returns:
        (H, W) uint8.
    """
    return np.select([~known, split, predicted], [4, 5, 1], 0).astype(np.uint8)


def show_classes(codes: NDArray[np.uint8], alt: str, zoom: int = 1) -> Picture:
    """Picture of (H, W) uint8 codes of :data:`CLASSES`, reduced by the nearest pixel."""
    small = Image.fromarray(codes).resize(reduced_size(codes, zoom), Image.Resampling.NEAREST)
    image = Image.fromarray(np.asarray(small), "P")
    image.putpalette([value for colour in CLASSES for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Picture(buffer.getvalue(), alt, (image.height, image.width))


def reduced_size(pixels: NDArray[np.uint8], zoom: int) -> tuple[int, int]:
    """Width and height, as Pillow wants them, within the limit; never larger than it is."""
    height, width = pixels.shape[:2]
    factor = min(1.0, zoom * MAX_PX[0] / height, zoom * MAX_PX[1] / width)
    return max(1, round(width * factor)), max(1, round(height * factor))


def draw_sheet(
    columns: Sequence[str], rows: Mapping[str, Sequence[Picture]], title: str
) -> Picture:
    """All pictures of a group on one sheet, to be kept as a file of its own.

    Args:
        columns: What each column shows.
        rows: Name of a sample to its pictures, one per column.
        title: Of the sheet.
    """
    aspect = max(row[0].size_px[1] / row[0].size_px[0] for row in rows.values())
    height_in = 1.8 if len(rows) > 2 else 3.2
    width_in = min(max(height_in * aspect, 1.15), 2.4)
    figure = new_figure(0.6 + width_in * len(columns), 0.7 + height_in * len(rows))
    figure.suptitle(title, color=INK, fontsize=11, x=0.01, ha="left")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, (name, pictures) in zip(grid, rows.items(), strict=True):
        line[0].set_ylabel(name, color=INK, fontsize=9)
        for axes, picture in zip(line, pictures, strict=True):
            with Image.open(io.BytesIO(picture.png)) as image:
                axes.imshow(np.asarray(image.convert("RGB")), interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
    for axes, column in zip(grid[0], columns, strict=True):
        axes.set_title(column, color=INK, fontsize=9)
    return encode_figure(figure, title, SHEET_COLOURS)
