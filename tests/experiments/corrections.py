"""Error of area against minutes of a person, for each way of choosing: ``results/corrections``.

    GLACIER_REAL_DATA=... python -m tests.experiments.corrections

The maps are those of a rule on NDSI and near infrared with soft edges, so that they say how sure
they are; two thresholds stand for two models. A simulated annotator looks at one month after the
other, which takes a minute, and mends what is wrong there, the largest patch first: half a minute
each, and one more for each 4 km of its outline. Patches below 0.02 km2 are left as they are, and of
what is mended one pixel in twenty is drawn wrongly. When the minutes are over, all areas are held
against the true ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import label

from glacier.composite import Empty
from glacier.config import Config
from glacier.corrections.choose import WAYS, Doubt, Way, measure_entropy, rank_months
from glacier.evaluation.breakdown import LATE_SUMMER
from glacier.indices import normalised_difference
from glacier.labels import label_truth
from glacier.landsat import BAND_OF, months_between, reflectance
from glacier.sources.factory import open_source

PLACE = Path(__file__).parents[2] / "results/corrections"
BUDGETS_MIN = (10, 30, 60)
SEEDS = range(5)
LOOK_MIN, PATCH_MIN, KM_A_MIN, SLIP, LEAST_KM2 = 1.0, 0.5, 4.0, 0.05, 0.02
CORNERS = {"ridge": (-134.6, 58.35), "alps": (7.95, 46.4), "south": (-73.2, -49.2)}
S2 = {"green": "B3", "nir": "B8", "swir1": "B11"}

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Month:
    """A map beside the truth."""

    doubt: Doubt
    mapped: Mask
    truth: Mask
    seen: Mask
    pixel_m: float

    @cached_property
    def patches(self) -> list[tuple[float, Mask]]:
        """Minutes and pixels of what is wrong, the largest first."""
        names, _ = label((self.mapped != self.truth) & self.seen)
        sizes = np.bincount(names.ravel())[1:] * self.pixel_m**2 / 1e6
        found = []
        for name in np.argsort(-sizes) + 1:
            if sizes[name - 1] < LEAST_KM2:
                break
            patch = np.pad(names == name, 1)
            sides = (patch[1:] != patch[:-1]).sum() + (patch[:, 1:] != patch[:, :-1]).sum()
            minutes = PATCH_MIN + sides * self.pixel_m / 1000 / KM_A_MIN
            found.append((float(minutes), patch[1:-1, 1:-1]))
        return found

    def work(self, left_min: float, rng: np.random.Generator) -> tuple[Mask, float]:
        """What the annotator makes of the map, and the minutes that are left."""
        drawn, left_min = self.mapped.copy(), left_min - LOOK_MIN
        for minutes, patch in self.patches:
            if minutes > left_min:
                break
            left_min -= minutes
            drawn ^= patch & (rng.random(patch.shape) >= SLIP)
        return drawn, max(0.0, left_min)

    def find_error(self, drawn: Mask) -> float:
        """Error of the area, km2."""
        area, true = (int((mask & self.seen).sum()) for mask in (drawn, self.truth))
        return abs(area - true) * self.pixel_m**2 / 1e6

    @property
    def true_km2(self) -> float:
        """Area of the glacier that was seen."""
        return float(self.truth.sum() * self.pixel_m**2 / 1e6)


def map_month(bands: dict[str, Any], truth: NDArray[np.uint8], name: tuple[str, str],
              pixel_m: float) -> Month:  # fmt: skip
    """The rule's map of a month."""
    ndsi = normalised_difference(bands["green"], bands["swir1"])
    margins = [
        np.minimum((ndsi - above) / 0.1, (bands["nir"] - 0.11) / 0.03) for above in (0.35, 0.45)
    ]
    seen = np.isfinite(margins[0]) & (truth != 255)
    probability = np.mean([1 / (1 + np.exp(-margin)) for margin in margins], axis=0)
    pixel_km2 = pixel_m**2 / 1e6
    areas = [(margin > 0)[seen].sum() * pixel_km2 for margin in margins]
    doubt = Doubt(*name, measure_entropy(probability[seen]) * pixel_km2, float(np.std(areas)))
    return Month(doubt, (probability > 0.5) & seen, (truth == 1) & seen, seen, pixel_m)


def read_synthetic() -> list[Month]:
    """Late summers of eight years of three synthetic places."""
    found = []
    for name, (x, y) in CORNERS.items():
        polygon = [[x, y], [x + 0.15, y], [x + 0.15, y + 0.1], [x, y + 0.1]]
        region = {"name": name, "polygon": polygon, "pixel_m": 60}
        config = Config.model_validate(
            {"name": "x", "regions": [region], "ingest": {"source": "synthetic"}}
        )
        source, (place,) = open_source(config), config.regions
        late = LATE_SUMMER["south" if name == "south" else "north"]
        for month in months_between(date(2014, 1, 1), date(2021, 12, 1)):
            image = source.fetch_month(place, month)
            if month.month in late and not isinstance(image, Empty):
                bands = {c: reflectance(image.bands[BAND_OF[c]]) for c in S2}
                truth = label_truth(source.truth(place, month))  # type: ignore[attr-defined]
                found.append(map_month(bands, truth, (name, f"{month:%Y-%m}"), 60))
    return found


def read_vinciguerra(folder: Path) -> list[Month]:
    """Four late summers with the masks that were drawn by hand."""
    found = []
    for year in range(2019, 2023):
        with rasterio.open(folder / f"s2_l1c_{year}.tif") as file:
            names = [text.upper() for text in file.descriptions]
            numbers = {c: file.read(1 + names.index(b)).astype(np.float32) for c, b in S2.items()}
        with rasterio.open(folder / f"label_{year}.tif") as file:
            truth = file.read(1).astype(np.uint8)
        offset = 1000 if year == 2022 else 0
        bands = {colour: (values - offset) / 10_000 for colour, values in numbers.items()}
        found.append(map_month(bands, truth, ("vinciguerra", f"{year}-03"), 10))
    return found


def spend(months: Sequence[Month], way: Way, budget_min: float, seed: int) -> float:
    """Errors of all areas beside the true ones, added up, once the minutes are spent."""
    rng = np.random.default_rng(seed)
    by_doubt = {(m.doubt.region, m.doubt.month): m for m in months}
    left, drawn = budget_min, dict[tuple[str, str], Mask]()
    for doubt in rank_months([month.doubt for month in months], way, seed):
        month = by_doubt[doubt.region, doubt.month]
        if left <= LOOK_MIN:
            break
        drawn[doubt.region, doubt.month], left = month.work(left, rng)
    errors = [month.find_error(drawn.get(key, month.mapped)) for key, month in by_doubt.items()]
    return sum(errors) / sum(month.true_km2 for month in months)


def measure(months: Sequence[Month]) -> dict[str, Any]:
    """The table of a set of months."""
    before = spend(months, "random", 0, 0)
    table = {
        way: {
            str(budget): [round(spend(months, way, budget, seed), 4) for seed in SEEDS]
            for budget in BUDGETS_MIN
        }
        for way in WAYS
    }
    minutes = sum(LOOK_MIN + sum(each for each, _ in month.patches) for month in months)
    return {"months": len(months), "before": round(before, 4), "all_minutes": round(minutes),
            "error": table}  # fmt: skip


def main() -> None:
    """Write the table."""
    found = {"synthetic": measure(read_synthetic())}
    if folder := os.environ.get("GLACIER_REAL_DATA"):
        found["vinciguerra"] = measure(read_vinciguerra(Path(folder) / "vinciguerra_s2"))
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "summary.json").write_text(json.dumps({"schema": 1, **found}, indent=1) + "\n")
    for name, table in found.items():
        print(name, table["months"], table["before"], table["all_minutes"])
        for way, row in table["error"].items():
            print("  ", way, {k: round(float(np.mean(v)), 4) for k, v in row.items()})


if __name__ == "__main__":
    main()
