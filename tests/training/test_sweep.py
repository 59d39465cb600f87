"""A plan of trials that follows from the data, named by what changes its bytes."""

from pathlib import Path
from typing import Any

import pytest

from glacier.training import sweep
from tests.support.tiny import tiny_config


def summary_of(months: int) -> dict[str, Any]:
    parts = [
        {"region": "a", "month": f"{2014 + k // 12}-{k % 12 + 1:02d}-01", "status": "ok"}
        for k in range(months)
    ]
    return {"parts": parts, "blocks": [5, 5], "regions": {}}


def test_regions_that_share_ground_are_tested_together(tmp_path: Path) -> None:
    grid = {"crs": "EPSG:32608", "top_m": 0.0, "pixel_m": 30.0, "height": 100, "width": 100}
    lefts = {"a": 0.0, "b": 2970.0, "c": 9000.0}  # a and b share one column of pixels
    summary = {
        "parts": [{"region": name, "month": "2014-08-01", "status": "ok"} for name in lefts],
        "blocks": [5, 5],
        "regions": {name: {"grid": grid | {"left_m": left}} for name, left in lefts.items()},
    }
    folds = {"kind": "by_region", "count": 2, "validation_share": 0}
    splits, _ = sweep.plan_splits(tiny_config(tmp_path, sweep={"folds": folds}), summary)
    assert sorted(split.test for split in splits) == [("a", "b"), ("c",)]


def test_the_notebook_protocol_trains_on_all_that_is_not_tested(tmp_path: Path) -> None:
    folds = {"kind": "shuffled", "count": 5, "hold_out_last": True}
    plans = {
        protocol: sweep.plan_splits(
            tiny_config(tmp_path, sweep={"protocol": protocol, "folds": folds}), summary_of(82)
        )
        for protocol in ("honest", "notebook")
    }
    for honest, published in zip(plans["honest"][0], plans["notebook"][0], strict=True):
        assert honest.test == published.test and published.validation == ()
        assert set(published.train) == set(honest.train) | set(honest.validation)
        assert (len(honest.validation), len(honest.train)) in {(13, 51), (13, 52)}
    assert plans["honest"][1] == plans["notebook"][1] == ["a/2020-09"]


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"sweep": {"max_retries": 5}}, True),
        ({"sweep": {"checkpoint_s": 1}}, True),
        ({"cluster": {"cpus": 1}}, True),
        ({"sweep": {"epochs": 3}}, False),
        ({"sweep": {"cpus_per_trial": 2}}, False),
        ({"sweep": {"gpus_per_trial": 1}}, False),  # another device, another answer
        ({"seed": 4}, False),
    ],
)
def test_a_sweep_is_named_by_what_changes_its_bytes(
    tmp_path: Path, changes: dict, same: bool
) -> None:
    (tmp_path / "summary.json").write_text("{}")
    folders = [
        sweep.sweep_folders(tiny_config(tmp_path, **c), str(tmp_path)) for c in ({}, changes)
    ]
    assert (folders[0] == folders[1]) is same


def test_a_sweep_is_named_by_the_bytes_of_its_weights(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    weights, folders = tmp_path / "w.pt", []
    for data in (b"one", b"two", b"one"):
        weights.write_bytes(data)
        config = tiny_config(tmp_path, sweep={"encoder_weights": str(weights)})
        folders.append(sweep.sweep_folders(config, str(tmp_path))[0])
    assert folders[0] == folders[2] != folders[1]
