"""How often a watch calls a usual month an alarm, and what it notices: ``results/monitor``.

    python -m tests.experiments.drift

Three synthetic places of 2013 to 2024, whose truth is known. The first nine years say what is
usual, the last three are judged as they are, and again after each of some changes. The maps are
those of a rule on NDSI and near infrared; that is no network, and it takes seconds. Beside the
alarms stands by how much the rule's IoU falls in late summer, since an alarm is worth something
only where the map suffers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from glacier.composite import Empty
from glacier.config import Config
from glacier.evaluation.breakdown import LATE_SUMMER
from glacier.indices import normalised_difference
from glacier.labels import label_truth
from glacier.landsat import BAND_OF, months_between, reflectance
from glacier.monitoring.alarm import Judgement, judge_month, learn_reference
from glacier.monitoring.sketch import MonthSketch, choose_places, measure_stripes
from glacier.sources.factory import open_source

PLACE = Path(__file__).parents[2] / "results/monitor"
SHARE = 0.05
USUAL = range(2013, 2022)
FIRST, LAST = date(2013, 4, 1), date(2024, 12, 1)
CORNERS = {"ridge": (-134.6, 58.35), "alps": (7.95, 46.4), "south": (-73.2, -49.2)}
"""Lower left corner of each place, degrees."""

HEMISPHERE = {"ridge": "north", "alps": "north", "south": "south"}

Bands = Mapping[str, NDArray[np.float32]]
Change = Callable[[Bands], Bands]

HAZE = {"blue": 0.06, "green": 0.045, "red": 0.035, "nir": 0.02, "swir1": 0.008, "swir2": 0.004}
"""Reflectance that a thin haze adds, falling with about the wavelength to the power of -1.3."""

THROUGH = {"blue": 0.72, "green": 0.8, "red": 0.86, "nir": 0.92, "swir1": 0.96, "swir2": 0.97}
ON_TOP = {"blue": 0.08, "green": 0.05, "red": 0.03, "nir": 0.012, "swir1": 0.002, "swir2": 0.001}
"""What a clear air lets through and adds: an image of level 1 beside one of level 2, roughly."""

SNOW = {"blue": 0.9, "green": 0.9, "red": 0.88, "nir": 0.8, "swir1": 0.12, "swir2": 0.08}


def each(change: Callable[[str, NDArray[np.float32]], NDArray[np.float32]]) -> Change:
    """A change of every band by itself."""
    return lambda bands: {name: change(name, band) for name, band in bands.items()}


def stripe(band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every second row brighter by 0.04."""
    return band + np.where(np.arange(len(band)) % 2, 0.02, -0.02).astype(np.float32)[:, None]


CHANGES: dict[str, Change] = {
    "none": lambda bands: bands,
    "gain x 1.2": each(lambda _, v: 1.2 * v),
    "gain x 0.8": each(lambda _, v: 0.8 * v),
    "offset of 0.02": each(lambda _, v: v + 0.02),
    "offset of 0.1 (Sentinel's +1000)": each(lambda _, v: v + 0.1),
    "haze": each(lambda c, v: 0.9 * v + HAZE[c]),
    "level 1 in place of level 2": each(lambda c, v: THROUGH[c] * v + ON_TOP[c]),
    "red and near infrared swapped": lambda b: {**b, "nir": b["red"], "red": b["nir"]},
    "stripes of 0.04": each(lambda _, v: stripe(v)),
    "new snow on all ground": each(lambda c, v: np.float32(0.4) * v + np.float32(0.6 * SNOW[c])),
    "the place upside down": each(lambda _, v: v[::-1, ::-1]),
}


@dataclass(frozen=True)
class Place:
    """A region, its months and their truth."""

    name: str
    bands: dict[date, Bands]
    truth: dict[date, NDArray[np.uint8]]

    def sketch(self, month: date, change: Change = CHANGES["none"]) -> tuple[MonthSketch, float]:
        """A month after a change, and the IoU of the rule on it."""
        bands = change(self.bands[month])
        ndsi = normalised_difference(bands["green"], bands["swir1"])
        margin = np.minimum((ndsi - 0.4) / 0.1, (bands["nir"] - 0.11) / 0.03)
        seen = np.isfinite(margin)
        glacier = np.where(seen, margin > 0, np.nan).astype(np.float32)
        sure = np.abs(np.tanh(margin / 2)).astype(np.float32)
        known = seen & (self.truth[month] != 255)
        mapped, is_ice = glacier[known] == 1, self.truth[month][known] > 0
        iou = (mapped & is_ice).sum() / max(1, (mapped | is_ice).sum())
        values = np.stack([choose_places(band).ravel() for band in bands.values()])
        return MonthSketch(
            self.name, month, tuple(bands), values, measure_stripes(bands),
            choose_places(glacier).ravel(), choose_places(sure).ravel(),
        ), float(iou)  # fmt: skip


def read_place(name: str, corner: tuple[float, float]) -> Place:
    """All months of a synthetic place that have an image."""
    (x, y), wide, high = corner, 0.15, 0.1
    polygon = [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]]
    config = Config.model_validate(
        {
            "name": "drift",
            "regions": [{"name": name, "polygon": polygon, "pixel_m": 120}],
            "months": {"first": f"{FIRST:%Y-%m}", "last": f"{LAST:%Y-%m}"},
            "ingest": {"source": "synthetic"},
        }
    )
    source, (region,) = open_source(config), config.regions
    bands, truth = {}, {}
    for month in months_between(FIRST, LAST):
        found = source.fetch_month(region, month)
        if not isinstance(found, Empty):
            bands[month] = {c: reflectance(found.bands[b]) for c, b in BAND_OF.items()}
            truth[month] = label_truth(source.truth(region, month))  # type: ignore[attr-defined]
    return Place(name, bands, truth)


def judge_place(place: Place) -> list[tuple[str, Judgement, float]]:
    """The new months after each change: its name, what was found, and the loss of IoU."""
    usual = [place.sketch(month)[0] for month in place.bands if month.year in USUAL]
    reference = learn_reference(usual, 0)
    rows = []
    for month in place.bands:
        if month.year not in USUAL:
            before = place.sketch(month)[1]
            for name, change in CHANGES.items():
                sketch, iou = place.sketch(month, change)
                rows.append((name, judge_month(sketch, reference, SHARE), before - iou))
    return rows


def main() -> None:
    """Write the table."""
    rows = [row for name, at in CORNERS.items() for row in judge_place(read_place(name, at))]
    late = [row for row in rows if row[1].month.month in LATE_SUMMER[HEMISPHERE[row[1].region]]]
    table = []
    for name in CHANGES:
        judged = [(f, loss) for n, f, loss in rows if n == name and f.status != "not judged"]
        alarms = [found.status == "alarm" for found, _ in judged]
        table.append(
            {
                "change": name,
                "months": len(judged),
                "alarms": int(sum(alarms)),
                "share": round(float(np.mean(alarms)), 3),
                "iou_lost_in_late_summer": round(
                    float(np.mean([loss for n, _, loss in late if n == name])), 3
                ),
            }
        )
    judged = [(f.score, loss) for _, f, loss in late if f.status != "not judged"]
    rank = spearmanr([score for score, _ in judged], [loss for _, loss in judged])
    unjudged = sum(f.status == "not judged" for n, f, _ in rows if n == "none")
    summary = {
        "schema": 1,
        "places": list(CORNERS),
        "asked": SHARE,
        "unjudged_months": unjudged,
        "rank_correlation_of_score_and_lost_iou_in_late_summer": round(float(rank.statistic), 3),
        "rows": table,
    }
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
