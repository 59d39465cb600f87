"""The fields of the configuration in plain words: what may be given, and what is if nothing is."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from glacier.config import Config
from glacier.settings.paths import check_path
from glacier.wording import join_words

WIDTH = 100
MOST_LINES = 118
"""Of the help of one verb; where two lines a field are more, the last ones have one each."""

HEAD_LINES = 20
"""What stands around the fields, at most."""

INDENT = " " * 6

PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false"}
PATTERNS = {"^[12]": "month YYYY-MM", "^[a-z0-9]": "name of a-z, 0-9, _ and -", "^http": "address"}
"""Start of the pattern that a text must have, in words."""


@dataclass(frozen=True)
class FieldHelp:
    """A field as its help shows it."""

    name: str
    """Dotted."""
    allowed: str
    """What may be given."""
    default: str
    about: str
    """Its docstring on one line."""


def list_fields(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[FieldHelp]:
    """Every field that holds a value of its own, in the order of the models."""
    for name, field in model.model_fields.items():
        inner = find_model(field.annotation)
        if inner is not None:
            yield from list_fields(inner, f"{prefix}{name}.")
            continue
        about = " ".join((field.description or "").replace("``", "").split())
        allowed = describe_type(field.annotation, field.metadata)
        yield FieldHelp(prefix + name, allowed, describe_default(field), about)


def find_model(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, or may hold; None where it holds a value, or a list."""
    alone = get_origin(annotation) is None or is_union(annotation)
    return next(list_models(annotation), None) if alone else None


def list_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field holds, may hold, or holds a list of."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind


def is_union(annotation: Any) -> bool:
    """Whether an annotation allows several types."""
    return get_origin(annotation) in (Union, UnionType)


def describe_type(annotation: Any, metadata: Collection[Any] = ()) -> str:
    """What an annotation allows, such as ``whole number, at least 1``."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return describe_type(arguments[0], [*arguments[1:], *metadata])
    if is_union(annotation):
        kinds = [describe_type(kind, metadata) for kind in arguments if kind is not NoneType]
        return join_words(kinds + ["none"] * (NoneType in arguments), "or")
    if get_origin(annotation) is Literal:
        values = [str(value) for value in arguments]
        return f"one of {', '.join(values)}" if len(values) > 1 else values[0]
    if get_origin(annotation) is tuple:
        inner = describe_type(arguments[0])
        return f"list of: {inner}" if arguments[-1] is Ellipsis else f"{len(arguments)} of: {inner}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"{annotation.__name__.lower()}, in the file"
    if getattr(annotation, "__metadata__", None) is None and annotation not in PLAIN:
        return "names and values, in the file"
    return describe_range(PLAIN[annotation], metadata)


def describe_range(kind: str, metadata: Collection[Any]) -> str:
    """A plain type with its bounds, or what kind of text it is."""
    bounds: dict[str, Any] = {}
    for mark in metadata:
        for part in (*getattr(mark, "metadata", ()), mark):
            for name in ("ge", "gt", "le", "lt", "multiple_of", "pattern", "func"):
                if getattr(part, name, None) is not None:
                    bounds[name] = getattr(part, name)
    if bounds.get("func") is check_path:
        return "path"
    if pattern := bounds.get("pattern"):
        return next((word for start, word in PATTERNS.items() if pattern.startswith(start)), kind)
    low = bounds.get("ge", bounds.get("gt"))
    high = bounds.get("le", bounds.get("lt"))
    above, below = ("above " * ("gt" in bounds)), ("below " * ("lt" in bounds))
    words = kind
    if low is not None and high is not None:
        words += f", {above}{low:g} to {below}{high:.10g}"
    elif low is not None:
        words += f", {above or 'at least '}{low:g}"
    elif high is not None:
        words += f", {below or 'at most '}{high:g}"
    return words + (f", multiple of {bounds['multiple_of']}" if "multiple_of" in bounds else "")


def describe_default(field: FieldInfo) -> str:
    """What a field is where nothing is given."""
    return (
        "needed"
        if field.is_required()
        else show_value(field.get_default(call_default_factory=True))
    )


def show_value(value: Any) -> str:
    """A value as it is typed."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ",".join(map(show_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value) if value != {} else "none"


def describe_fields(sections: Collection[str] | None = None) -> str:
    """The help of the fields.

    Args:
        sections: How the names of the wanted ones begin; None: all, with all that is said of them.
    """
    fields = list(list_fields())
    if sections is None:
        return "\n".join(line for field in fields for line in show_whole(field))
    chosen = [field for start in sections for field in fields if field.name.startswith(start)]
    long = max(0, MOST_LINES - HEAD_LINES - len(chosen))
    shown = [*map(show_two, chosen[:long]), *map(show_one, chosen[long:])]
    lines = [line for field in shown for line in field]
    rest = len(fields) - len(chosen)
    more = (
        f"{rest} more fields, and all that is said of each" if rest else "All that is said of each"
    )
    return "\n".join([*lines, "", f"{more}: --help all"])


def head(field: FieldHelp) -> str:
    """Name, what may be given, and the default."""
    return f"  --{field.name}  {field.allowed} [{field.default}]"


def show_whole(field: FieldHelp) -> list[str]:
    """A field with all that is said of it."""
    first = textwrap.wrap(head(field), WIDTH, initial_indent="", subsequent_indent=INDENT)
    return [
        *first,
        *textwrap.wrap(field.about, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT),
    ]


def show_two(field: FieldHelp) -> list[str]:
    """A field in two lines."""
    about = textwrap.shorten(field.about, WIDTH - len(INDENT), placeholder=" ...")
    return [shorten(head(field)), INDENT + about]


def show_one(field: FieldHelp) -> list[str]:
    """A field in one line."""
    line = head(field)
    return [shorten(f"{line}  {field.about}" if len(line) < WIDTH - 20 else line)]


def shorten(line: str) -> str:
    """A line that fits; its start stays as it is."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 4].rstrip()} ..."
