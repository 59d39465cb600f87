"""The one process of the service as OGC API - Processes describes and executes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from glacier.serving.job_answers import PROCESS
from glacier.serving.kept_maps import OUTPUTS
from glacier.serving.map_answers import TIFF, Link
from glacier.settings.model import Model


class ProcessSummary(Model):
    """What can be executed. Source: processSummary.yaml."""

    id: str = PROCESS
    version: str = "1.0.0"
    title: str = "Map of glacier ice"
    description: str = "An image, or a region and month of the run -> outlines, class, probability."
    jobControlOptions: tuple[str, ...] = ("sync-execute", "async-execute", "dismiss")
    outputTransmission: tuple[str, ...] = ("value", "reference")
    links: tuple[Link, ...] = ()


class ProcessList(Model):
    """All that can be executed: one process."""

    processes: tuple[ProcessSummary, ...]
    links: tuple[Link, ...]


class ProcessDescription(ProcessSummary):
    """What the process takes and gives."""

    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]


INPUTS: dict[str, dict[str, Any]] = {
    "image": {
        "title": "A GeoTIFF, in base 64",
        "minOccurs": 0,
        "schema": {"type": "string", "contentEncoding": "base64", "contentMediaType": TIFF},
    },
    "region": {"title": "Or a region of the run", "minOccurs": 0, "schema": {"type": "string"}},
    "month": {"title": "And its month", "minOccurs": 0, "schema": {"type": "string"}},
    "explain": {
        "title": "Whether the result says which band decides",
        "minOccurs": 0,
        "schema": {"type": "boolean", "default": False},
    },
}
RESULT = {
    "title": "Area, its interval, and what made the map",
    "schema": {"type": "object", "contentMediaType": "application/json"},
}
FILE_OUTPUTS: dict[str, dict[str, Any]] = {
    name: {"title": name, "schema": {"type": "string", "contentMediaType": kind}}
    for name, (_, kind) in OUTPUTS.items()
}


class EncodedImage(BaseModel):
    """An image within JSON. Source: qualifiedInputValue.yaml."""

    model_config = ConfigDict(extra="forbid")
    value: str = Field(min_length=1, json_schema_extra={"format": "byte"})
    mediaType: Literal["image/tiff", "image/tiff; application=geotiff"] = "image/tiff"


class Inputs(BaseModel):
    """An image, or a region and month of the run."""

    model_config = ConfigDict(extra="forbid")
    image: EncodedImage | None = None
    region: str | None = None
    month: str | None = None
    explain: bool = False


class Execute(BaseModel):
    """What is to be executed. Source: execute.yaml."""

    inputs: Inputs
    outputs: dict[str, Any] | None = None
    """All are made, whatever stands here."""
    response: Literal["document"] = "document"
