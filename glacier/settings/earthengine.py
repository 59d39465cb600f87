"""Settings of the Earth Engine source."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.model import PRIVATE
from glacier.settings.paths import PathText
from glacier.settings.source import Service


class EarthEngine(Service):
    """Google Earth Engine: whose account asks, where, and how hard."""

    grows: ClassVar[bool] = True
    quota: ClassVar[str] = "the project's monthly quota at Earth Engine"

    project: Annotated[str | None, PRIVATE] = None
    """Google Cloud project that is registered for Earth Engine; None: the credentials' own."""
    service_account: Annotated[str | None, PRIVATE] = None
    """E-mail address of a service account; a JSON key file holds it already."""
    key_file: Annotated[PathText | None, PRIVATE] = None
    """Key file of the service account, at the same path on every node; None: application
    default credentials, or those of ``earthengine authenticate``."""
    endpoint: Literal["high-volume", "standard"] = "high-volume"
    """high-volume: made for many automated requests. standard: caches more, allows fewer."""
    url: Annotated[str | None, PRIVATE] = Field(
        None, pattern=r"^(https://|http://(127\.0\.0\.1|localhost)(:|/|$))"
    )
    """Address of a private endpoint; wins over ``endpoint``."""
    attempts: int = Field(6, ge=1, le=20)
    """Times that a request is sent before its month counts as failed."""
    backoff_s: float = Field(1.0, ge=0, le=60)
    """Longest wait before the second attempt, seconds; doubled for each one, up to 60."""

    @model_validator(mode="after")
    def check_account(self) -> Self:
        """Refuse a service account without its key."""
        if self.service_account and self.key_file is None:
            raise ValueError(
                f"service_account {self.service_account} needs key_file, the path of its key"
            )
        return self

    @property
    def files(self) -> dict[str, str | None]:
        """The key of the service account."""
        return {"key_file": self.key_file}

    @property
    def reader(self) -> str:
        """Earth Engine."""
        return "earthengine"
