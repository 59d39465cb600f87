"""What tells one run from another: the values that count, and their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

from glacier.settings.model import RUNTIME_ONLY, WHEN_SET


def digest(value: Any) -> str:
    """Hash of anything that JSON can hold: 64 hexadecimal digits, the same on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(value: Any, without: Collection[str] = (RUNTIME_ONLY,)) -> Any:
    """What a configuration, or a part of it, computes, as JSON values.

    A field that does nothing as it comes (``WHEN_SET``) is left out until it is set.

    Args:
        value: A model, or anything that a field of one holds.
        without: Marks of the fields that are left out.
    """
    if isinstance(value, BaseModel):
        return {
            name: identity(getattr(value, name), without)
            for name, field in type(value).model_fields.items()
            if not any(mark in field.metadata for mark in without)
            and not (WHEN_SET in field.metadata and getattr(value, name) == field.default)
        }
    if isinstance(value, dict):
        return {name: identity(inner, without) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [identity(inner, without) for inner in value]
    return value
