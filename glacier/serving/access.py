"""Who may ask for what: tokens and their roles, and which pages and hosts a browser may come from.

A service on loopback is reached by every page that a browser there shows: by a form that a page
sends, and by a name that is pointed at this machine after the page was loaded. So requests that
change something must come from our own page or a named one, and the Host must be ours.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from glacier import store
from glacier.errors import ConfigError
from glacier.serving.problems import answer_problem, make_problem
from glacier.settings.serve import LOOPBACK, Serve
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

SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

HEALTH = "/health/"
"""Start of the paths that probes ask for, by whatever name they know the machine."""

BEARER = HTTPBearer(auto_error=False, description="A token of the file `serve.tokens`.")


@dataclass(frozen=True)
class Client:
    """Who asks."""

    key: str
    """Of one token, or of one address where there are none; tells clients apart."""
    role: Role


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


class May:
    """Dependency of a route: only who may do so much is answered."""

    def __init__(self, role: Role) -> None:
        """Ask for a role, or one that may do more."""
        self.role: Role = role

    async def __call__(
        self,
        request: Request,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    ) -> Client:
        """Who asks.

        Raises:
            HTTPException: 401 or 403.
        """
        access: Access = request.app.state.service.access
        client = find_client(access, request, credentials)
        if ROLES.index(client.role) < ROLES.index(self.role):
            held = "without tokens (serve.tokens) nobody may"
            if access.tokens is not None:
                held = f"this token's role is {client.role}; use one that may"
            raise HTTPException(403, f"{request.method} wants the role {self.role}; {held}")
        return client


def find_client(
    access: Access, request: Request, credentials: HTTPAuthorizationCredentials | None
) -> Client:
    """Who asks, by token or by address.

    Raises:
        HTTPException: 401: there is no token, or it is not known.
    """
    if access.tokens is None:
        return Client(request.client.host if request.client else "", "run")
    role = access.find_role(credentials.credentials) if credentials else None
    if credentials is None or role is None:
        what = "the token is not known" if credentials else "no token was given"
        raise HTTPException(
            401, f"{what}; send Authorization: Bearer <token>", {"WWW-Authenticate": "Bearer"}
        )
    return Client(digest_token(credentials.credentials).hex(), role)


Reader = Annotated[Client, Depends(May("read"))]
Runner = Annotated[Client, Depends(May("run"))]
Promoter = Annotated[Client, Depends(May("promote"))]
"""What a route asks for."""


class GuardBrowser:
    """Layer that refuses what a page of somebody else has a browser send."""

    def __init__(self, app: ASGIApp, settings: Serve) -> None:
        """Guard an application by the names that its settings give."""
        self.app = app
        self.origins = frozenset(settings.origins)
        self.hosts = frozenset(settings.hosts)
        if self.hosts or settings.is_local:
            self.hosts |= set(LOOPBACK)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with 403."""
        if scope["type"] == "http" and (reason := self.find_reason(scope)):
            await answer_problem(make_problem(403, reason))(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def find_reason(self, scope: Scope) -> str:
        """Why a request is refused; nothing where it is not."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.hosts and not scope["path"].startswith(HEALTH):
            name = find_name(host)
            if name not in self.hosts:
                return f"Host {name[:80]!r} is not known here; add it to serve.hosts"
        if origin is None or scope["method"] in SAFE or origin in self.origins:
            return ""
        if urlsplit_host(origin) == host.lower():
            return ""
        return f"a page of {origin[:80]!r} may not ask here; add it to serve.origins"


def find_name(host: str) -> str:
    """The name in a Host header, without its port and the brackets of an address."""
    return re.sub(r":\d*$", "", host).strip("[]").lower()


def urlsplit_host(origin: str) -> str:
    """Host and port of an origin; nothing where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
