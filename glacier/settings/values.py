"""Small values with a form: names, checksums, codes of coordinate systems."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
"""An identifier that is safe as a folder name."""

BARE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


def check_bare(value: str) -> str:
    """Refuse a name that could lead to another folder, another machine or a hub of networks.

    Raises:
        ValueError: With the name and what one may hold.
    """
    if not BARE.fullmatch(value):
        raise ValueError(
            f"{value!r:.100} is no bare name: wanted a letter or a digit, then up to 127 letters, "
            "digits and . _ + -; no folder, no address"
        )
    return value


BareName = Annotated[str, AfterValidator(check_bare)]
"""Name of a file or folder that lies beside, or right below, the file that says it; no path."""

Sha256 = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{64})?$")]
"""A checksum, hexadecimal; empty where there is none."""

CrsCode = Annotated[str, Field(pattern=r"^EPSG:[1-9][0-9]{3,5}$")]
"""A coordinate reference system by its code, such as ``EPSG:32608``."""
