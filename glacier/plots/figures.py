"""Charts and pictures of a report: values in, PNG bytes and a text for those who cannot see.

Colours are those of Okabe & Ito, which people with any colour vision tell apart. No pyplot, so
nothing is shared between figures.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Source: Okabe & Ito 2008, Color Universal Design; yellow left out, it fails on white."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ("--", ":", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 4)), (0, (9, 3)))
INK, MUTED, HAIR = "#1c2733", "#5b6875", "#d8dee4"


@dataclass(frozen=True)
class Style:
    """How a method is drawn on every chart."""

    colour: str
    marker: str


FAMILIAR = {
    "resnet34": Style(COLOURS[0], "o"),
    "resnet50": Style(COLOURS[1], "s"),
    "efficientnet-b4": Style(COLOURS[2], "D"),
    "mobilenet_v2": Style(COLOURS[3], "^"),
    "efficientnet-b0": Style(COLOURS[4], "v"),
    "resnet18": Style(COLOURS[5], "P"),
    "ensemble": Style(COLOURS[6], "X"),
}
"""Methods that stand together often, so that no two of them look alike."""
BASELINE = Style(MUTED, "X")
"""A method that is no network; its title is words, where an encoder's name is one."""

DPI = 144
CHART_COLOURS = 64


@dataclass(frozen=True)
class Picture:
    """A PNG and what it shows."""

    png: bytes
    alt: str
    """The same in words."""
    size_px: tuple[int, int]
    """Height and width."""
    svg: bytes | None = None
    """The same with lines that stay sharp at any size; None: the PNG is all."""


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
    selection: Sequence[float] | None
    """On the selection split; None where nothing chose the epoch."""
    best_epoch: int
    """Index of the epoch whose weights were kept."""

    @property
    def kept_loss(self) -> float:
        """Loss of the epoch that was kept, on the split that chose it, else in training."""
        return (self.selection or self.train)[self.best_epoch]


def style_of(name: str) -> Style:
    """Colour and mark of a method: by its name alone, so the same on every chart and page.

    Of networks beside :data:`FAMILIAR` two may share a colour; then their marks mostly differ.
    """
    if name in FAMILIAR:
        return FAMILIAR[name]
    if " " in name:
        return BASELINE
    whole, colours = zlib.crc32(name.encode()), len(COLOURS) - 1  # black is the ensemble's
    return Style(COLOURS[whole % colours], MARKERS[whole // colours % len(MARKERS)])


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


def add_legend(figure: Figure, **changes: Any) -> Legend:
    """The legend of a chart, below it and to the left.

    Args:
        figure: The chart.
        changes: What else ``Figure.legend`` takes, or takes in place of this.
    """
    usual = {
        "loc": "outside lower left", "frameon": False, "fontsize": 9.5, "labelcolor": INK,
        "ncols": 2, "title_fontsize": 9.5, "alignment": "left",
    }  # fmt: skip
    return figure.legend(**(usual | changes))


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
    for k, (name, values) in enumerate(scores.items()):
        style, heights = style_of(name), spread_heights(len(values)) + k
        axes.plot([np.mean(values)] * 2, [k - 0.32, k + 0.32], color=style.colour, linewidth=3.5)
        axes.scatter(
            values, heights, s=44, color=style.colour, marker=style.marker,
            edgecolors="white", linewidths=0.8, zorder=3,
        )  # fmt: skip
    axes.set_yticks(range(len(scores)), list(scores), color=INK, fontsize=11)
    axes.set_ylim(len(scores) - 0.45, -0.55)
    if baselines:
        add_legend(figure, title="baselines, mean of the folds", handlelength=2.6)
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
    for point in points:
        (mean, sd), area = point.dice, 30 + 330 * point.parameters / largest
        style, name = style_of(point.name), f"{point.name}, {point.parameters / 1e6:.1f} M"
        axes.errorbar(
            point.epoch_s,
            mean,
            sd,
            linewidth=1.2,
            capsize=3,
            zorder=2,
            color=style.colour,
            alpha=0.6,
        )
        axes.scatter(
            point.epoch_s, mean, s=area, alpha=0.85, edgecolors="white", linewidths=0.8, zorder=3,
            label=name, color=style.colour, marker=style.marker,
        )  # fmt: skip
    axes.margins(x=0.15, y=0.12)
    legend = add_legend(figure, title="encoder and its parameters")
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
    for name, points in curves.items():
        (given, found), style = zip(*points, strict=True), style_of(name)
        axes.plot(
            given, found, color=style.colour, marker=style.marker,
            markersize=5, markeredgecolor="white", markeredgewidth=0.6, linewidth=1.6, label=name,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    add_legend(figure)
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
    for method, found in methods.items():
        style = style_of(method)
        places = [place for place, name in enumerate(conditions) if name in found]
        axes.plot(
            places, [found[conditions[place]] for place in places], label=method, linewidth=1.4,
            color=style.colour, marker=style.marker, markersize=6,
            markeredgecolor="white", markeredgewidth=0.6,
        )  # fmt: skip
        low = min(found, key=lambda name: found[name])
        words.append(f"{method}: lowest {found[low]:.3f} at {low}")
    axes.set_xticks(range(len(conditions)), conditions)
    add_legend(figure)
    return encode_figure(figure, f"Dice by {title}. " + "; ".join(words) + ".")


def draw_curves(
    name: str, curves: Sequence[Curve], top: float, loss_names: tuple[str, str | None]
) -> Picture:
    """Loss by epoch of all folds of one encoder, with the epochs that were kept.

    Args:
        name: The encoder.
        curves: One per fold.
        top: Upper end of the loss axis, so that encoders can be compared.
        loss_names: What the loss in training, and that on the selection split, are called; None
            where nothing chose.
    """
    figure = new_figure(4.0, 3.1)
    axes = figure.add_subplot()
    style_axes(axes, "epoch", "loss")
    (training, selection), colour = loss_names, style_of(name).colour
    axes.set_title(name, color=INK, fontsize=11.5, loc="left", fontweight="bold")
    for k, curve in enumerate(curves):
        epochs = np.arange(1, len(curve.train) + 1)
        dot = "o" if len(epochs) == 1 else None
        labels = (training, "kept epoch") if k == 0 else (None, None)
        axes.plot(epochs, curve.train, color="#9aa5b1", linewidth=1.1, label=labels[0], marker=dot)
        if curve.selection:
            is_first = not any(before.selection for before in curves[:k])
            axes.plot(epochs, curve.selection, color=colour, linewidth=1.3, marker=dot,
                      label=selection if is_first else None)  # fmt: skip
        axes.plot(
            curve.best_epoch + 1, curve.kept_loss, "o", color=colour,
            markersize=6.5, markeredgecolor="white", label=labels[1], linestyle="none",
        )  # fmt: skip
    axes.set_ylim(0, top)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    add_legend(
        figure, loc="outside lower center", ncols=3, alignment="center", handlelength=1.6,
        columnspacing=1.2,
    )  # fmt: skip
    words = [
        f"fold {c.fold}: {c.kept_loss:.3f} at epoch {c.best_epoch + 1} of {len(c.train)}"
        for c in curves
    ]
    alt = f"Learning curves of {name}: loss ({selection or training}) at the epoch kept. "
    return encode_figure(figure, alt + "; ".join(words) + ".")
