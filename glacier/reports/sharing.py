"""What a page that is passed on says of a run: no account, no key, no place on a machine.

Fields marked ``PRIVATE`` are left out where somebody set them, and with them all that is
``RUNTIME_ONLY``. A path that starts at a root, a home folder or a store is shown by its last part;
one that starts with a variable or in the working folder stays as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue

from glacier.config import Config
from glacier.settings.model import PRIVATE, RUNTIME_ONLY, Model

Shared = TypeVar("Shared", bound=Model)

ROOTED = r"(?:[A-Za-z][A-Za-z0-9+.-]*://|~[\w.-]*/|/|[A-Za-z]:[\\/]|\\\\)"
"""How an address starts that says where on a machine or a network something lies."""

IN_TEXT = re.compile(
    rf"""(['"])({ROOTED}[^'"]*)\1|(?<![\w.$}}/<])({ROOTED}[^\s'"<>|,;()\[\]]*[\w/\\])"""
)
"""An address within a sentence, in quotes or bare."""

HIDDEN = "(hidden)"
"""Stands where a private word stood in a sentence."""

MIN_SECRET = 3
"""Shorter private values are no names that a sentence could give away."""


def share_config(config: Config) -> dict[str, Any]:
    """A configuration as JSON values, without what concerns nobody else."""
    return {name: share_value(value) for name, value in list_public(config)}


def share_value(value: Any) -> Any:
    """A value of a configuration without what is private in it."""
    if isinstance(value, BaseModel):
        return {name: share_value(inner) for name, inner in list_public(value)}
    if isinstance(value, dict):
        return {name: share_value(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [share_value(inner) for inner in value]
    return shorten_address(value) if isinstance(value, str) else value


def share_changes(changes: Mapping[str, JsonValue], config: Config) -> dict[str, JsonValue]:
    """Dotted settings and their values without what is private in them.

    Args:
        changes: What a variant changes.
        config: A configuration with these settings.
    """
    return {name: share_setting(config, name, value) for name, value in changes.items()}


def share_setting(part: BaseModel, setting: str, value: Any) -> Any:
    """A value of one dotted setting of a part of a configuration, or ``HIDDEN``."""
    name, _, below = setting.partition(".")
    field, found = type(part).model_fields.get(name), getattr(part, name, None)
    if field and PRIVATE in field.metadata:
        return value if value == field.default else HIDDEN
    if below and isinstance(found, BaseModel):
        return share_setting(found, below, value)
    if isinstance(value, dict) and isinstance(found, BaseModel):
        return {inner: share_setting(found, inner, some) for inner, some in value.items()}
    return share_value(value)


def list_public(value: BaseModel) -> Iterator[tuple[str, Any]]:
    """Fields of a model that may be passed on; a default gives nobody away."""
    for name, field in type(value).model_fields.items():
        found = getattr(value, name)
        if RUNTIME_ONLY in field.metadata or (PRIVATE in field.metadata and found != field.default):
            continue
        is_default = PRIVATE in field.metadata  # another value was left out above
        yield name, PublicText(found) if is_default and isinstance(found, str) else found


class PublicText(str):
    """A text that stays whole, since it is the default that everybody has."""


def share_part(part: Shared) -> Shared:
    """A part of a configuration whose addresses are shown by their last part."""
    texts = {name: value for name, value in part if isinstance(value, str)}
    return part.model_copy(update={name: shorten_address(text) for name, text in texts.items()})


def shorten_address(text: str) -> str:
    """A rooted address by its last part, without what follows ``?`` or ``#``; else the text."""
    if isinstance(text, PublicText):
        return str(text)
    if not re.match(ROOTED, text):
        return text
    bare = re.split("[?#]", text)[0] if "://" in text else text
    inside = re.sub(rf"^{ROOTED}", "", bare)
    parts = [part for part in re.split(r"[\\/]", inside) if part]
    return f"…/{parts[-1]}" if len(parts) > 1 else "…"


def share_text(text: str, *configs: Config) -> str:
    """A sentence without addresses, accounts and whatever else configurations mark private."""
    secrets = {secret for config in configs for secret in list_private(config)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return IN_TEXT.sub(lambda match: shorten_address(match[2] or match[3]), text)


def list_private(value: BaseModel) -> Iterator[str]:
    """Private texts of a configuration that somebody set, but for addresses."""
    for name, field in type(value).model_fields.items():
        found = getattr(value, name)
        if isinstance(found, BaseModel):
            yield from list_private(found)
        elif isinstance(found, str) and PRIVATE in field.metadata and found != field.default:
            if len(found) >= MIN_SECRET and not re.match(ROOTED, found):
                yield found
