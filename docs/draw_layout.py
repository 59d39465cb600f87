"""Draw the package layout from the imports themselves: ``python docs/draw_layout.py``.

Boxes are the folders of ``glacier/`` in the order of ``ORDER`` in ``tests/test_layout.py``, with
their modules. A line leads from a folder up to one that it imports; each imported folder has a
lane of its own colour. Number and width of a line say how many imports between modules it stands
for. The same imports give the same bytes, so a test can say whether the kept picture is current.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/layout.svg"

TITLES = {
    "settings": ("settings/", "the parts of the configuration, their marks and hashes"),
    "top": ("glacier/", "configuration, arithmetic, files, cluster: below all other folders"),
    "geo": ("geo/", "rasters, outlines, regions and their grids"),
    "plots": ("plots/", "charts and pictures"),
    "sources": ("sources/", "where scenes come from"),
    "archive": ("archive/", "one composite a month"),
    "samples": ("samples/", "images, labels and folds"),
    "evaluation": ("evaluation/", "scores, their spread and the verdict"),
    "registry": ("registry/", "which model serves, and the gate before it"),
    "training": ("training/", "networks, trials and baselines"),
    "mapping": ("mapping/", "maps, outlines, areas and change"),
    "explaining": ("explaining/", "what a network looks at"),
    "continual": ("continual/", "learning on from new months"),
    "corrections": ("corrections/", "outlines back from people"),
    "reports": ("reports/", "the page a reviewer reads"),
    "releases": ("releases/", "trained models to others, and from others"),
    "studies": ("studies/", "variants of a run compared"),
    "serving": ("serving/", "maps over HTTP"),
    "monitoring": ("monitoring/", "drift over time"),
    "doctor": ("doctor/", "is a machine fit for a run"),
    "planning": ("planning/", "what a run will take"),
    "entrance": ("glacier/", "the way in: above all folders"),
}
"""Place in the order to the title of its box and half a line on what lives there."""

COLOURS = (
    "#64748b", "#2563a8", "#0f8f86", "#7c5cc4", "#d97a1e", "#b83b6b", "#4d8f2f", "#8a6232",
    "#3f4f9e", "#a3341f", "#1f7a9c", "#5b5f2a",
)  # fmt: skip
BACKGROUND = "#fbfcfe"
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
SANS = "system-ui, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"

LEFT, BOX_WIDTH, NAME_WIDTH = 84, 690, 236
TOP_MARGIN, GAP, BOTTOM = 112, 20, 30
PILL_HEIGHT, PILL_GAP, PILL_FONT, LETTER = 24, 7, 12.5, 0.602
SLOT = 14
FIRST_LANE, LANE = 64, 30


@dataclass(frozen=True)
class Floor:
    """A folder: its place in the order, and its modules below it."""

    key: str
    modules: tuple[str, ...]
    """Dotted names below the folder."""


@dataclass(frozen=True)
class Box:
    """Where a folder is drawn, pixels."""

    floor: Floor
    y: float
    height: float
    pills: tuple[tuple[float, float, float, str], ...]
    """Left, top, width and text of each module."""


def read_constant(name: str) -> tuple[str, ...]:
    """A constant of the layout test, which alone holds the order of the folders."""
    tree = ast.parse((ROOT / "tests/test_layout.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return tuple(ast.literal_eval(node.value))
    raise LookupError(f"tests/test_layout.py has no {name}")


def read_modules() -> dict[str, Path]:
    """Dotted name below ``glacier`` to the file of each module."""
    folder = ROOT / "glacier"
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__init__.py"
    }


def imports_of(path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a file imports, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] + [f"{node.module}.{name.name}" for name in node.names]
        found |= {name.removeprefix("glacier.") for name in names if name.startswith("glacier.")}
    return found & known


def read_layout() -> tuple[list[Floor], Counter[tuple[str, str]]]:
    """The folders in order, and how many imports lead from one to another.

    Raises:
        ValueError: An import leads down the order.
    """
    order, entrance = read_constant("ORDER"), set(read_constant("ENTRANCE"))
    modules = read_modules()

    def floor_of(name: str) -> str:
        folder = name.partition(".")[0]
        return folder if folder in order else "entrance" if folder in entrance else "top"

    held: dict[str, list[str]] = {key: [] for key in order}
    arrows: Counter[tuple[str, str]] = Counter()
    for name, path in modules.items():
        here = floor_of(name)
        held[here].append(name.removeprefix(f"{here}."))
        arrows.update((here, floor_of(other)) for other in imports_of(path, set(modules)))
    arrows = Counter({pair: count for pair, count in arrows.items() if pair[0] != pair[1]})
    if wrong := [pair for pair in arrows if order.index(pair[0]) < order.index(pair[1])]:
        raise ValueError(f"imports that lead down the order: {wrong}")
    return [Floor(key, tuple(names)) for key, names in held.items() if names], arrows


def place_pills(modules: tuple[str, ...]) -> tuple[list[tuple[float, float, float, str]], float]:
    """Modules in lines; those of a folder within the folder begin a line. Returns the height."""
    pills: list[tuple[float, float, float, str]] = []
    left, right = LEFT + NAME_WIDTH, LEFT + BOX_WIDTH - 16
    x, y = float(left), 16.0
    ordered = sorted(modules, key=lambda name: (name.rpartition(".")[0], name))
    for inner, names in groupby(ordered, key=lambda name: name.rpartition(".")[0]):
        if inner and pills:
            x, y = float(left), y + PILL_HEIGHT + PILL_GAP
        texts = [name.rpartition(".")[2] for name in names]
        for text in [f"{inner}/", *texts] if inner else texts:
            width = round(len(text) * PILL_FONT * LETTER + 18, 1)
            if x + width > right:
                x, y = float(left), y + PILL_HEIGHT + PILL_GAP
            pills.append((x, y, width, text))
            x += width + PILL_GAP
    return pills, y + PILL_HEIGHT + 16


def place_boxes(floors: list[Floor], arrows: Counter[tuple[str, str]]) -> list[Box]:
    """Boxes one below the other, high enough for modules and lines."""
    boxes, y = [], float(TOP_MARGIN)
    for floor in floors:
        pills, height = place_pills(floor.modules)
        lines = sum(pair[0] == floor.key for pair in arrows)
        lines += any(pair[1] == floor.key for pair in arrows)
        height = max(height, lines * SLOT + 14, 72)
        placed = tuple((x, y + dy, width, text) for x, dy, width, text in pills)
        boxes.append(Box(floor, y, height, placed))
        y += height + GAP
    return boxes


def draw_box(box: Box, colour: str) -> list[str]:
    """A folder with its modules."""
    title, words = TITLES.get(box.floor.key, (f"{box.floor.key}/", ""))
    lines = [
        f'<rect x="{LEFT}" y="{box.y:g}" width="{BOX_WIDTH}" height="{box.height:g}" rx="10" '
        f'fill="#fff" stroke="#d5dde8"/>',
        f'<path d="M{LEFT + 10} {box.y:g}a10 10 0 0 0 -10 10v{box.height - 20:g}'
        f'a10 10 0 0 0 10 10z" fill="{colour}"/>',
        f'<text class="name" x="{LEFT + 26}" y="{box.y + 29:g}">{escape(title)}</text>',
    ]
    for k, line in enumerate(wrap(words, 31)):
        lines.append(f'<text class="words" x="{LEFT + 26}" y="{box.y + 47 + 15 * k:g}">'
                     f"{escape(line)}</text>")  # fmt: skip
    for x, y, width, text in box.pills:
        kind = "inner" if text.endswith("/") else "pill"
        if kind == "pill":
            lines.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{PILL_HEIGHT}" '
                         f'rx="6" fill="{colour}" fill-opacity="0.1"/>')  # fmt: skip
        lines.append(f'<text class="{kind}" x="{x + width / 2:g}" y="{y + 16.5:g}">'
                     f"{escape(text)}</text>")  # fmt: skip
    return lines


def wrap(words: str, width: int) -> list[str]:
    """A text in lines of at most so many letters."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def width_of(count: int) -> float:
    """Width of a line that stands for so many imports, pixels."""
    return round(1.1 + 0.62 * count**0.5, 2)


def draw_lane(
    target: Box, sources: list[tuple[Box, float, int]], at: tuple[float, float, str]
) -> tuple[list[str], list[str]]:
    """The lane that leads to a folder: its lines, and the numbers upon them.

    Args:
        target: The folder that is imported.
        sources: Who imports it, the height of its line and the number of its imports.
        at: x of the lane, height of its end, colour.
    """
    x, end, colour = at
    edge = LEFT + BOX_WIDTH
    widest = max(width_of(count) for _, _, count in sources)
    paths = [
        (f"M{edge} {y:g}H{x - 10:g}q10 0 10 -10V{end + 10:g}q0 -10 -10 -10H{edge + 11:g}", count)
        for _, y, count in sources
    ]
    lines = [
        f'<path d="{d}" fill="none" stroke="{BACKGROUND}" stroke-width="{width_of(n) + 4:g}"/>'
        for d, n in paths
    ]
    lines += [
        f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="{width_of(n):g}"/>'
        for d, n in paths
    ]
    half = 4.5 + widest / 2
    lines.append(f'<path d="M{edge + 1} {end:g}l13 {-half:g}v{2 * half:g}z" fill="{colour}"/>')
    numbers = [
        f'<text class="count" x="{edge + 26}" y="{y + 3.6:g}" fill="{colour}">{count}</text>'
        for _, y, count in sources
    ]
    return lines, numbers


def draw_lanes(boxes: list[Box], arrows: Counter[tuple[str, str]]) -> tuple[list[str], float]:
    """All lines, the farthest target's lane outermost; returns the right end, too."""
    targets = [box for box in boxes if any(pair[1] == box.floor.key for pair in arrows)]
    lane = {box.floor.key: k for k, box in enumerate(reversed(targets))}
    colours = {box.floor.key: COLOURS[k % len(COLOURS)] for k, box in enumerate(boxes)}
    ends, starts = {}, {}
    for box in boxes:
        outgoing = sorted(
            (to for here, to in arrows if here == box.floor.key), key=lane.__getitem__
        )
        slots = len(outgoing) + (box.floor.key in lane)
        y = box.y + (box.height - SLOT * (slots - 1)) / 2
        if box.floor.key in lane:
            ends[box.floor.key], y = y, y + SLOT
        for k, to in enumerate(outgoing):
            starts[box.floor.key, to] = y + SLOT * k
    lines, numbers = [], []
    for box in targets:
        key = box.floor.key
        sources = [
            (other, starts[other.floor.key, key], arrows[other.floor.key, key])
            for other in boxes
            if (other.floor.key, key) in arrows
        ]
        x = LEFT + BOX_WIDTH + FIRST_LANE + LANE * lane[key]
        drawn, counts = draw_lane(box, sources, (x, ends[key], colours[key]))
        lines, numbers = lines + drawn, numbers + counts
    return lines + numbers, LEFT + BOX_WIDTH + FIRST_LANE + LANE * len(lane)


def draw_layout() -> str:
    """The picture as SVG."""
    floors, arrows = read_layout()
    boxes = place_boxes(floors, arrows)
    lanes, right = draw_lanes(boxes, arrows)
    low = boxes[-1].y + boxes[-1].height
    width, height = right + 10, low + BOTTOM
    modules = sum(len(floor.modules) for floor in floors)
    flow = LEFT - 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-labelledby="title">',
        '<title id="title">Package layout: folders in the order in which data flow, and the '
        "imports between them, all of which point up</title>",
        "<style>"
        f"text{{font-family:{SANS}}}"
        ".head{font-size:25px;font-weight:700;fill:#14233a}"
        ".lead{font-size:14px;fill:#52627a}"
        f".name{{font-family:{MONO};font-size:18px;font-weight:700;fill:#14233a}}"
        ".words{font-size:12px;fill:#5f6f86}"
        f".pill,.inner{{font-family:{MONO};font-size:{PILL_FONT}px;fill:#22344e;text-anchor:middle}}"
        ".inner{fill:#5f6f86;font-style:italic}"
        f".count{{font-size:10.5px;font-weight:600;text-anchor:middle;stroke:{BACKGROUND};"
        "stroke-width:5px;paint-order:stroke;stroke-linejoin:round}"
        ".flow{font-size:13px;letter-spacing:2px;fill:#7c8ba1;text-anchor:middle}"
        "</style>",
        f'<rect width="{width:g}" height="{height:g}" rx="14" fill="{BACKGROUND}"/>',
        f'<text class="head" x="{LEFT}" y="46">Package layout</text>',
        f'<text class="lead" x="{LEFT}" y="70">{modules} modules, folders in the order in which '
        "data flow. A line leads from a folder up to one that it imports;</text>",
        f'<text class="lead" x="{LEFT}" y="90">its number counts the imports between modules. '
        "Every arrow points up: no folder knows what comes after it.</text>",
        f'<path d="M{flow} {TOP_MARGIN}V{low - 14:g}" stroke="#cfd9e6" stroke-width="6"/>',
        f'<path d="M{flow} {low:g}l-11 -20h22z" fill="#cfd9e6"/>',
        f'<text class="flow" transform="translate({flow - 14} {(TOP_MARGIN + low) / 2:g}) '
        'rotate(-90)">data flow</text>',
    ]
    for k, box in enumerate(boxes):
        parts += draw_box(box, COLOURS[k % len(COLOURS)])
    return "\n".join([*parts, *lanes, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(draw_layout(), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))
