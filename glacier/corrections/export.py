"""Maps -> the months where a person's minute buys most, as GeoPackages to be edited."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from glacier import seals, store
from glacier.config import Config
from glacier.corrections.choose import Doubt, Way, measure_entropy, rank_months
from glacier.corrections.records import Offer, Offers, offers_folder
from glacier.errors import StoreError
from glacier.geo.correction_files import OfferedMonth, encode_package
from glacier.geo.map_strips import MapStrips
from glacier.geo.outline_files import STYLE
from glacier.geo.polygonise import polygonise
from glacier.locks import hold
from glacier.map_codes import STEPS, decode_probability
from glacier.mapping.added_months import find_grown_sweep
from glacier.mapping.assignment import choose_encoders
from glacier.mapping.map_plan import list_tasks, maps_folder, take_months
from glacier.mapping.maps import CLASSES, PROBABILITY, MapRecord
from glacier.progress import Progress, say
from glacier.reports.series import read_maps


def export_months(config: Config, way: Way, count: int) -> None:
    """Offer months of a run to be corrected.

    Args:
        config: The run, whose maps are there.
        way: How they are chosen.
        count: How many, at most.

    Raises:
        StoreError: Maps are missing, or what was offered before has been edited.
    """
    config = take_months(config)
    sweep = find_grown_sweep(config, with_held=True)
    encoders, _ = choose_encoders(sweep.result, config.predict)
    folder = maps_folder(config, sweep, encoders)
    mapped = [r for r in read_maps(folder, list_tasks(config, sweep, encoders)) if r.grid]
    by_key = {(record.region, record.name): record for record in mapped}
    with Progress("corrections", len(mapped)) as progress:
        doubts = []
        for record in mapped:
            doubts.append(weigh_map(record, folder))
            progress.advance(f"{record.region} {record.name}")
    ranked = rank_months(doubts, way, config.seed)[:count]
    chosen: dict[str, list[tuple[Offer, OfferedMonth]]] = defaultdict(list)
    for rank, doubt in enumerate(ranked, 1):
        record = by_key[doubt.region, doubt.month]
        chosen[doubt.region].append(offer_month(record, folder, rank, tell_why(doubt, way)))
    write_offers(config, chosen, Offers(way=way, maps=folder.rpartition("/")[2]))


def weigh_map(record: MapRecord, folder: str) -> Doubt:
    """What is doubtful in a map.

    Raises:
        DamagedError: A file differs from its checksum.
    """
    grid = record.grid
    assert grid is not None
    with open_map(record, folder) as strips:
        bits = sum(measure_entropy(decode_probability(strip.values)) for strip in strips)
    shares = [used.glacier_px / used.asked_px for used in record.models if used.asked_px]
    pixels = record.pixels
    seen_km2 = (pixels.glacier + pixels.ground) * grid.pixel_km2 if pixels else 0.0
    spread = float(np.std(shares)) * seen_km2 if len(shares) > 1 else 0.0
    return Doubt(record.region, record.name, bits * grid.pixel_km2, spread)


def offer_month(record: MapRecord, folder: str, rank: int, why: str) -> tuple[Offer, OfferedMonth]:
    """A month as it is offered: all of its glacier, to the last pixel."""
    grid = record.grid
    assert grid is not None
    with open_map(record, folder) as strips:
        patches = sorted(polygonise(strips, grid), key=lambda patch: -patch.pixels)
    offer = Offer(
        region=record.region, month=record.name, rank=rank, why=why, grid=grid,
        image_sha256=record.image_sha256, classes_sha256=record.files[f"{record.name}{CLASSES}"],
    )  # fmt: skip
    sure = [patch.total / (STEPS * patch.pixels) for patch in patches]
    return offer, OfferedMonth(record.name, rank, why, [p.polygon for p in patches], sure)


@contextmanager
def open_map(record: MapRecord, folder: str) -> Iterator[MapStrips]:
    """Strips of a map, for the length of a block.

    Raises:
        DamagedError: A file differs from its checksum.
    """
    names = [f"{record.name}{end}" for end in (CLASSES, PROBABILITY)]
    places = [(store.join(folder, record.region, name), record.files[name]) for name in names]
    with store.local_copy(*places[0]) as classes, store.local_copy(*places[1]) as probability:
        yield MapStrips(classes, probability)


def tell_why(doubt: Doubt, way: Way) -> str:
    """Why a month was chosen, in words."""
    if way == "random":
        return "drawn at random"
    if way == "disagreement":
        return f"the models differ by {doubt.spread_km2:.2f} km2 of glacier"
    return f"{doubt.doubtful_km2:.2f} km2 of ground are as good as undecided"


def write_offers(
    config: Config, chosen: dict[str, list[tuple[Offer, OfferedMonth]]], offers: Offers
) -> None:
    """Write a GeoPackage and its style for each region, and what was offered.

    Raises:
        StoreError: One lies there already that is another: somebody may have worked on it.
    """
    place = offers_folder(config)
    made = {
        region: encode_package(region, months[0][0].grid, [month for _, month in months])
        for region, months in chosen.items()
    }
    with hold(config, place):
        for region, data in made.items():
            address = store.join(place, f"{region}.gpkg")
            if store.exists(address) and store.read_bytes(address) != data:
                raise StoreError(
                    f"{address} is there and is another: somebody may have worked on it; take it "
                    "back by `glacier corrections import`, or remove it, and export again"
                )
        for region, data in made.items():
            store.write_bytes(store.join(place, f"{region}.gpkg"), data)
            store.write_bytes(store.join(place, f"{region}.qml"), STYLE.encode())
        months = tuple(offer for each in chosen.values() for offer, _ in each)
        seals.write_model(
            store.join(place, "offers.json"), offers.model_copy(update={"months": months})
        )
    for region, each in chosen.items():
        first = min(each, key=lambda pair: pair[0].rank)[0]
        say(
            f"corrections: {config.place(region)}: {len(each)} months in "
            f"{store.join(place, region)}.gpkg; first {first.month}, {first.why}"
        )
