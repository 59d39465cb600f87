"""How often a watch calls a usual month an alarm, and what it notices: ``results/monitor``.

    python -m tests.experiments.drift

Three synthetic places of 2013 to 2024, whose truth is known. The first nine years say what is
usual, the last three are judged as they are, and again after each of some changes. The maps are
those of a rule on NDSI and near infrared, and those of a small network that learned from the truth
of the first nine years, whose encoder looks at every month as well. Beside the alarms stands by how
much the IoU of each falls in late summer, since an alarm is worth something only where the map
suffers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from glacier.composite import Empty
from glacier.config import Config
from glacier.evaluation.breakdown import LATE_SUMMER
from glacier.indices import normalised_difference
from glacier.labels import label_truth
from glacier.landsat import BAND_OF, months_between, reflectance
from glacier.monitoring.alarm import (
    Judgement,
    find_level,
    judge_month,
    learn_reference,
    measure_times,
)
from glacier.monitoring.sketch import MonthSketch, choose_places, measure_stripes
from glacier.sources.factory import open_source
from tests.support.shuffled import shuffle_squares
from tests.support.watched_network import train_network

PLACE = Path(__file__).parents[2] / "results/monitor"
SHARE = 0.05
FEATURES = "features"
STEPS = 200
"""Batches that the network learns from."""

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
    "pixels in another order within squares of 8": each(lambda _, v: shuffle_squares(v)),
    "the place upside down": each(lambda _, v: v[::-1, ::-1]),
}


class Mapper(Protocol):
    """What maps a month, and may look at it by features."""

    def map(self, bands: Bands) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """1 glacier, 0 not, and how sure it is, 0 to 1; (H, W) both, NaN where unseen."""

    def look(self, bands: Bands) -> NDArray[np.float32]:
        """(T, D) features; without a row where it has none."""


class Rule:
    """Bright in green beside the SWIR, and bright in the near infrared."""

    def map(self, bands: Bands) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As :meth:`Mapper.map`."""
        ndsi = normalised_difference(bands["green"], bands["swir1"])
        margin = np.minimum((ndsi - 0.4) / 0.1, (bands["nir"] - 0.11) / 0.03)
        glacier = np.where(np.isfinite(margin), margin > 0, np.nan).astype(np.float32)
        return glacier, np.abs(np.tanh(margin / 2)).astype(np.float32)

    def look(self, bands: Bands) -> NDArray[np.float32]:
        """None."""
        return np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class Place:
    """A region, its months and their truth."""

    name: str
    bands: dict[date, Bands]
    truth: dict[date, NDArray[np.uint8]]

    def sketch(self, month: date, mapper: Mapper, change: Change) -> tuple[MonthSketch, float]:
        """A month after a change, and the IoU of its map."""
        bands = change(self.bands[month])
        glacier, sure = mapper.map(bands)
        known = np.isfinite(glacier) & (self.truth[month] != 255)
        mapped, is_ice = glacier[known] == 1, self.truth[month][known] > 0
        iou = (mapped & is_ice).sum() / max(1, (mapped | is_ice).sum())
        values = np.stack([choose_places(band).ravel() for band in bands.values()])
        return MonthSketch(
            self.name, month, tuple(bands), values, measure_stripes(bands),
            choose_places(glacier).ravel(), choose_places(sure).ravel(),
            features=mapper.look(bands),
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


class Row(NamedTuple):
    """A new month after a change."""

    change: str
    found: Judgement
    lost: float
    """IoU that its map lost by the change."""
    is_strange: bool | None
    """Whether its features alone would be an alarm; None where they cannot be judged."""

    @property
    def by_kind(self) -> tuple[float, float, float]:
        """Its score, and what that would be without its features and by them alone."""
        own = [abs(f.times) for f in self.found.findings if f.trait.name == FEATURES]
        rest = [abs(f.times) for f in self.found.findings if f.trait.name != FEATURES]
        return max(own + rest), max(rest), max(own, default=float("nan"))

    @property
    def is_late(self) -> bool:
        """Whether it is of late summer."""
        return self.found.month.month in LATE_SUMMER[HEMISPHERE[self.found.region]]


def judge_place(place: Place, mapper: Mapper) -> list[Row]:
    """The new months after each change."""
    none = CHANGES["none"]
    usual = [place.sketch(month, mapper, none)[0] for month in place.bands if month.year in USUAL]
    reference = learn_reference(usual, 0)
    at = [trait.name for trait in reference.traits].index(FEATURES)
    own = [measure_times(reference, s.month, row)[at]
           for s, row in zip(reference.sketches, reference.rows, strict=True)]  # fmt: skip
    level = find_level(np.abs(own), SHARE)
    rows = []
    for month in place.bands:
        if month.year not in USUAL:
            before = place.sketch(month, mapper, none)[1]
            for name, change in CHANGES.items():
                sketch, iou = place.sketch(month, mapper, change)
                found = judge_month(sketch, reference, SHARE)
                times = [abs(f.times) for f in found.findings if f.trait.name == FEATURES]
                is_strange = None if level is None or not times else times[0] > level
                rows.append(Row(name, found, before - iou, is_strange))
    return rows


def tell_change(name: str, rows: Sequence[Row]) -> dict[str, object]:
    """A line of the table: alarms among the months after a change."""
    judged = [row for row in rows if row.change == name and row.found.status != "not judged"]
    strange = [row.is_strange for row in judged if row.is_strange is not None]
    late = [row.lost for row in rows if row.change == name and row.is_late]
    alarms = [row.found.status == "alarm" for row in judged]
    return {
        "change": name,
        "months": len(judged),
        "alarms": sum(alarms),
        "share": round(float(np.mean(alarms)), 3),
        "by_features_alone": round(float(np.mean(strange)), 3) if strange else None,
        "iou_lost_in_late_summer": round(float(np.mean(late)), 3),
    }


def rank(rows: Sequence[Row]) -> dict[str, float | None]:
    """Rank correlation of the score, and of its parts, with the IoU that is lost in late summer."""
    late = [row for row in rows if row.is_late and row.found.status != "not judged"]
    found = {}
    for k, name in enumerate(("score", "score_without_features", "features_alone")):
        pairs = [(row.by_kind[k], row.lost) for row in late if np.isfinite(row.by_kind[k])]
        ranked = float(spearmanr(*np.array(pairs).T).statistic) if pairs else float("nan")
        found[name] = round(ranked, 3) if np.isfinite(ranked) else None
    return found


def main() -> None:
    """Write the tables."""
    places = [read_place(name, corner) for name, corner in CORNERS.items()]
    learned = [
        (place.bands[month], place.truth[month])
        for place in places for month in place.bands if month.year in USUAL
    ]  # fmt: skip
    mappers: dict[str, Mapper] = {"rule": Rule(), "network": train_network(learned, STEPS)}
    summary: dict[str, object] = {"schema": 2, "places": list(CORNERS), "asked": SHARE}
    for kind, mapper in mappers.items():
        rows = [row for place in places for row in judge_place(place, mapper)]
        usual = [row for row in rows if row.change == "none"]
        summary[kind] = {
            "unjudged_months": sum(row.found.status == "not judged" for row in usual),
            "rank_correlation_with_lost_iou_in_late_summer": rank(rows),
            "rows": [tell_change(name, rows) for name in CHANGES],
        }
    PLACE.mkdir(parents=True, exist_ok=True)
    (PLACE / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))


if __name__ == "__main__":
    main()
