"""Files of web addresses, read within a limit."""

from __future__ import annotations

from collections.abc import Iterator

import requests

from glacier.errors import StoreError

WEB = ("https://", "http://")
"""How an address begins that is read here."""

CHUNK = 2**20
"""Bytes that are read at a time."""

WAIT_S = (10.0, 60.0)
"""Longest wait for a connection, and for the next bytes, seconds."""


def stream(address: str, max_bytes: int) -> Iterator[bytes]:
    """The bytes of a web address, some at a time.

    Raises:
        StoreError: It cannot be read, or is larger than allowed.
    """
    left = max_bytes
    try:
        with requests.get(address, stream=True, timeout=WAIT_S) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_content(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise StoreError(f"{address} is larger than {max_bytes} bytes: not read")
                yield chunk
    except requests.RequestException as error:
        raise StoreError(f"{address} cannot be read: {error!s:.300}") from error
