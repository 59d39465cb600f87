"""A benchmark of strategies that runs in seconds: two coarse synthetic regions."""

from pathlib import Path

from glacier.config import Config
from tests.support.tiny import tiny_config

REGIONS = [
    {
        "name": name,
        "polygon": [[lon, 58.42], [lon + 0.2, 58.42], [lon + 0.2, 58.59], [lon, 58.59]],
        "pixel_m": 150,
    }
    for name, lon in (("mendenhall", -134.62), ("taku", -134.22))
]


def stream_config(folder: Path, **changes: object) -> Config:
    """A stream of two regions, three strategies, one order and seed."""
    usual = {
        "regions": REGIONS,
        "months": {"first": "2014-06", "last": "2014-09"},
        "prepare": {"layout": "chips", "blocks": [2, 4], "quick_looks": False},
        "sweep": {"folds": {"kind": "by_block", "count": 4}},
        "continual": {
            "strategies": ["naive", "joint", "replay"], "budgets_percent": [5], "orders": 1,
            "seeds": 1, "steps_per_task": 3, "learning_rates": [1e-3], "levels": 3, "width": 4,
        },
    }  # fmt: skip
    for name, value in changes.items():
        usual[name] = {**usual.get(name, {}), **value} if isinstance(value, dict) else value
    return tiny_config(folder, **usual)
