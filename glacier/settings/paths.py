"""Paths as a configuration holds them, with environment variables named and not yet put in."""

from __future__ import annotations

import os
import re
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from glacier.settings.model import STORED

VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")
"""A doubled dollar, or a variable's name with braces or without."""


def expand_path(value: str) -> str:
    """Put environment variables into a path; ``$$`` stands for a dollar that is meant as one.

    Raises:
        ValueError: A variable that the path names is not set.
    """

    def put_in(found: re.Match[str]) -> str:
        """What stands in place of a dollar and what follows it."""
        name = found[2] or found[3]
        if not name:
            return "$"
        if name not in os.environ:
            raise ValueError(
                f"the environment variable {name} is not set; set it, or write the path out, with "
                "$$ for a dollar that is meant"
            )
        return os.environ[name]

    return VARIABLE.sub(put_in, os.path.expanduser(value))


def check_path(value: str, info: ValidationInfo) -> str:
    """Refuse a path that names a variable that is not set; the path itself stays as written.

    So outputs that carry the configuration name no folder of the machine that made them, and are
    read where its variables are unknown.
    """
    if info.context != STORED:
        expand_path(value)
    return value


PathText = Annotated[str, AfterValidator(check_path)]
"""A local path or object-store address; ``store.absolute`` puts variables in. ``$$``: a dollar."""
