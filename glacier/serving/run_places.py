"""Where it lies what a run has made: its series, its maps, and the images behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glacier import store
from glacier.config import Config
from glacier.errors import GlacierError
from glacier.mapping.added_months import find_grown_sweep
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import list_tasks, maps_folder, take_months


@dataclass(frozen=True)
class RunPlaces:
    """Addresses of a run; none of them holds a word of a client's."""

    name: str
    """Of the run."""
    results: str
    """Folder of the series."""
    titles: Mapping[str, str]
    """Name of each region to what people call it."""
    maps: str = ""
    """Folder of the maps; empty: there are none yet."""
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Region to month, YYYY-MM, to the raster of the archive that was mapped."""


def find_places(config: Config) -> RunPlaces:
    """Where the series and the maps of a run lie, or will.

    A run without a finished sweep has no maps yet, which is no error.
    """
    config = take_months(config)
    titles = {region.name: config.place(region.name) for region in config.regions}
    results = store.results_folder(config)
    try:
        sweep = find_grown_sweep(config)
        encoders, _ = choose_encoders(sweep.result, config.predict)
        folder, tasks = maps_folder(config, sweep, encoders), list_tasks(config, sweep, encoders)
    except GlacierError:
        return RunPlaces(config.name, results, titles)
    images: dict[str, dict[str, str]] = {}
    for task in tasks:
        if task.image:
            images.setdefault(task.record.region, {})[task.record.name] = task.image
    return RunPlaces(config.name, results, titles, folder, images)
