"""The reference page of the configuration, from the models themselves: never stale."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from glacier.config import Config
from glacier.settings.regions import RegionFile

BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
"""Names of pydantic's bounds to words."""

INTRODUCTION = """# Configuration

A run is one YAML file. This page lists every field, with what is allowed and its default; it is
made from the code at every build.

Any field can be set on the command line by its dotted name, which wins over the file:

    glacier sweep jobs/demo.yaml --sweep.epochs 20 --sweep.encoders resnet18,resnet34

A value that cannot be used is answered with the field, the value, what is allowed and the nearest
spelling, before any work is done. Environment variables are read only where a path names one
(`$GLACIER_REAL_DATA/everest_l7_rgi`).
"""


def describe_configuration() -> str:
    """Markdown of all fields: a section a model, in the order of the tree."""
    return "\n".join([INTRODUCTION, *describe_model(Config, "")])


def describe_model(model: type[BaseModel], path: str) -> Iterator[str]:
    """The section of a model, then those of the models within it.

    Args:
        model: A part of the configuration.
        path: Its dotted name; empty for the whole.
    """
    depth = path.count(".") + 2 if path else 2
    title = f"`{path}` {{ #{anchor_of(path)} }}" if path else "The run"
    yield f"\n{'#' * min(depth, 4)} {title}\n"
    yield f"{prose(model.__doc__ or '')}\n"
    yield "| field | allowed | default | meaning |\n|---|---|---|---|"
    within = []
    for name, field in model.model_fields.items():
        whole = f"{path}.{name}" if path else name
        link = f"[see below](#{anchor_of(whole)})"
        cells = (
            f"`{name}`",
            allowed(field.annotation, field).replace("see below", link),
            default_of(field),
            prose(field.description or ""),
        )
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"
        within += [(inner, whole) for inner in models_in(field.annotation)]
    for inner, whole in within:
        yield from describe_model(inner, whole)
    if model is Config:
        yield from describe_model(RegionFile, "regions (glaciers of a vector file)")


def anchor_of(path: str) -> str:
    """Where the section of a model stands in the page."""
    return "-".join(path.replace("(", "").replace(")", "").replace(".", "-").split())


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models that an annotation names, at whatever depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def allowed(annotation: Any, field: FieldInfo | None = None) -> str:
    """What a field takes, in words."""
    limits = list(field.metadata) if field else []
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return with_limits(allowed(inner[0]), list(inner[1:]))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        kinds = [allowed(kind) for kind in inner if kind is not type(None)]
        words = " or ".join(dict.fromkeys(kinds))
        return with_limits(words, limits) + (" or none" if type(None) in inner else "")
    if origin is tuple:
        kinds = [allowed(kind) for kind in inner if kind is not Ellipsis]
        words = f"list of: {kinds[0]}" if Ellipsis in inner else f"{len(kinds)} × {kinds[0]}"
        return with_limits(words, limits)
    if origin is dict:
        return "names and values"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "see below"
    names = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}
    return with_limits(names.get(annotation, "value"), limits)


def with_limits(words: str, limits: list[Any]) -> str:
    """Words with the range that the limits leave."""
    said = []
    for limit in limits:
        found = {**vars(limit)} if hasattr(limit, "__dict__") else {}
        for name in (*BOUNDS, "multiple_of", "pattern"):
            value = getattr(limit, name, found.get(name))
            if value is None:
                continue
            if name == "pattern":
                said.append(f"like `{value}`")
            elif name == "multiple_of":
                said.append(f"a multiple of {value}")
            else:
                said.append(
                    f"{BOUNDS[name]} {value:g}" if value < 1e6 else f"{BOUNDS[name]} {value}"
                )
    return ", ".join([words, *said])


def default_of(field: FieldInfo) -> str:
    """The default, as YAML has it."""
    if field.default is PydanticUndefined:
        return "needed" if field.default_factory is None else "empty"
    if isinstance(field.default, BaseModel):
        return "its own"
    if field.default is None:
        return "none"
    value = field.default
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def prose(text: str) -> str:
    """A docstring as Markdown in one line a paragraph."""
    text = re.sub(r"``(.+?)``", r"`\1`", text)
    return " ".join(text.split())
