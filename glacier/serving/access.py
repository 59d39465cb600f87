"""Who may ask for what: tokens and their roles, and which pages and hosts a browser may come from.

A service on loopback is reached by every page that a browser there shows: by a form that a page
sends, and by a name that is pointed at this machine after the page was loaded. So requests that
change something must come from our own page or a named one, and the Host must be ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glacier.serving.problems import answer_problem, make_problem
from glacier.serving.tokens import ROLES, Access, Role, digest_token
from glacier.settings.serve import LOOPBACK, Serve

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

    def __init__(self, app: ASGIApp, hosts: frozenset[str], origins: frozenset[str]) -> None:
        """Guard an application.

        Args:
            app: What answers.
            hosts: Names that it may be asked by; none: any.
            origins: Of other pages that may ask.
        """
        self.app, self.hosts, self.origins = app, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with 403."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_as_is(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("x-content-type-options", "nosniff")
            await send(message)

        answer: ASGIApp = self.app
        if reason := self.find_reason(scope):
            answer = answer_problem(make_problem(403, reason))
        await answer(scope, receive, send_as_is)

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


def list_hosts(settings: Serve) -> frozenset[str]:
    """Names that a service may be asked by; none: any."""
    if settings.hosts or settings.is_local:
        return frozenset((*map(str.lower, settings.hosts), *LOOPBACK))
    return frozenset()


def find_name(host: str) -> str:
    """The name in a Host header, without its port and the brackets of an address."""
    return re.sub(r":\d*$", "", host).strip("[]").lower()


def urlsplit_host(origin: str) -> str:
    """Host and port of an origin; nothing where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
