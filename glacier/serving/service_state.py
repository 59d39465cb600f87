"""What a running service is made of; its routes find it in the application."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from glacier import store
from glacier.config import Config
from glacier.serving.answer import Mapper
from glacier.serving.archive_images import ArchiveImages
from glacier.serving.kept_maps import KeptMaps
from glacier.serving.limits import Places, Rates
from glacier.serving.map_work import MapWork
from glacier.serving.meters import Meters
from glacier.serving.promotion import Promotion
from glacier.serving.registered import RegistryWatch
from glacier.serving.spool import Spool
from glacier.serving.tokens import Access


@dataclass(frozen=True)
class ServiceState:
    """The parts of one service."""

    config: Config
    mapper: Mapper
    access: Access
    archive: ArchiveImages
    spool: Spool
    kept: KeptMaps
    work: MapWork
    meters: Meters
    uploads: Places
    """Of uploads that come in."""
    turns: Places
    """Of images that are mapped, or wait for it."""
    rates: Rates
    promotion: Promotion


def build_state(config: Config, mapper: Mapper, access: Access, folder: Path) -> ServiceState:
    """The parts of a service.

    Args:
        config: The run.
        mapper: Who maps.
        access: Who may ask.
        folder: There, and its own; for uploads, and for maps unless ``serve.folder`` has them.
    """
    settings, limits, meters = config.serve, config.serve.limits, Meters()
    lasting = folder if settings.folder is None else Path(store.absolute(settings.folder))
    for place in (folder / "uploads", lasting / "maps"):
        place.mkdir(exist_ok=True, parents=True, mode=0o700)
    kept = KeptMaps(lasting / "maps", limits)
    turns = Places(settings.workers + limits.queue, "images wait or are mapped", settings.workers)
    uploads = Places(limits.uploads, "uploads come in", limits.uploads)
    meters.watch("images_waiting", "Images that wait for their turn.", lambda: turns.waiting)
    meters.watch("images_in_work", "Images mapped or waiting.", lambda: turns.taken)
    meters.watch("uploads", "Uploads that come in.", lambda: uploads.taken)
    return ServiceState(
        config=config,
        mapper=mapper,
        access=access,
        archive=ArchiveImages(config),
        spool=Spool(folder / "uploads", limits.body_mb * 1_000_000),
        kept=kept,
        work=MapWork(mapper, kept, settings, meters),
        meters=meters,
        uploads=uploads,
        turns=turns,
        rates=Rates(limits.requests_per_min),
        promotion=Promotion(lasting, mapper, RegistryWatch(config)),
    )


def find_state(request: Request) -> ServiceState:
    """The parts of the service that a request has come to."""
    state: ServiceState = request.app.state.service
    return state


State = Annotated[ServiceState, Depends(find_state)]
"""What a route asks for."""
