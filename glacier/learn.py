"""What is new, and the model that serves -> a candidate, which the gate lets serve or not.

The candidate goes on from the weights that serve, fold by fold; what a fold tests it never trains.
Both are then tested on the frozen test parts, the gate decides, and the registry keeps the
decision with its numbers. A candidate that is refused is a result, not a failure: the exit code
is 0, and what served goes on.

Whoever learns holds the registry's own folder. A second one leaves.
"""

from __future__ import annotations

from datetime import UTC, datetime

from glacier import store
from glacier.cluster import connect
from glacier.config import Config
from glacier.locks import hold
from glacier.machine import Room
from glacier.mapping.assignment import choose_encoders
from glacier.progress import Progress, say
from glacier.registry.cells import Cells
from glacier.registry.gate import judge
from glacier.registry.ledger import Ledger
from glacier.registry.records import Registry, Version
from glacier.training.candidate import (
    compare_models,
    list_frozen,
    measure_new,
    train_candidate,
)
from glacier.training.continued import ContinuedPlan, describe_data, describe_set, plan_continued
from glacier.training.saved import SavedSweep, find_sweep, open_sweep, open_version


def run_learn(config: Config) -> int:
    """Train a candidate where there is something new, and let the gate decide.

    Returns:
        0, whatever was decided.

    Raises:
        ConfigError: The run's samples do not go with the serving model.
        Occupied: Another process learns for this registry, and this one leaves it to it.
        StoreError: The samples or the serving model are not there.
        SweepError: A trial failed.
    """
    config = config.model_copy(update={"when_locked": "leave"})
    ledger = open_ledger(config)
    with hold(config, ledger.learners):
        registry = ledger.find()
        if registry is None:
            begin_registry(config, ledger)
        else:
            learn_on(config, ledger, registry)
    return 0


def open_ledger(config: Config) -> Ledger:
    """The registry of a run; writing to it waits for other writers, who are soon done."""
    return Ledger(store.absolute(config.storage), config.learn.registry or config.name)


def begin_registry(config: Config, ledger: Ledger) -> None:
    """Let the run's own sweep, or the one that is named, be the first that serves."""
    named = config.learn.serving
    sweep = find_sweep(config) if named is None else open_sweep(store.absolute(named))
    encoders, _ = choose_encoders(sweep.result, config.predict)
    version = Version(
        id=1,
        made=datetime.now(UTC),
        model=ledger.name_model(sweep.places.sweep),
        sha256=sweep.sha256,
        encoders=encoders,
        data=describe_set(sweep.places.samples, sweep.samples),
    )
    ledger.begin(version, "nothing served before")
    say(f"learn: registry {ledger.name} is new; version 1 serves, {version.model}")


def learn_on(config: Config, ledger: Ledger, registry: Registry) -> None:
    """Go on from what serves, unless nothing is new or it was done before."""
    serving = open_version(ledger, registry.serving)
    continued = plan_continued(config, serving)
    if not continued.fresh:
        say(f"learn: nothing is new since version {registry.serving.id}, which serves")
        return
    model = ledger.name_model(continued.plan.places.sweep)
    if done := [version for version in registry.versions if version.model == model]:
        say(f"learn: {describe_decision(registry, done[-1].id)}")
        tell_rest(registry, done[-1])
        return
    say(
        f"learn: {len(continued.fresh)} images are new to version {registry.serving.id}; "
        f"{config.learn.strategy} from its weights"
    )
    room = Room.of(continued.plan.config)
    with connect(config.cluster, room, config.storage):
        candidate = train_candidate(continued)
        version = judge_candidate(continued, candidate, ledger, registry.serving)
        with Progress("learn", 1) as progress:  # the log of the job has the decision, too
            registry = ledger.record(version)
            progress.advance(describe_decision(registry, registry.versions[-1].id))
    tell_rest(registry, registry.versions[-1])


def judge_candidate(
    continued: ContinuedPlan, candidate: SavedSweep, ledger: Ledger, serving: Version
) -> Version:
    """The candidate with what the gate says of it.

    Args:
        continued: What it was trained by.
        candidate: The finished candidate.
        ledger: The registry that it is for.
        serving: The version that it went on from.
    """
    config = continued.plan.config
    encoders, _ = choose_encoders(candidate.result, config.predict)
    cells = compare_models(list_frozen(continued, candidate, serving.encoders, encoders))
    frozen = Cells.of(cell for cell in cells if cell.is_frozen)
    learn = config.learn
    return Version(
        id=serving.id + 1,  # until it is recorded
        made=datetime.now(UTC),
        model=ledger.name_model(candidate.places.sweep),
        sha256=candidate.sha256,
        encoders=encoders,
        follows=serving.id,
        strategy=learn.strategy,
        data=describe_data(continued),
        judgement=judge(frozen, learn.gate, learn.needs_approval),
        new_ground=measure_new(cells),
    )


def describe_decision(registry: Registry, number: int) -> str:
    """What became of a version, in a sentence."""
    entry = registry.last_entry(number)
    said = {"waits": "waits for a person"}.get(entry.kind, entry.kind)
    return f"version {number} {said}: {entry.why}"


def tell_rest(registry: Registry, version: Version) -> None:
    """Say what a candidate scores on new ground, and what serves."""
    if new := version.new_ground:
        say(
            f"learn: on test ground that is new to both, IoU {new.candidate_iou:.3f}; what it "
            f"followed has {new.serving_iou:.3f}"
        )
    say(f"learn: version {registry.serving.id} of registry {registry.name} serves")
