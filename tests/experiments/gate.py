"""How often the gate refuses candidates that are as good as what serves, and those that are worse.

Probability maps are simulated: five regions, each a fold of its own, with twelve monthly images. A
model errs on ground of its own choice, in every month the same, and on each image anew; a sky or a
snowfall makes an image hard for all models. Equally good candidates are drawn by the very rule by
which the serving model was, as if it had been trained again with another seed; worse ones have
such errors too, and lose known points of IoU on one frozen region, in one of three ways.

    python tests/experiments/gate.py results/continual

writes ``gate.json`` and ``gate.md`` there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.evaluation.calibration import measure_reliability
from glacier.evaluation.metrics import count_pixels
from glacier.registry.cells import Answer, Cell, Cells, measure_iou
from glacier.registry.gate import Judgement, judge
from glacier.registry.scatter import Pieces, measure_scatter
from glacier.samples.units import block_rectangles
from glacier.settings.learn import Gate

SIDE_PX, BLOCKS = 80, (5, 5)
REGIONS = ("a", "b", "c", "d", "e")
LOSSES = tuple(0.005 * k for k in range(1, 21))
"""Points of IoU that worse candidates lose on region c: 0.5 to 10."""
WAYS = ("forgotten ground", "thin outline", "snow")
DRAWS = 2000
"""Of the bootstrap that the gate is compared with."""

Image = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """Images of all regions: truth, what any model sees of it, and how it errs."""

    truth: dict[str, NDArray[np.bool_]]
    signal: dict[str, Image]
    """Logit that a model without errors would give."""
    scenes: dict[str, list[Image]]
    """What makes an image hard for all models: logits to add."""
    ground_sd: float
    """Errors of a model that stay where they are, logits."""
    image_sd: float
    """Errors of a model that are others in each image, logits."""


def draw_field(rng: np.random.Generator, width_px: float, sd: float) -> Image:
    """A smooth random field of this deviation."""
    field = cv2.GaussianBlur(rng.standard_normal((SIDE_PX, SIDE_PX)), (0, 0), width_px)
    return np.asarray(field * (sd / field.std()))


def make_world(rng: np.random.Generator, images: int, ground_sd: float, image_sd: float) -> World:
    """Regions with a glacier of a random form, and so many images of each."""
    truth, signal, scenes = {}, {}, {}
    for name in REGIONS:
        form = draw_field(rng, 9, 1.0)
        truth[name] = form > np.quantile(form, rng.uniform(0.55, 0.8))
        inside, outside = (
            cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
            for mask in (truth[name], ~truth[name])
        )
        signal[name] = np.clip((inside - outside) / 1.2, -6, 6)
        scenes[name] = [
            rng.normal(0, 0.4) + draw_field(rng, 4, rng.uniform(0.3, 1.0)) for _ in range(images)
        ]
    return World(truth, signal, scenes, ground_sd, image_sd)


Logits = dict[str, list[Image]]


def draw_model(world: World, rng: np.random.Generator) -> Logits:
    """The logits of a model for every image, with errors of its own."""
    found: Logits = {}
    for name in REGIONS:
        ground = draw_field(rng, 6, world.ground_sd)
        found[name] = [
            world.signal[name] + scene + ground + draw_field(rng, 4, world.image_sd)
            for scene in world.scenes[name]
        ]
    return found


def answer(logits: Image, truth: NDArray[np.bool_]) -> list[Answer]:
    """What a model says of each block of an image."""
    probability, label = 1 / (1 + np.exp(-logits)), truth.astype(np.uint8)
    places = [
        np.s_[top:bottom, left:right]
        for top, bottom, left, right in block_rectangles(truth.shape, BLOCKS).values()
    ]
    return [
        Answer(
            count_pixels(probability[at] >= 0.5, label[at]),
            measure_reliability(probability[at], label[at]),
        )
        for at in places
    ]


def list_cells(world: World, serving: Logits, candidate: Logits) -> Iterator[Cell]:
    """Both models on every block of every image."""
    for fold, name in enumerate(REGIONS):
        truth = world.truth[name]
        for month, pair in enumerate(zip(serving[name], candidate[name], strict=True)):
            both = (answer(logits, truth) for logits in pair)
            for block, (old, new) in enumerate(zip(*both, strict=True)):
                yield Cell(fold, name, f"{name}/{month}", str(block), True, old, new)


def spoil(world: World, logits: Logits, aim: float, way: str, rng: np.random.Generator) -> Logits:
    """A model whose IoU on region c falls to an aim, as nearly as its pixels allow."""
    truth, images = world.truth["c"], logits["c"]
    order = {
        "forgotten ground": draw_field(rng, 9, 1.0) + 100 * truth,
        "thin outline": rng.normal(0, 0.01, truth.shape) - np.abs(world.signal["c"]) + 100 * truth,
        "snow": draw_field(rng, 9, 1.0) - 100 * truth,
    }[way]
    hit = np.ones(len(images), bool)
    if way == "snow":  # a third of the images has all of it
        hit = np.arange(len(images)) % 3 == 0
    ranks = np.sort(order.ravel())[::-1]
    best, low, high = images, 0, ranks.size - 1
    while low < high:
        middle = (low + high) // 2
        mask = order >= ranks[middle]
        wrong = np.where(truth, -4.0, 4.0)
        best = [np.where(mask & h, wrong, each) for each, h in zip(images, hit, strict=True)]
        low, high = (middle + 1, high) if pooled_iou(truth, best) > aim else (low, middle)
    return logits | {"c": best}


def pooled_iou(truth: NDArray[np.bool_], images: Sequence[Image]) -> float:
    """IoU of all images of a region together."""
    hits = sum(int((truth & (each > 0)).sum()) for each in images)
    union = sum(int((truth | (each > 0)).sum()) for each in images)
    return hits / union


Method = Callable[[Cells, float], bool]
"""Whether anything falls, at a level for all parts."""


def by_gate(cells: Cells, level: float) -> bool:
    """The gate."""
    return judge(cells, Gate(level=level)).decision == "refused"


def by_interval(pieces: Pieces, corrects: bool) -> Method:
    """The gate's interval over pieces of one kind alone, for each fold."""

    def method(cells: Cells, level: float) -> bool:
        own = level / (len(REGIONS) if corrects else 1)
        for fold in np.unique(cells.fold):
            part = cells.take(cells.fold == fold)
            scatter = measure_scatter(part, pieces, measure_iou)
            allowed = scatter and scatter.bound(own)
            fall = measure_iou(part.serving.sum(0)) - measure_iou(part.candidate.sum(0))
            if allowed is not None and fall > allowed:
                return True
        return False

    return method


def by_bootstrap(cells: Cells, level: float) -> bool:
    """Percentiles of a paired bootstrap over images, a share of the level for each fold."""
    rng = np.random.default_rng(0)
    for fold in np.unique(cells.fold):
        part = cells.take(cells.fold == fold)
        _, place = np.unique(part.image, return_inverse=True)
        old, new = (
            np.stack([np.bincount(place, column) for column in model.T], axis=1)
            for model in (part.serving, part.candidate)
        )
        draws = rng.multinomial(len(old), np.full(len(old), 1 / len(old)), DRAWS)
        change = measure_iou(draws @ new) - measure_iou(draws @ old)
        if np.quantile(change, 1 - level / len(REGIONS)) < 0:
            return True
    return False


METHODS: dict[str, Method] = {
    "the gate": by_gate,
    "its interval over images alone": by_interval("image", corrects=True),
    "its interval over blocks alone": by_interval("block", corrects=True),
    "its interval over images, each fold at the whole level": by_interval("image", corrects=False),
    "percentiles of a bootstrap over images": by_bootstrap,
}

WORLDS = {
    "errors of each image anew": (12, 0.0, 0.9),
    "errors of both kinds": (12, 0.5, 0.6),
    "errors that stay where they are": (12, 0.9, 0.2),
    "both kinds, 6 images a region": (6, 0.5, 0.6),
    "both kinds, 40 images a region": (40, 0.5, 0.6),
}
"""Images of a region, and the deviation of the errors that stay and of those that do not."""

NEAR_SD = 0.1
"""Deviation of the errors in which a candidate that goes on from the same weights differs."""


Shares = dict[str, dict[str, float]]


def count_refused(pairs: int, level: float) -> Shares:
    """Share of equally good candidates that each method refuses, in each world."""
    found: Shares = {}
    for at, (title, (images, ground_sd, image_sd)) in enumerate(WORLDS.items()):
        refused = dict.fromkeys(METHODS, 0)
        for pair in range(pairs):
            rng = np.random.default_rng([at, pair])
            world = make_world(rng, images, ground_sd, image_sd)
            cells = Cells.of(list_cells(world, draw_model(world, rng), draw_model(world, rng)))
            for name, method in METHODS.items():
                refused[name] += method(cells, level)
        found[title] = {name: count / pairs for name, count in refused.items()}
    return found


def go_on(world: World, serving: Logits, rng: np.random.Generator) -> Logits:
    """A model that differs little from the one that serves, since it goes on from its weights."""
    other = draw_model(replace(world, ground_sd=NEAR_SD, image_sd=NEAR_SD), rng)
    return {
        name: [
            old + new - world.signal[name] - scene
            for old, new, scene in zip(serving[name], other[name], world.scenes[name], strict=True)
        ]
        for name in REGIONS
    }


def judge_worse(trained_anew: bool) -> list[dict[str, object]]:
    """The gate on 20 candidates, each of which loses more on region c than the one before."""
    rng = np.random.default_rng(7)
    world = make_world(rng, *WORLDS["errors of both kinds"])
    serving = draw_model(world, rng)
    before = pooled_iou(world.truth["c"], serving["c"])
    rows = []
    for at, loss in enumerate(LOSSES):
        way = WAYS[at % len(WAYS)]
        equal = draw_model(world, rng) if trained_anew else go_on(world, serving, rng)
        worse = spoil(world, equal, before - loss, way, rng)
        rows.append(describe(judge(Cells.of(list_cells(world, serving, worse)), Gate()), loss, way))
    return rows


def describe(found: Judgement, loss: float, way: str) -> dict[str, object]:
    """A row of the table."""
    part = next(part for part in found.parts if part.kind == "fold" and part.name == "2")
    return {
        "loss": loss, "way": way, "fall": part.fall, "allowed": part.allowed,
        "decision": found.decision, "fallen": [each.title for each in found.fallen],
    }  # fmt: skip


def write_page(refused: Shares, worse: dict[str, list[dict[str, object]]], pairs: int) -> str:
    """All tables as Markdown."""
    lines = [
        "# The gate: equally good candidates, and worse ones",
        "",
        "Simulated probability maps, five regions that are a fold each, of 80 x 80 pixels in 25 "
        "blocks; how they are drawn is said in `tests/experiments/gate.py`.",
        "",
        f"## Share of {pairs} equally good candidates that is refused (meant: at most 0.10)",
        "",
        "Both models are drawn by the same rule, as if trained again with another seed. Below, a "
        "candidate is refused where its fall is above what is allowed and the tolerance of "
        f"{100 * Gate().tolerance:g} points together.",
        "",
        "| errors | " + " | ".join(METHODS) + " |",
        "|---|" + "---|" * len(METHODS),
    ]
    lines += [
        f"| {title} | " + " | ".join(f"{share:.3f}" for share in shares.values()) + " |"
        for title, shares in refused.items()
    ]
    for title, rows in worse.items():
        lines += [
            "",
            f"## 20 candidates that lose points of IoU on region c (fold 2), {title}",
            "",
            "| lost | way | measured fall | allowed | decision | what falls |",
            "|" + "---|" * 6,
            *map(write_row, rows),
        ]
    return "\n".join([*lines, ""])


def write_row(row: dict[str, object]) -> str:
    """A candidate in a line, in points of IoU."""
    fallen = ", ".join(map(str, row["fallen"])) or "nothing"  # type: ignore[arg-type]
    loss, fall, allowed = (100 * float(row[name]) for name in ("loss", "fall", "allowed"))  # type: ignore[arg-type]
    return (
        f"| {loss:.1f} | {row['way']} | {fall:.2f} | {allowed:.2f} | {row['decision']} | {fallen} |"
    )


def main(folder: str, pairs: int = 150) -> None:
    """Run both and write them into a folder."""
    cv2.setNumThreads(1)
    refused = count_refused(pairs, Gate().level)
    worse = {
        "going on from the weights that serve": judge_worse(trained_anew=False),
        "trained anew": judge_worse(trained_anew=True),
    }
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    values = {"pairs": pairs, "level": Gate().level, "refused": refused, "worse": worse}
    (place / "gate.json").write_text(json.dumps(values, indent=1) + "\n")
    (place / "gate.md").write_text(write_page(refused, worse, pairs))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
