"""What is wrong with the values of a configuration, a line for every field."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from glacier.config import Config
from glacier.field_help import list_models
from glacier.wording import nearest

TYPE_NAME = re.compile(r"(constrained-)?(str|int|float|bool|date|datetime)|.*\[.*\]")
"""What Pydantic puts behind the name of a field that may be of several types: one of them."""

RENAMED = {
    "arms": "variants",
    "sweep.average_turns": "sweep.test_time_augmentation",
    "sweep.forest": "sweep.random_forest",
    "prepare.label.pedigree": "prepare.label.provenance",
    "ingest.stac.tiers": "ingest.tiers",
}
"""Fields that had another name once."""


def correct_field(name: str, known: Sequence[str]) -> str:
    """What to say after a field that there is not: its new name, or what is near to it."""
    for old, new in RENAMED.items():
        if name == old or name.startswith(f"{old}."):
            return f"; it is called {new}{name.removeprefix(old)} now"
    return nearest(name, known)


@dataclass(frozen=True)
class Fault:
    """One fault of one value, as one of the types that its field may have."""

    where: str
    """Dotted name of the field, or of what is within it."""
    field: str
    """The name as far as there is one type alone."""
    given: str
    message: str


def describe(error: ValidationError, path: str, model: type[BaseModel] = Config) -> Iterator[str]:
    """One line for every fault: field, value, what is allowed, nearest spelling."""
    fields: dict[str, list[Fault]] = {}
    for details in error.errors():
        fault = read_fault(details, model)
        fields.setdefault(fault.field, []).append(fault)
    for faults in fields.values():
        yield from (f"{path}: {line}" for line in join_types(faults))


def join_types(faults: Sequence[Fault]) -> list[str]:
    """The faults of a field that may be of several types, of the one that it comes nearest to.

    That is the one whose fault lies deepest within the value. Where none has any within it, what
    each of them wants is said together.
    """
    deepest = max(fault.where.count(".") for fault in faults)
    nearest_ones = [fault for fault in faults if fault.where.count(".") == deepest]
    places: dict[tuple[str, str], list[str]] = {}
    for fault in nearest_ones:
        places.setdefault((fault.where, fault.given), []).append(fault.message)
    return [
        ": ".join(part for part in (where + given, "; or ".join(messages)) if part)
        for (where, given), messages in places.items()
    ]


def read_fault(details: ErrorDetails, model: type[BaseModel]) -> Fault:
    """What is wrong with a value, in our words."""
    parts = [str(part) for part in details["loc"]]
    types = [at for at, part in enumerate(parts) if TYPE_NAME.fullmatch(part)]
    where = ".".join(part for at, part in enumerate(parts) if at not in types)
    field = ".".join(parts[: types[0]] if types else parts)
    given = textwrap.shorten(repr(details["input"]), 80, placeholder="...")
    kind, message = details["type"], details["msg"]
    if kind == "value_error":  # ours: it names field and value itself
        return Fault(where, field, "", message.removeprefix("Value error, "))
    if kind == "extra_forbidden":
        message = f"no such field{correct_field(where, siblings_of(details['loc'], model))}"
    elif kind == "missing":
        given, message = "nothing", "this field is needed"
    elif kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        message = f"allowed are {', '.join(allowed)}{nearest(given, allowed)}"
    return Fault(where, field, f" = {given}", f"{message[0].lower()}{message[1:]}")


def siblings_of(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Dotted names of the fields that could stand at a location below a model."""
    for part in loc[:-1]:
        if part in model.model_fields:
            model = next(list_models(model.model_fields[str(part)].annotation), model)
    prefix = "".join(f"{part}." for part in loc[:-1])
    return [prefix + name for name in model.model_fields]
