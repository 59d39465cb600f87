"""The months of a run and its maps -> sketches of what they show, a task of Ray each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

import ray

from glacier import store
from glacier.cluster import connect, get_result
from glacier.config import Config
from glacier.mapping.map_plan import MapTask
from glacier.mapping.maps import MapRecord
from glacier.monitoring.alarm import Judgement, Reference, judge_month, learn_reference
from glacier.monitoring.network import Looker, Lookers
from glacier.monitoring.sketch import MonthSketch, SketchTask, sketch_month
from glacier.progress import Progress
from glacier.training.saved import SavedSweep

Sketches = Mapping[str, Sequence[MonthSketch]]
"""Of each region, in the order of its months."""


def sketch_months(
    config: Config,
    sweep: SavedSweep,
    folder: str,
    months: Sequence[tuple[MapTask, MapRecord]],
    lookers: Lookers,
) -> Sketches:
    """Look at every month that has a map.

    Args:
        config: The run.
        sweep: Its sweep, with the months.
        folder: Address of its maps.
        months: What was mapped, and what became of it.
        lookers: The network of each region that looks at them too.

    Raises:
        DamagedError: A map or an image differs from its checksum.
    """
    platforms = {(r.region, r.month): r.platforms for all_ in sweep.archives.values() for r in all_}
    wanted = [
        SketchTask(
            record,
            store.join(folder, record.region),
            task.image,
            platforms.get((record.region, record.name), ()),
            *name_network(sweep, lookers[record.region]),
        )
        for task, record in months
        if record.grid is not None
    ]
    found: dict[str, list[MonthSketch]] = defaultdict(list)
    with (
        connect(config.cluster, storage=config.storage),
        Progress("monitor", len(wanted)) as progress,
    ):
        look = ray.remote(num_cpus=1, max_retries=3)(sketch_month)
        for task, reference in [(task, look.remote(task)) for task in wanted]:
            sketch: MonthSketch = get_result(reference)
            found[sketch.region].append(sketch)
            progress.advance(f"{task.record.region} {task.record.name}")
    return found


def name_network(sweep: SavedSweep, looker: Looker) -> tuple[str, str]:
    """Address of a region's network and the checksum of its weights; empty where none looks."""
    if looker.encoder is None:
        return "", ""
    return sweep.places.model(looker.encoder, looker.fold), looker.sha256


def judge_months(
    config: Config, sketches: Sequence[MonthSketch]
) -> tuple[list[Judgement], Reference | None]:
    """Judge the months of a region.

    Args:
        config: The run.
        sketches: All months of the region.

    Returns:
        A judgement for each, in order; what is usual, or None where there is no reference month.
    """
    settings = config.monitor
    usual = [sketch for sketch in sketches if is_reference(config, sketch.month)]
    ordered = sorted(sketches, key=lambda sketch: sketch.month)
    if not usual:
        why = "there is no reference month"
        return [Judgement(s.region, s.month, "not judged", why=why) for s in ordered], None
    bands = max((s.bands for s in usual), key=[s.bands for s in usual].count)
    reference = learn_reference([s for s in usual if s.bands == bands], settings.season_months)
    return [judge_month(s, reference, settings.false_alarms) for s in ordered], reference


def is_reference(config: Config, month: date) -> bool:
    """Whether a month is one that says what is usual."""
    span = config.monitor.reference or config.months
    first, last = span.dates()
    return first <= month <= last and span.wants(month)
