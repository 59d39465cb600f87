"""Which methods of ``glacier explain`` find a truth that was planted, in how many of some seeds.

    python -m tests.experiments.planted_truths results/explain

Two truths. A label that SWIR1 alone carries: a method must credit SWIR1 with most. Ice in one
corner, with spots that do not matter in the others: its picture must be highest in that corner.
Each seed has images, a network and a corner of its own; the image that is explained was not
trained on. How well the network knows the truth is kept beside (a network that does not cannot
be explained by it), and whether its picture is destroyed with its weights.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glacier.explaining.explain_map import Explainer
from glacier.settings.explain import Explain
from tests.support.planted import (
    BANDS,
    CARRIER,
    SIDE,
    corner_of,
    make_subject,
    measure_iou,
    plant_band,
    plant_corner,
    train_tiny,
)

SEEDS = 20
TRAINED = 24
"""Images of a network."""

DRAWN = ("patches", "gradients", "cam", "shap", "lime")


def explain_band(seed: int) -> dict[str, Any]:
    """Whether each method names SWIR1, of a label that it alone carries."""
    rng = np.random.default_rng(seed)
    model = train_tiny(*plant_band(rng, TRAINED), seed)
    images, labels = plant_band(rng, 1)
    settings = Explain(
        methods=("bands", "shapley", "gradients"), patch_px=8, seed=seed, at_most_s=1e4
    )
    explainer = Explainer(make_subject(model, images[0]), settings)
    found, layers = explainer.run()
    dealt = settings.model_copy(update={"methods": ("bands",), "removal": "permuted"})
    again, _ = Explainer(make_subject(model, images[0]), dealt).run()
    areas = {effect.band: effect.changed_km2 for effect in found.bands}
    drops = {effect.band: effect.strength_drop for effect in found.bands}
    named = {
        "occlusion, area": areas,
        "occlusion, strength": drops,
        "occlusion, area, permuted": {e.band: e.changed_km2 for e in again.bands},
        "Shapley values, exact": found.shapley,
        "integrated gradients, sum": found.gradients,
        "integrated gradients, size": found.gradients_size,
    }
    return {
        "iou": measure_iou(layers.is_ice, labels[0]),
        "found": {n: max(v, key=v.__getitem__) == BANDS[CARRIER] for n, v in named.items()},
        **keep_checks(found),
    }


def explain_corner(seed: int) -> dict[str, Any]:
    """Whether each method's picture is highest in the corner that holds the ice."""
    rng = np.random.default_rng(1000 + seed)
    model = train_tiny(*plant_corner(rng, TRAINED), seed)
    corner = int(rng.integers(4))
    images, labels = plant_corner(rng, 1, corner)
    settings = Explain(methods=DRAWN, of="ice", patch_px=8, seed=seed, at_most_s=1e4)
    explainer = Explainer(make_subject(model, images[0]), settings)
    found, layers = explainer.run()
    mask = np.zeros((SIDE, SIDE), bool)
    mask[corner_of(corner)] = True
    square = set(explainer.squares[mask])
    tops = {name: int(np.nanargmax(explainer.pool(v))) for name, v in layers.values.items()}
    return {
        "iou": measure_iou(layers.is_ice, labels[0]),
        "found": {name: top in square for name, top in tops.items()},
        "beaten": {
            c.method: [c.beaten_deletion, c.beaten_insertion] for c in found.curves
        },
        **keep_checks(found),
    }  # fmt: skip


def keep_checks(found: Any) -> dict[str, Any]:
    """Whether parts add up, and what is left of the picture with other weights."""
    test = found.randomised
    return {
        "gaps": {s.method: abs(s.gap) / max(abs(s.whole), 1e-12) for s in found.sums},
        "randomised": test and {
            "passed": test.passed, "random_pairs": test.random_pairs, "left": test.left,
            "stages": [stage.correlation for stage in test.stages],
        },
    }  # fmt: skip


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates over the seeds."""
    tests = [row["randomised"] for row in rows]
    methods = rows[0]["found"]
    return {
        "seeds": len(rows),
        "found": {name: sum(row["found"][name] for row in rows) for name in methods},
        "iou_least": min(row["iou"] for row in rows),
        "gap_largest": {
            name: max(row["gaps"][name] for row in rows) for name in rows[0]["gaps"]
        },
        "randomisation_passed": sum(test["passed"] for test in tests),
        "left_mean": float(np.mean([test["left"] for test in tests])),
        "stages_mean": np.mean([test["stages"] for test in tests], axis=0).round(3).tolist(),
        "random_pairs_mean": float(np.mean([test["random_pairs"] for test in tests])),
        **({
            "beaten_mean": {
                name: np.mean([row["beaten"][name] for row in rows], axis=0).round(3).tolist()
                for name in rows[0]["beaten"]
            },
        } if "beaten" in rows[0] else {}),
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run all seeds, and write ``planted_truths.json``; returns 1 where a promise is broken."""
    (place,) = sys.argv[1:] if argv is None else argv
    torch.set_num_threads(1)  # so small a network gains nothing from more
    begun = time.perf_counter()
    rows = {
        "band": [explain_band(seed) for seed in range(SEEDS)],
        "corner": [explain_corner(seed) for seed in range(SEEDS)],
    }
    summary = {name: summarise(own) for name, own in rows.items()}
    seconds = round(time.perf_counter() - begun, 1)
    Path(place).mkdir(parents=True, exist_ok=True)
    content = {"summary": summary, "seconds": seconds, "rows": rows}
    Path(place, "planted_truths.json").write_text(json.dumps(content, indent=1) + "\n")
    print(json.dumps(summary, indent=1))
    promised = [
        *(n for name, n in summary["band"]["found"].items() if "Shapley" not in name),
        summary["corner"]["found"]["patches"],
        summary["corner"]["found"]["gradients"],
    ]
    return int(min(promised) < SEEDS)


if __name__ == "__main__":
    raise SystemExit(main())
