"""What a job would do, stage by stage, and what would be refused of it.

Nothing is fetched, nothing is written, no Ray started.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator

from glacier import store
from glacier.archive.dry_run import describe_frame, describe_ingest, describe_regions
from glacier.checks import find_refusals
from glacier.config import Config
from glacier.continual.strategies import STRATEGIES, choose_strategies
from glacier.errors import ConfigError, GlacierError
from glacier.learn import open_ledger
from glacier.machine import Room
from glacier.mapping.added_months import read_added, span_added
from glacier.mapping.images import find_images
from glacier.plans import RunPlan, is_prepared, plan_run, show_gb
from glacier.progress import say
from glacier.settings.sweep import Sweep
from glacier.training.saved import is_swept

SAID_GB = 0.1
"""Memory of a step that is worth a word."""

REPORT_GB = 0.01
"""Of a report with its figures."""

PRETRAINED = "huggingface.co (weights of encoders that are not in its cache)"
"""Who is asked for pretrained weights, and when."""

Tell = Callable[[RunPlan], Iterator[str]]
"""Says what one stage of a run would do."""


def dry_run(config: Config, job: str = "pipeline") -> int:
    """Say what a job would do with a configuration, and what would be refused.

    Args:
        config: The run.
        job: a verb that takes a configuration, such as ``sweep``.

    Returns:
        0.

    Raises:
        ConfigError: The job would be refused; with every reason.
    """
    refusals = find_refusals(config, job)
    runs = {"": config}
    if job in ("study", "claims") and config.variants:
        runs = config.runs()
    said: set[str] = set()
    for name, run in runs.items():
        if name:
            tell(f"variant {name}")
        try:
            plan = plan_run(run)
        except GlacierError as error:
            refusals += [] if any(str(error) in known for known in refusals) else [str(error)]
            continue
        lines = [line for stage in STAGES[job] for line in stage(plan)]
        for line in lines:  # variants mostly share their archive
            if line not in said:
                tell(line)
        said.update(lines)
    if refusals:
        tell(f"this would be refused for {len(refusals)} reason(s)")
        raise ConfigError("\n".join(refusals))
    tell("nothing was fetched; the same command without --dry-run does it")
    return 0


def tell(line: str) -> None:
    """Say a line of a dry run."""
    say(f"dry run: {line}")


def plan_ingest(plan: RunPlan) -> Iterator[str]:
    """What would be fetched."""
    for line in describe_ingest(plan.regions, plan.source):
        yield f"ingest: {line}"


def plan_places(plan: RunPlan) -> Iterator[str]:
    """Where the regions lie."""
    for line in describe_regions(plan.regions, describe_frame):
        yield f"place: {line}"


def plan_prepare(plan: RunPlan) -> Iterator[str]:
    """Which samples would be made."""
    if is_prepared(plan.config):
        yield "prepare: complete"
        return
    settings, months = plan.config.prepare, sum(region.usable for region in plan.regions)
    samples = sum(region.usable * plan.windows(region) for region in plan.regions)
    yield (
        f"prepare: up to {samples} samples of {settings.size_px} x {settings.size_px} px in "
        f"{len(settings.image)} band(s) from {months} months, labels by {settings.label.kind}; up "
        f"to {show_gb(plan.samples_gb)}"
    )


def describe_gpus(sweep: Sweep) -> str:
    """What a trial has of a GPU."""
    if sweep.gpus_per_trial == "auto":
        return "1 GPU a pack of trials, as many as it trains faster together"
    return f"{sweep.gpus_per_trial:g} GPU a trial"


def plan_sweep(plan: RunPlan) -> Iterator[str]:
    """What would be trained."""
    if is_swept(plan.config):
        yield "sweep: complete"
        return
    sweep = plan.config.sweep
    yield (
        f"sweep: {plan.trials} trials ({', '.join(sweep.encoders)}; {sweep.folds.count} folds "
        f"{sweep.folds.kind}) of up to {sweep.epochs} epochs; {sweep.cpus_per_trial} core(s) and "
        f"{describe_gpus(sweep)}"
    )
    yield (
        f"sweep: models, checkpoints and predictions of about {show_gb(plan.sweep_gb)}; the month "
        f"images take up to {show_gb(plan.images_gb)} of temporary files on each node"
        f"{compare_disk(tempfile.gettempdir(), plan.images_gb)}"
    )
    if (own_gb := Room.of(plan.config).memory_gb) >= SAID_GB:
        yield f"sweep: a step takes {show_gb(own_gb)} of memory at the least, in each trial at once"


def plan_report(plan: RunPlan) -> Iterator[str]:
    """Where the report would lie."""
    place = store.results_folder(plan.config)
    yield f"report: in {place}, up to {show_gb(REPORT_GB)}{compare_disk(place, REPORT_GB)}"


def plan_predict(plan: RunPlan) -> Iterator[str]:
    """What would be mapped."""
    settings, months = plan.config.predict, sum(region.usable for region in plan.regions)
    what = f"up to {months} months of the archive"
    if settings.images is not None:
        count = len(find_images(settings.images))
        what = f"{count} image{'s' if count > 1 else ''} of {settings.images}"
    yield (
        f"predict: probability and class of {what}; {settings.cpus_per_worker} core(s) and "
        f"{settings.gpus_per_worker:g} GPU a worker"
    )


def plan_series(plan: RunPlan) -> Iterator[str]:
    """Where outlines, areas and pages would lie."""
    place = store.results_folder(plan.config)
    yield f"series: outlines, area.csv and a page a region, in {place}"


def plan_monitor(plan: RunPlan) -> Iterator[str]:
    """What would be judged, and where it would be said."""
    settings, place = plan.config.monitor, store.results_folder(plan.config)
    span = settings.reference or plan.config.months
    yield (
        f"monitor: every mapped month beside its season in {span.first} to {span.last}; at most "
        f"{settings.false_alarms:.0%} false alarms; monitor.csv and monitor.html in {place}"
    )


def plan_latest(plan: RunPlan) -> Iterator[str]:
    """Which months would be looked for."""
    span = span_added(plan.config, read_added(plan.config))
    if span is None:
        yield f"latest: no month lies after {plan.config.months.last} and is asked for"
        return
    yield f"latest: months from {span.months.first} to {span.months.last} would be looked for"
    later = plan_run(span)
    for line in describe_ingest(later.regions, later.source):
        yield f"latest: {line}"
    yield from plan_network(fetches=True, measures=True)(later)


def plan_learn(plan: RunPlan) -> Iterator[str]:
    """What would be learned anew, and for which registry."""
    config = plan.config
    ledger = open_ledger(config)
    registry = ledger.find()
    if registry is None:
        which = config.learn.serving or "the run's own sweep"
        yield f"learn: registry {ledger.name} is new; {which} would be the first that serves"
        return
    learn = config.learn
    yield (
        f"learn: {learn.strategy} from version {registry.serving.id} of registry {ledger.name}: "
        f"{plan.trials} trials of up to {learn.epochs or config.sweep.epochs} epochs, if anything "
        "is new"
    )
    who = "a person decides" if learn.needs_approval else "the gate alone decides"
    yield f"learn: of candidates, {who}; at most {learn.gate.level:g} of equals are refused"


def plan_explain(plan: RunPlan) -> Iterator[str]:
    """Which map would be explained, and how."""
    settings, place = plan.config.explain, "the whole map"
    if settings.point is not None:
        place = f"{settings.side_m:g} m around longitude and latitude {settings.point}"
    yield (
        f"explain: {settings.region or plan.config.regions[0].name}, "
        f"{settings.month or 'the month of which most was seen'}, {place}: "
        f"{', '.join(settings.methods)}; up to about {settings.at_most_s:g} s"
    )


def plan_continual(plan: RunPlan) -> Iterator[str]:
    """What would be learned task after task."""
    settings = plan.config.continual
    names = choose_strategies(settings.strategies)
    budgets = len(settings.budgets_percent)
    methods = sum(budgets if STRATEGIES[name].uses_budget else 1 for name in names)
    choices = len(settings.learning_rates) * sum(len(STRATEGIES[n].strengths) for n in names)
    yield (
        f"continual: {len(names)} strategies, {settings.orders} order(s) and {settings.seeds} "
        f"seed(s) of a stream of {settings.stream}: {methods * settings.orders * settings.seeds} "
        f"trials, and up to {choices} that choose learning rates; {settings.steps_per_task} "
        f"batches a task, {settings.cpus_per_trial} core(s) a trial"
    )


def plan_export(plan: RunPlan) -> Iterator[str]:
    """Which models would be exported."""
    settings, sweep = plan.config.export, plan.config.sweep
    folds = sweep.folds.count if settings.folds is None else len(settings.folds)
    yield (
        f"export: models of up to {folds} folds of {settings.encoder}, as ONNX"
        f"{', as ONNX computed in 8 bits' * settings.int8}, as ONNX for images of 8 bits, and as "
        "PyTorch's .pt2"
    )


def plan_serve(plan: RunPlan) -> Iterator[str]:
    """Where a service would listen, and who could ask."""
    settings = plan.config.serve
    who = "everybody there may read and run"
    if settings.tokens is not None:
        who = "who has a token may do what its role allows"
    yield (
        f"serve: at {settings.host} port {settings.port}, by {settings.on}; {who}; "
        f"{settings.workers} worker(s) of {settings.cpus_per_worker} core(s) and "
        f"{settings.gpus_per_worker:g} GPU"
    )


def plan_network(fetches: bool = False, trains: bool = False, measures: bool = False) -> Tell:
    """Which addresses would be asked: those of the configuration, never one that a file holds.

    Args:
        fetches: Whether months are fetched from the source.
        trains: Whether encoders are.
        measures: Whether a series is made.
    """

    def tell_addresses(plan: RunPlan) -> Iterator[str]:
        """The one line of it."""
        config, label = plan.config, plan.config.prepare.label
        pending = fetches and any(region.pending for region in plan.regions)
        asked = plan.source.addresses() if pending else []
        places = [config.storage, config.results, *(file for _, file in label.list_files())]
        places += label.masks.values()
        places += config.series.named_files.values() if measures else []
        asked += [place for place in places if place and "://" in place]
        weights = {config.sweep.weights_of(encoder) for encoder in config.sweep.encoders}
        if trains and "imagenet" in weights and not is_swept(config):
            asked.append(PRETRAINED)
        said = ", ".join(dict.fromkeys(asked))
        yield f"network: {said} would be asked, and no other" if said else "network: not asked"

    return tell_addresses


def plan_disk(trains: bool = True) -> Tell:
    """The disk that the stages would take, against what is free.

    Args:
        trains: Whether the models of a sweep are among what is written.
    """

    def tell_disk(plan: RunPlan) -> Iterator[str]:
        """The one line of it."""
        need = plan.archive_gb
        need += 0.0 if is_prepared(plan.config) else plan.samples_gb
        need += 0.0 if not trains or is_swept(plan.config) else plan.sweep_gb
        storage = store.absolute(plan.config.storage)
        yield f"storage: up to {show_gb(need)} in {storage}{compare_disk(storage, need)}"

    return tell_disk


def compare_disk(address: str, need_gb: float) -> str:
    """What is free where so much would be written; nothing where a store does not tell."""
    if "://" in address:
        return ""
    free = store.measure_free(address) / 1e9
    short = "; this may not be enough" if need_gb > free else ""
    return f", where {show_gb(free)} are free{short}"


DISK = plan_disk()
EVERYTHING = plan_network(fetches=True, trains=True)
WHOLE_PIPELINE = plan_network(fetches=True, trains=True, measures=True)
STAGES: dict[str, tuple[Tell, ...]] = {
    "ingest": (plan_ingest, plan_network(fetches=True), DISK),
    "prepare": (plan_places, plan_prepare, plan_network(), DISK),
    "sweep": (plan_places, plan_sweep, plan_network(trains=True), DISK),
    "report": (plan_places, plan_report, plan_network()),
    "predict": (plan_places, plan_predict, plan_network()),
    "series": (plan_places, plan_series, plan_network(measures=True)),
    "latest": (plan_latest, plan_series),
    "monitor": (plan_monitor, plan_network()),
    "learn": (plan_learn, plan_network()),
    "explain": (plan_explain, plan_network()),
    "export": (plan_export, plan_network()),
    "pipeline": (
        plan_ingest, plan_prepare, plan_sweep, plan_report, plan_predict, plan_series,
        WHOLE_PIPELINE, DISK,
    ),
    "serve": (plan_serve, plan_network()),
    "study": (plan_ingest, plan_prepare, plan_sweep, EVERYTHING, DISK),
    "continual": (
        plan_ingest, plan_prepare, plan_continual, plan_network(fetches=True),
        plan_disk(trains=False),
    ),
    "claims": (plan_ingest, plan_prepare, plan_sweep, EVERYTHING, DISK),
}  # fmt: skip
"""Verb to what is said of it."""
