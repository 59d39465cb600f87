"""Hosts that a catalogue may send its reader to."""

import pytest

from glacier.errors import SourceError
from glacier.settings.stac import PLANETARY_COMPUTER, Stac
from glacier.sources.hosts import list_hosts, refuse_address

OWN = Stac(url="https://stac.example.org/api")
SIGNED = Stac(url=PLANETARY_COMPUTER)
MORE = Stac(url="https://stac.example.org/api", hosts=("data.example.com",))


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (OWN, "https://stac.example.org/x.TIF"),
        (OWN, "http://a.stac.example.org:8080/x.TIF?sig=a"),
        (SIGNED, "https://landsateuwest.blob.core.windows.net/c2/x.TIF"),
        (MORE, "https://data.example.com/x.TIF"),
        (Stac(url="http://127.0.0.1:8080"), "http://127.0.0.1:8081/x.TIF"),
    ],
)
def test_its_own_its_signed_and_configured_hosts_may_be_asked(settings: Stac, address: str) -> None:
    refuse_address(address, settings)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (OWN, "https://example.org/x.TIF"),
        (OWN, "https://evilstac.example.org/x.TIF"),
        (OWN, "https://stac.example.org.evil.net/x.TIF"),
        (OWN, "https://stac.example.org@evil.net/x.TIF"),
        (OWN, "https://landsateuwest.blob.core.windows.net/x.TIF"),
        (SIGNED, "http://127.0.0.1/x.TIF"),
        (SIGNED, "http://169.254.169.254/latest/meta-data"),
        (SIGNED, "http://localhost:6379/"),
        (MORE, "https://example.com/x.TIF"),
    ],
)
def test_other_hosts_are_refused_with_a_remedy(settings: Stac, address: str) -> None:
    with pytest.raises(SourceError, match=r"another host .*name the host in ingest\.stac\.hosts"):
        refuse_address(address, settings)


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "/etc/passwd", "/vsicurl/http://a/b", "s3://a/b", "ftp://a/b",
                "http://[::1/x", ""],
)  # fmt: skip
def test_what_is_not_on_the_web_is_refused(address: str) -> None:
    with pytest.raises(SourceError, match="not on the web"):
        refuse_address(address, OWN)


def test_a_message_hides_what_signs() -> None:
    with pytest.raises(SourceError) as caught:
        refuse_address("https://other.org/x.TIF?sig=secret", OWN)
    assert "secret" not in str(caught.value) and "https://other.org/x.TIF" in str(caught.value)


def test_hosts_are_listed_once() -> None:
    assert list_hosts(SIGNED) == ("planetarycomputer.microsoft.com", "blob.core.windows.net")
