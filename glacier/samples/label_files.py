"""The files that a label names: polygons and masks, by what is in them."""

from __future__ import annotations

from collections.abc import Iterator

from glacier import store
from glacier.config import Config
from glacier.geo.vector_files import checksum_files
from glacier.landsat import months_between


def checksum_label(config: Config) -> list[tuple[str, str]]:
    """Each file of a run's labels, by the field and region that it is for, and its checksum.

    Masks that are not there are left out: their months fail.

    Raises:
        StoreError: A file of polygons is not there.
    """
    named = [*config.prepare.label.list_files(), *list_masks(config), *list_corrections(config)]
    return [(name, checksum_files(store.absolute(path))) for name, path in named]


def list_masks(config: Config) -> Iterator[tuple[str, str]]:
    """Masks of a run that are there, once each: region and file name, and path."""
    label = config.prepare.label
    for region in label.masks:
        months = months_between(*config.months.dates())
        for path in dict.fromkeys(label.find_mask(region, month) for month in months):
            if path and store.exists(store.absolute(path)):
                yield f"masks.{region}.{path.rpartition('/')[2]}", path


def list_corrections(config: Config) -> Iterator[tuple[str, str]]:
    """Masks of the months of a run that people have corrected: region and file name, and path."""
    label = config.prepare.label
    if label.corrections is not None:
        for region in config.regions:
            folder = store.join(store.absolute(label.corrections), region.name)
            there = set(store.list_files(folder))
            for month in months_between(*config.months.dates()):
                path = label.find_correction(region.name, month)
                if path and f"{month:%Y-%m}.tif" in there:
                    yield f"corrections.{region.name}.{month:%Y-%m}", path
