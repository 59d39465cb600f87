"""Whom each method serves how well, as rows."""

from datetime import date

from glacier.archive.records import MonthRecord
from glacier.evaluation.metrics import Counts
from glacier.evaluation.scorecard import ImageScore, Scorecard
from glacier.reports.groups import find_groups, list_group_rows
from glacier.training.saved import SavedSweep
from tests.support.saved_sweeps import change_trials
from tests.support.sweeps import make_sweep


def test_each_method_has_its_groups_and_sensors_come_from_the_archive() -> None:
    images = tuple(
        ImageScore(region="ridge", month=date(2020, month, 1), counts=Counts(tp=tp, fn=10))
        for month, tp in ((2, 10), (7, 90), (8, 80))
    )
    result = change_trials(
        make_sweep({"resnet18": [0.9]}), lambda _: {"scorecard": Scorecard(images=images)}
    )
    records = [
        MonthRecord("ridge", "2020-07", "ok", platforms=("LANDSAT_7", "LANDSAT_8")),
        MonthRecord("ridge", "2020-08", "ok", platforms=("LANDSAT_8",)),
    ]
    sweep = SavedSweep(result, "", None, None, {"a": records})  # type: ignore[arg-type]
    rows = list_group_rows(find_groups(sweep))
    assert [(row["method"], row["kind"], row["group"]) for row in rows] == [
        ("resnet18", "season", "winter"),
        ("resnet18", "season", "summer"),
        ("resnet18", "sensor", "LANDSAT_8"),
        ("resnet18", "sensor", "LANDSAT_7 and LANDSAT_8"),
    ]
    assert rows[0]["iou"] == 0.5 and rows[0]["iou_low"] is None and rows[1]["iou_low"] > 0.8
