"""What a study or a list of claims was made from, and whether it stands for that still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import MappingProxyType

from pydantic import ConfigDict, Field

from glacier import seals, store
from glacier.config import Config, variants_digest
from glacier.errors import DamagedError
from glacier.locks import hold
from glacier.reports.report import list_files, move_aside
from glacier.settings.values import Name, Sha256
from glacier.studies.seeds import Repeats
from glacier.studies.variants import Variant

SweepKey = tuple[Name, str]
"""Name of a variant, and checksum of its sweep."""


NOTHING_REPEATED: Repeats = MappingProxyType({})
"""Of a study without repeats."""


class Stamp(seals.Manifest):
    """What a summary was made from; read alone, it may be of any version."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    format: int = Field(0, alias="schema")
    """Version of the content."""
    sweeps: tuple[SweepKey, ...] = ()
    """In the order of the variants."""
    repeats: tuple[SweepKey, ...] = ()
    """Those from other training seeds, likewise."""
    config_sha256: Sha256 = ""
    """Of all variants."""


def keep_earlier(address: str, config: Config, what: str) -> None:
    """Move what variants of other settings have left aside, with the reports of the variants.

    Args:
        address: Of the summary, which vouches for the other files of its folder.
        config: The run.
        what: What they are together, as messages name it.
    """
    if find_earlier(address, config) is None:
        return
    folder, _, summary = address.rpartition("/")
    with hold(config, folder):
        found = find_earlier(address, config)  # another run may have moved it meanwhile
        if found is None:
            return
        with hold(config, *(store.join(folder, variant) for variant, _ in found.sweeps)):
            names = [*list_reports(folder, found), *found.files, summary]
            move_aside(folder, found.config_sha256, names, what)


def find_earlier(address: str, config: Config) -> Stamp | None:
    """What variants of other settings have left, though it may have lost files; None without it.

    A damaged summary stays where it is: it may be in another run's hands.
    """
    try:
        found = seals.read_model(address, Stamp) if store.exists(address) else Stamp()
    except DamagedError:
        return None
    return None if found.config_sha256 in ("", variants_digest(config)) else found


def list_reports(folder: str, found: Stamp) -> Iterator[str]:
    """Names of the files of the variants' reports; a damaged summary is said and set aside."""
    for variant, _ in found.sweeps:
        try:
            yield from (f"{variant}/{name}" for name in list_files(store.join(folder, variant)))
        except DamagedError as error:
            seals.set_aside(error)


def list_sweeps(variants: Sequence[Variant]) -> tuple[SweepKey, ...]:
    """Name of each variant and checksum of its sweep."""
    return tuple((variant.name, variant.sha256) for variant in variants)


def list_repeats(repeats: Repeats) -> tuple[SweepKey, ...]:
    """Name of each variant that was trained again and checksum of its sweep, seed by seed."""
    return tuple(
        (name, variant.sha256) for name, found in repeats.items() for variant in found.values()
    )


def is_current(
    address: str,
    variants: Sequence[Variant],
    schema: int,
    owned: bool,
    repeats: Repeats = NOTHING_REPEATED,
) -> bool:
    """Whether a summary, with its files whole, is of the very sweeps of these variants.

    Args:
        address: Of the summary.
        variants: The variants, in order.
        schema: Version of the content.
        owned: This run alone works there, so damaged files are said and set aside.
        repeats: The same variants from other training seeds.
    """
    found = seals.read_whole(address, Stamp, owned) or Stamp()
    made = (list_sweeps(variants), list_repeats(repeats), schema)
    return (found.sweeps, found.repeats, found.format) == made
