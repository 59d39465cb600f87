"""Files, packages and finished runs that a configuration names, looked for before a run begins."""

from __future__ import annotations

import os
from collections.abc import Iterator

from glacier import store
from glacier.config import Config
from glacier.errors import ConfigError, StoreError, WeightsError
from glacier.machine import explain_no_tracker
from glacier.mapping.images import find_images, name_files
from glacier.registry.ledger import Ledger
from glacier.samples.label_files import list_masks
from glacier.settings.sweep import Sweep
from glacier.settings.weights import PACKAGES, WORDS
from glacier.training.packages import find_packaged
from glacier.training.saved import SweepPlaces


def refuse_files(config: Config, job: str) -> Iterator[str]:
    """Why files that the configuration names, and a job needs, cannot be read."""
    label = config.prepare.label
    named: dict[str, str | None] = {
        **{f"prepare.label.{field}": file for field, file in label.list_files()},
    }
    named |= {f"sweep.{field}": file for field, file in config.sweep.weights_files.items()}
    for field, file in config.ingest.chosen.files.items():
        named[f"ingest.{config.ingest.source}.{field}"] = file
    if job in ("series", "latest", "pipeline"):
        named |= {f"series.{field}": file for field, file in config.series.named_files.items()}
    for name, place in named.items():
        if place is None or "://" in (address := store.absolute(place)):
            continue
        if not os.path.exists(address):
            yield f"{name} = {place!r}: there is no such file; correct the path"
        elif not os.access(address, os.R_OK):
            yield f"{name} = {place!r}: you may not read it; change its permissions"
        elif name.startswith("sweep.encoder_weights") and not os.path.isfile(address):
            yield f"{name} = {place!r} is no file: wanted {', '.join(WORDS)} or a file of weights"


def refuse_packages(sweep: Sweep) -> Iterator[str]:
    """Why weights of a package could not be read."""
    for encoder in sweep.encoders:
        if (source := sweep.weights_of(encoder)) in PACKAGES:
            try:
                find_packaged(encoder, source)
            except WeightsError as error:
                yield str(error)


def refuse_trackers(config: Config) -> Iterator[str]:
    """Why epochs could not be written for those that are to look on."""
    for tracker in config.sweep.track:
        if reason := explain_no_tracker(tracker, store.results_folder(config)):
            yield reason


def refuse_masks(config: Config) -> Iterator[str]:
    """Why masks could label no month of their region."""
    there = {name.split(".")[1] for name, _ in list_masks(config)}
    regions = [region.name for region in config.regions]
    for region, path in config.prepare.label.masks.items():
        if region in regions and region not in there:
            yield (
                f"prepare.label.masks.{region} = {path!r}: there is no such file for any month of "
                "the run; correct the path"
            )


def refuse_images(config: Config) -> Iterator[str]:
    """Why images of one's own could not be mapped."""
    if config.predict.images is not None:
        try:
            name_files(find_images(config.predict.images))
        except ConfigError as error:
            yield str(error)


def refuse_borrowed(sweep: str, job: str) -> Iterator[str]:
    """Why the models of another run could not map the months of this one."""
    said = f"predict.sweep = {sweep!r}: "
    if job == "pipeline":
        yield f"{said}pipeline trains models of its own; run ingest, predict and series instead"
    address = SweepPlaces("", store.absolute(sweep), "", "").result
    if "://" not in address and not os.path.exists(address):
        yield f"{said}no finished sweep is there; give a folder <storage>/sweeps/<name>-<hash>"


def refuse_registry(config: Config, name: str, job: str) -> Iterator[str]:
    """Why what a registry lets serve could not map the months of a run."""
    said = f"predict.registry = {name!r}: "
    if job == "pipeline":
        yield f"{said}pipeline trains models of its own; run ingest, predict and series instead"
    try:
        Ledger(store.absolute(config.storage), name).read()
    except (ConfigError, StoreError) as error:
        yield f"{said}{error}"
