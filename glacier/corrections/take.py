"""Edited GeoPackages -> masks of the months that a person has looked at, and who, when and what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from glacier import seals, store
from glacier.config import Config
from glacier.corrections.records import (
    Correction,
    Offer,
    Offers,
    corrections_folder,
    offers_folder,
)
from glacier.errors import StoreError, VectorError
from glacier.geo.correction_files import ReturnedMonth, burn_returned, read_package, read_region
from glacier.geo.map_strips import read_class_strips
from glacier.geo.raster_rows import ByteBand, write_cog
from glacier.locks import hold
from glacier.map_codes import UNSEEN
from glacier.mapping.maps import CLASSES, MapRecord, map_address
from glacier.progress import say
from glacier.scratch import open_scratch
from glacier.settings.model import Model


class Taken(Model):
    """What was taken back."""

    months: tuple[Correction, ...]
    untouched: tuple[str, ...] = ()
    """Months that nobody has looked at or edited, YYYY-MM."""


def import_package(config: Config, address: str, by: str) -> Taken:
    """Take an edited GeoPackage back.

    A month counts where somebody says to have looked at it, or where an outline was changed.

    Args:
        config: The run that it was exported of.
        address: The GeoPackage.
        by: Who has edited it.

    Raises:
        StoreError: Nothing was exported, or the maps have been made again since.
        VectorError: The file cannot be used; nothing of it is taken.
    """
    place = offers_folder(config)
    offers = read_offers(store.join(place, "offers.json"))
    grids = {offer.region: offer.grid for offer in offers.months}
    address, region = store.absolute(address), read_region(store.absolute(address))
    if region not in grids:
        known = ", ".join(sorted(grids))
        raise VectorError(f"{address} is of region {region!r}; exported was {known}")
    returned = read_package(address, grids[region])
    offered = {offer.month: offer for offer in offers.months if offer.region == region}
    strange = sorted({month.month for month in returned} - offered.keys())
    if strange:
        raise VectorError(f"{address} names {', '.join(strange)}, which was not exported last")
    folder = store.join(corrections_folder(config), region)
    maps = store.join(store.absolute(config.storage), "maps", offers.maps)
    pairs = [(month, find_map(maps, offered[month.month])) for month in returned]
    with hold(config, folder):
        found = [take_month(month, record, maps, folder, by) for month, record in pairs]
    taken = Taken(
        months=tuple(each for each in found if each is not None),
        untouched=tuple(
            month.month for month, each in zip(returned, found, strict=True) if each is None
        ),
    )
    for sentence in tell_taken(config, taken, folder):
        say(f"corrections: {sentence}")
    return taken


def read_offers(address: str) -> Offers:
    """What was exported.

    Raises:
        StoreError: Nothing was.
    """
    if not store.exists(address):
        raise StoreError(f"{address} is not there: run `glacier corrections export` first")
    return seals.read_model(address, Offers)


def find_map(maps: str, offer: Offer) -> MapRecord:
    """The map that an offer showed.

    Raises:
        StoreError: It is gone, or another.
    """
    address = map_address(maps, offer.region, offer.month)
    record = seals.read_model(address, MapRecord) if store.exists(address) else None
    if record is None or record.files.get(f"{offer.month}{CLASSES}") != offer.classes_sha256:
        raise StoreError(
            f"the map of {offer.month} of region {offer.region} in {maps} is gone or was made "
            "again since the export; export again and repeat what was drawn"
        )
    return record


def take_month(
    month: ReturnedMonth, record: MapRecord, maps: str, folder: str, by: str
) -> Correction | None:
    """Write the mask of a month and what is known of it; None where nobody has touched it."""
    grid = record.grid
    assert grid is not None
    name = f"{record.name}{CLASSES}"
    with store.local_copy(store.join(maps, record.region, name), record.files[name]) as path:
        before = np.concatenate([rows[0] for rows in read_class_strips([path])])
    drawn = burn_returned(month, grid)
    added, removed = drawn & (before != 1), ~drawn & (before == 1)
    if not (month.looked or added.any() or removed.any()):
        return None
    mask = make_mask(drawn, before)
    with open_scratch() as scratch:
        path = scratch / "mask.tif"
        with write_cog(path, grid, ByteBand("glacier", UNSEEN), {}) as out:
            out.write(mask)
        sha256 = store.write_file(store.join(folder, f"{month.month}.tif"), path)
    correction = Correction(
        region=record.region, month=month.month, by=by, at=datetime.now(UTC),
        minutes=month.minutes, note=month.note, mended=month.mended,
        added_px=int(added.sum()), removed_px=int(removed.sum()),
        added_km2=float(added.sum() * grid.pixel_km2),
        removed_km2=float(removed.sum() * grid.pixel_km2),
        image_sha256=record.image_sha256, classes_sha256=record.files[name],
        models=tuple(used.sha256 for used in record.models), files={f"{month.month}.tif": sha256},
    )  # fmt: skip
    seals.vouch(store.join(folder, f"{month.month}.json"), correction)
    return correction


def make_mask(drawn: NDArray[np.bool_], before: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The label of a corrected month: (H, W) uint8, 1 glacier, 0 not, 255 unknown.

    Args:
        drawn: (H, W) bool, what the person calls glacier.
        before: (H, W) uint8 class map: where nothing was seen, only what was drawn is known.
    """
    return np.where(drawn, np.uint8(1), np.where(before == UNSEEN, np.uint8(UNSEEN), np.uint8(0)))


def tell_taken(config: Config, taken: Taken, folder: str) -> Sequence[str]:
    """What was taken back, in sentences."""
    said = []
    for each in taken.months:
        minutes = "" if each.minutes is None else f" in {each.minutes:g} minutes"
        said.append(
            f"{config.place(each.region)}, {each.month}: {each.added_km2:.3f} km2 added and "
            f"{each.removed_km2:.3f} km2 removed by {each.by}{minutes}"
        )
        said += each.mended
    if taken.untouched:
        said.append(
            f"{len(taken.untouched)} months were neither edited nor marked as looked at: "
            f"{', '.join(taken.untouched)}"
        )
    if taken.months:
        above = folder.rpartition("/")[0]
        said.append(f"masks in {folder}; `prepare.label.corrections: {above}` learns from them")
    return said
