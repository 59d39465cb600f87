"""Talk with Earth Engine: credentials, one connection a process, one loop of attempts.

The client keeps its connection in module state, so a process has one, made under a lock. Its own
retries are off: two loops around one request would multiply, and only ours knows the limiter.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import ee
import google.auth
import googleapiclient.errors
import httplib2
import requests
from google.auth.exceptions import GoogleAuthError, TransportError
from googleapiclient.errors import HttpError
from requests.adapters import HTTPAdapter

from glacier.errors import ConfigError, SourceError
from glacier.settings.earthengine import EarthEngine
from glacier.settings.paths import expand_path
from glacier.sources.limiter import Outcome, RequestLimit

T = TypeVar("T")

Verdict = Literal["refused", "failed", "split", "denied", "fatal"]
"""``refused`` and ``failed`` are tried again, ``split`` in smaller parts, the others never."""

CONNECT_S = 30.0
"""Longest wait for a connection, seconds."""
MAX_BACKOFF_S = 60.0
"""Longest wait between two attempts, seconds."""

RESTRICTED = "parallelism_restricted=true"
"""In the header ``x-earth-engine-quota-status`` of a project whose monthly quota is used up."""

TOO_LARGE = ("Total request size", "memory limit", "grid dimensions", "Computation timed out")
"""Earth Engine's words for a request that may succeed in smaller parts."""
TOO_MANY = ("Too many concurrent aggregations", "rateLimitExceeded", "RateLimitExceeded")
"""Its words for too many requests, where the status does not say so."""

NO_CREDENTIALS = (
    "no Earth Engine credentials were found; run `earthengine authenticate`, or set "
    "ingest.earthengine.key_file to the JSON key of a service account"
)


ENDPOINTS = {
    "high-volume": ee.data.HIGH_VOLUME_API_BASE_URL,
    "standard": ee.data.DEFAULT_CLOUD_API_BASE_URL,
}


class ReplyError(Exception):
    """An answer that is not what was asked for, such as one cut short."""


GARBLED = (ReplyError, json.JSONDecodeError, UnicodeDecodeError)
"""What the client or we make of an answer that cannot be read."""

FAULTS = (
    ee.EEException,
    googleapiclient.errors.Error,
    GoogleAuthError,
    ConnectionError,
    TimeoutError,
    *GARBLED,
)
"""All that a request is known to fail with; anything else is a defect."""


class TooLargeError(SourceError):
    """Earth Engine wants the request in smaller parts."""


class Transport:
    """Carries the client's requests, in the form that it asks of its ``http_transport``.

    Its own has ten connections, and no deadline until ``ee.data.setDeadline`` fetches the
    service's description once more; nor does it tell a caller that the quota is used up.
    """

    def __init__(self, settings: EarthEngine) -> None:
        """Connections for all requests that may be in flight."""
        self.timeout_s = (min(CONNECT_S, settings.deadline_s), settings.deadline_s)
        self.restricted = False
        self.session = requests.Session()
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=settings.in_flight))

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
        **_: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Send one request; what goes wrong on the way is a ConnectionError or TimeoutError."""
        try:
            reply = self.session.request(
                method, uri, data=body, headers=headers, timeout=self.timeout_s
            )
        except requests.Timeout as error:
            raise TimeoutError(f"no answer within {self.timeout_s[1]:g} s") from error
        except requests.RequestException as error:
            raise ConnectionError(f"the connection failed: {error}") from error
        if RESTRICTED in reply.headers.get("x-earth-engine-quota-status", ""):
            self.restricted = True
        return httplib2.Response(dict(reply.headers) | {"status": reply.status_code}), reply.content


_LOCK = threading.Lock()
_connection: tuple[EarthEngine, Transport] | None = None


class Requests:
    """The requests of one month: within the limit, repeated where that can help, counted."""

    def __init__(self, settings: EarthEngine, limiter: RequestLimit) -> None:
        """Ask under these settings, within the limit that all workers share."""
        self.settings, self.limiter = settings, limiter
        self.repeats = 0

    def connect(self) -> Transport:
        """The process's connection, made by whoever needs it first.

        Raises:
            GlacierError: As ``send``.
        """
        global _connection
        with _LOCK:
            if _connection is None or _connection[0] != self.settings:
                transport = Transport(self.settings)
                self.send(lambda: initialise(self.settings, transport))
                _connection = self.settings, transport
            return _connection[1]

    def send(self, request: Callable[[], T]) -> T:
        """Call until it succeeds or cannot.

        Raises:
            ConfigError: Earth Engine does not know or does not admit us.
            TooLargeError: It wants smaller parts.
            SourceError: It refused for good, or as often as the settings allow.
        """
        for attempt in range(self.settings.attempts):
            if attempt:  # full jitter, so that refused workers do not return as one
                self.repeats += 1
                longest = self.settings.backoff_s * 2 ** (attempt - 1)
                time.sleep(random.uniform(0, min(MAX_BACKOFF_S, longest)))
            try:
                return self.send_once(request)
            except FAULTS as error:
                if classify(error) not in ("refused", "failed"):
                    raise explain(error) from error
                message = str(error)
        raise SourceError(
            f"Earth Engine: {message}; gave up after {attempt + 1} attempts; "
            "run the same command again later, or raise ingest.earthengine.attempts"
        )

    def send_once(self, request: Callable[[], T]) -> T:
        """Call once, within the limit, and tell the limiter how it went."""
        ticket = self.limiter.acquire()
        outcome: Outcome = "failed"
        try:
            answer = request()
            outcome = "ok"
            return answer
        except FAULTS as error:
            outcome = "refused" if classify(error) == "refused" else "failed"
            raise
        finally:
            self.limiter.release(ticket, outcome)
            if _connection is not None and _connection[1].restricted:
                self.limiter.restrict()


def initialise(settings: EarthEngine, transport: Transport) -> None:
    """Set the client up: three small GETs and its list of functions, 0.7 MB.

    Raises:
        ConfigError: There are no credentials, or no project to ask for.
    """
    ee.Reset()
    # The client warns of old assets by a list that it fetches without a timeout from another
    # server; one that is there already is not fetched. Ours holds no asset.
    ee.deprecation.deprecated_assets = {"": None}
    ee.data.setMaxRetries(0)
    url = (settings.url or ENDPOINTS[settings.endpoint]).rstrip("/")
    try:
        ee.Initialize(
            find_credentials(settings), url=url, project=settings.project, http_transport=transport
        )
    except ee.EEException as error:
        if str(error) == ee.NO_PROJECT_EXCEPTION:
            raise ConfigError(f"ingest.earthengine.project is not set: {error}") from error
        raise


def find_credentials(settings: EarthEngine) -> Any:
    """A service account, the file that the environment names, or the user's own login.

    The last is what ``earthengine authenticate`` left, else gcloud's default or, on Google's
    machines, their account; looking for that one takes seconds elsewhere, so it comes last.

    Raises:
        ConfigError: There are none, or they cannot be used.
    """
    if settings.key_file is not None:
        return read_key(settings.service_account, expand_path(settings.key_file))
    named = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    try:
        if named:
            return google.auth.default(scopes=ee.oauth.SCOPES)[0]
        return ee.data.get_persistent_credentials()
    except GoogleAuthError as error:
        if classify(error) == "failed":
            raise
        raise ConfigError(f"GOOGLE_APPLICATION_CREDENTIALS = {named}: {error}") from error
    except (ee.EEException, OSError, ValueError) as error:
        raise ConfigError(f"{NO_CREDENTIALS} ({error})") from error


def read_key(account: str | None, path: str) -> Any:
    """Credentials of a service account.

    Raises:
        ConfigError: The file is not there, or is no key.
    """
    try:
        return ee.ServiceAccountCredentials(account, path)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"ingest.earthengine.key_file = {path}: {error}; wanted the JSON key of a service "
            "account, or a .pem file and service_account"
        ) from error


def status_of(error: BaseException) -> int:
    """HTTP status behind an error, which the client hides in its context; 0 without one."""
    for cause in (error, error.__context__):
        if isinstance(cause, HttpError):
            return int(cause.resp.status)
    return 0


def classify(error: BaseException) -> Verdict:
    """What to do about a fault."""
    status, text = status_of(error), str(error)
    if isinstance(error, GoogleAuthError):
        return "failed" if error.retryable or isinstance(error, TransportError) else "denied"
    if status == 429 or any(words in text for words in TOO_MANY):
        return "refused"
    if any(words in text for words in TOO_LARGE):
        return "split"
    if status in (401, 403):
        return "denied"
    lost = isinstance(error, (ConnectionError, TimeoutError, *GARBLED))
    return "failed" if status >= 500 or lost else "fatal"


def explain(error: BaseException) -> ConfigError | SourceError:
    """The error for the user, with Earth Engine's own words."""
    verdict = classify(error)
    if verdict == "denied":
        return ConfigError(
            f"Earth Engine does not admit this account: {error}; check ingest.earthengine.project "
            "and key_file, that the project is registered at "
            "https://code.earthengine.google.com/register, or run `earthengine authenticate`"
        )
    return (TooLargeError if verdict == "split" else SourceError)(f"Earth Engine: {error}")
