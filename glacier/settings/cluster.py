"""Settings of Ray."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from glacier.settings.model import PRIVATE, Model


class Cluster(Model):
    """Where Ray runs."""

    address: Annotated[str, PRIVATE] = "local"
    """local: a private Ray on this machine. Inside ``ray job submit`` the job's own cluster is
    used whatever stands here. Else the address of a running cluster."""
    cpus: int | None = Field(None, ge=1)
    """Cores that a local Ray may use; None: all."""
    gpus: int | None = Field(None, ge=0)
    """GPUs that a local Ray may use; None: what it finds."""
