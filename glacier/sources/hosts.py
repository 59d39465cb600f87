"""Hosts that a catalogue's pixels may lie on: its own, those that sign them, those configured.

What a catalogue answers is not trusted: an item could else have this machine read its own files, or
ask servers that only it can reach.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from pystac_client.stac_api_io import StacApiIO
from requests import Response
from urllib3.util import Retry

from glacier.errors import SourceError
from glacier.settings.stac import PLANETARY_COMPUTER, Stac

SIGNED = {PLANETARY_COMPUTER: ("blob.core.windows.net",)}
"""Catalogue to the hosts whose addresses it signs; a name stands for all below it.

Source: planetarycomputer.microsoft.com/docs/concepts/sas.
"""

TIMEOUT_S = 60


def list_hosts(settings: Stac) -> tuple[str, ...]:
    """Hosts that may be asked; a name stands for all below it."""
    own = urlsplit(settings.url).hostname or ""
    return tuple(dict.fromkeys((own, *SIGNED.get(settings.url, ()), *settings.hosts)))


def refuse_address(address: str, settings: Stac) -> None:
    """Refuse an address that a catalogue gave and that is not on one of its hosts.

    Raises:
        SourceError: It is not on the web, or on another host.
    """
    try:
        parts = urlsplit(address)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:  # such as brackets that do not close
        scheme, host = "", ""
    if scheme not in ("http", "https"):
        raise SourceError(f"{shorten(address)} is not on the web")
    hosts = list_hosts(settings)
    if not any(host == known or host.endswith(f".{known}") for known in hosts):
        raise SourceError(
            f"{shorten(address)} lies on another host than the catalogue's ({', '.join(hosts)}); "
            "where that is meant, name the host in ingest.stac.hosts"
        )


def refuse_addresses(addresses: Iterable[str], settings: Stac) -> None:
    """Refuse a scene whose files lie elsewhere, see :func:`refuse_address`.

    Raises:
        SourceError: One of them does.
    """
    for address in addresses:
        refuse_address(address, settings)


def shorten(address: str) -> str:
    """An address without what signs it, for a message."""
    return repr(address.partition("?")[0][:200])


class GuardedIO(StacApiIO):
    """Asks a catalogue, and whatever its answers lead to on its own hosts, over the web alone."""

    def __init__(self, settings: Stac) -> None:
        """Searches survive 429 and 5xx; POST is repeated too, since it only asks."""
        codes = [429, 500, 502, 503, 504]
        again = Retry(total=5, backoff_factor=0.5, status_forcelist=codes, allowed_methods=None)
        super().__init__(max_retries=again, timeout=TIMEOUT_S)
        self.settings = settings
        self.session.hooks["response"].append(self.refuse_redirect)

    def request(self, href: str, *args: Any, **kwargs: Any) -> str:
        """Ask an address, such as that of a next page.

        Raises:
            SourceError: It lies elsewhere.
        """
        refuse_address(href, self.settings)
        return str(super().request(href, *args, **kwargs))

    def read_text(self, source: Any, *args: Any, **kwargs: Any) -> str:
        """Ask an address or a link; never a file of this machine.

        Raises:
            SourceError: It lies elsewhere.
        """
        refuse_address(str(getattr(source, "href", source)), self.settings)
        return str(super().read_text(source, *args, **kwargs))

    def refuse_redirect(self, response: Response, *_: Any, **__: Any) -> None:
        """Refuse an answer that leads elsewhere.

        Raises:
            SourceError: It does.
        """
        if response.is_redirect:
            refuse_address(urljoin(response.url, response.headers["location"]), self.settings)
