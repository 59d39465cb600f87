"""``glacier registry show|promote|rollback NAME``: versions, decisions, and what serves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError

from glacier import store
from glacier.errors import ConfigError, Occupied
from glacier.progress import say
from glacier.registry.ledger import Ledger
from glacier.registry.records import Entry, Registry, Version
from glacier.settings.values import Name

ABOUT = """Show a registry of models, and change which of them serves.

  glacier registry show NAME                    every version, its numbers, every decision
  glacier registry promote NAME --approve WHO   let the version serve that waits for a person
  glacier registry rollback NAME --approve WHO  let the version serve again that served before

Exit codes: 0 it was done, 1 another process is writing, 2 it cannot be done."""


def run_registry(argv: Sequence[str]) -> int:
    """Answer the arguments of the verb; returns its exit code.

    Raises:
        GlacierError: There is no such registry, or it cannot be changed so.
    """
    options = parse_options(argv)
    ledger = open_named(options.storage, options.name)
    if options.action == "show":
        registry = ledger.read()
        for line in describe_registry(registry):
            say(line)
        return 0
    if not (options.approve or "").strip():
        raise ConfigError(f"{options.action} needs --approve NAME: who decides it is recorded")
    try:
        if options.action == "promote":
            registry = ledger.approve(options.approve.strip())
        else:
            registry = ledger.roll_back(options.approve.strip(), options.to)
    except Occupied as occupied:
        say(str(occupied))
        return 1
    say(f"registry: version {registry.serving.id} of {registry.name} serves, "
        f"{registry.serving.model}")  # fmt: skip
    return 0


def parse_options(argv: Sequence[str]) -> argparse.Namespace:
    """Options of the verb: ``action``, ``name``, ``storage``, ``approve``, ``to``."""
    parser = argparse.ArgumentParser(
        "glacier registry", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("show", "promote", "rollback"), help="what is done")
    parser.add_argument("name", metavar="NAME", help="of the registry: that of the run")
    parser.add_argument("--storage", default="./data", help="folder or s3:// address")
    parser.add_argument("--approve", metavar="WHO", help="who decides; recorded with the time")
    parser.add_argument("--to", type=int, metavar="VERSION", help="to roll back to")
    return parser.parse_args(argv)


def open_named(storage: str, name: str) -> Ledger:
    """The registry that the arguments name.

    Raises:
        ConfigError: One of them can be no name and no place.
    """
    try:
        address, checked = store.absolute(storage), TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ConfigError(
            f"{name!r:.80} is no name of a registry: wanted small letters, digits, _ and -"
        ) from error
    except ValueError as error:
        raise ConfigError(f"--storage {storage}: {error}") from error
    return Ledger(address, checked, "leave")


def describe_registry(registry: Registry) -> Iterator[str]:
    """All of it in lines."""
    yield f"registry {registry.name}: version {registry.serving.id} serves"
    for version in registry.versions:
        yield from describe_version(version)
    yield "decisions:"
    yield from map(describe_entry, registry.history)


def describe_version(version: Version) -> Iterator[str]:
    """A version in lines: where it lies, what it learned from, what the gate measured."""
    data = version.data
    yield f"version {version.id}: {version.model}, {', '.join(version.encoders)}"
    fresh = f", {len(data.fresh)} of them new" if data.fresh else ""
    how = f"{version.strategy} from version {version.follows}" if version.follows else "anew"
    yield f"  learned {how}: {data.images} images{fresh}, {data.first} to {data.last}"
    for part in version.judgement.parts if version.judgement else ():
        allowed = "unknown" if part.allowed is None else f"{part.allowed:.4f}"
        yield (
            f"  {part.title}: {part.measure} {part.serving:.4f} -> {part.candidate:.4f}, "
            f"allowed to fall by {allowed}: {part.outcome}"
        )


def describe_entry(entry: Entry) -> str:
    """A decision in a line."""
    return (
        f"  {entry.at:%Y-%m-%d %H:%M} version {entry.version} {entry.kind}, by {entry.by}: "
        f"{entry.why}; version {entry.serving} serves"
    )
