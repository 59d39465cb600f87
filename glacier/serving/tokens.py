"""Tokens of a service, from a file, and the roles that they give."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from glacier import store
from glacier.errors import ConfigError
from glacier.settings.serve import Serve
from glacier.wording import nearest

Role = Literal["read", "run", "promote"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""

LEAST_LETTERS = 16
"""Of a token; shorter ones can be guessed."""

OTHERS = 0o027
"""Permissions that a file of tokens must not give: the group may read it, no more."""

MOST_BYTES = 1_000_000
"""Of a file of tokens."""


@dataclass(frozen=True)
class Access:
    """Who may ask."""

    tokens: dict[bytes, Role] | None
    """SHA-256 of each token to its role; None: everybody may read and run."""

    def find_role(self, token: str) -> Role | None:
        """The role of a token; it takes the same time wherever the token stands, or if nowhere."""
        given, found = digest_token(token), None
        for known, role in (self.tokens or {}).items():
            if hmac.compare_digest(known, given):
                found = role
        return found


def digest_token(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def read_access(settings: Serve) -> Access:
    """Who may ask, by the file of tokens that the configuration names.

    Raises:
        ConfigError: The file is missing, can be read by others, or a line of it is none.
    """
    if settings.tokens is None:
        return Access(None)
    named = f"serve.tokens = {settings.tokens!r}"
    path = Path(store.absolute(settings.tokens))
    try:
        mode = os.stat(path).st_mode & 0o777
        if mode & OTHERS:
            raise ConfigError(
                f"{named}: its permissions {mode:o} let others at it; chmod 600 {path}"
            )
        with open(path, encoding="utf-8") as file:
            text = file.read(MOST_BYTES)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{named}: it cannot be read: {error}; correct the path") from error
    tokens = dict(parse_line(line, f"{named}, line {k}") for k, line in list_lines(text))
    if not tokens:
        raise ConfigError(f"{named}: no line <role> <token> in it; add one")
    return Access(tokens)


def list_lines(text: str) -> list[tuple[int, str]]:
    """Lines of a file of tokens with their numbers, without the empty ones and the comments."""
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [(k, line) for k, line in lines if line and not line.startswith("#")]


def parse_line(line: str, named: str) -> tuple[bytes, Role]:
    """The token of a line, as it is kept, and its role. What is wrong is said without the token.

    Raises:
        ConfigError: It is no such line.
    """
    role, _, token = line.partition(" ")
    token = token.strip()
    if role not in ROLES:
        raise ConfigError(f"{named}: no role {role[:20]!r}{nearest(role, ROLES)}")
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", token) or len(token) < LEAST_LETTERS:
        raise ConfigError(
            f"{named}: a token is {LEAST_LETTERS} or more of A-Z a-z 0-9 . _ ~ + / = -, such as "
            "`openssl rand -hex 32` prints"
        )
    return digest_token(token), ROLES[ROLES.index(role)]
