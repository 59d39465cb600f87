"""The month images of a set as files of this machine, which all its processes share.

A region's months lie in one file a layer, made of the samples once on each node and mapped into
memory: the system reads what is looked at and drops what was not looked at for long, so that a set
may be larger than memory. The files lie in a temporary folder of this user, in one folder a set,
and go when the next set is opened and nobody uses them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

from glacier.errors import StoreError
from glacier.samples.coding import Coding
from glacier.samples.month_images import MonthImage, read_image
from glacier.samples.sample_set import FORMAT, SampleSet
from glacier.settings.identity import digest

NAME = ("region", "month")
"""Columns that name a month."""

LOCK = "in-use.lock"
"""In the folder of a set; whoever uses its files shares a lock on it."""

READ_AT_ONCE = 256e6
"""Months are read several at a time, so many that they take no more memory than this, bytes."""

COPIES = 4
"""What reading a month takes for a while, in months: compressed, as a table, as rows, as layers."""


class MappedImages(Sequence[MonthImage]):
    """The usable month images of a set, in its order; each is made when it is asked for."""

    def __init__(self, place: Path, samples: SampleSet, parts: Mapping[str, Sequence[int]]) -> None:
        """Map the files of all regions.

        Args:
            place: Folder of the set's files.
            samples: The set.
            parts: Region to the places of its months among the usable ones.
        """
        self.coding = Coding(samples.coding)
        self.names = [(row["region"], row["month"]) for row in samples.usable.rows(*NAME)]
        self.layers = {region: map_layers(place / region, samples) for region in parts}
        self.rows = np.empty(sum(map(len, parts.values())), np.int32)
        """Place of each month among those of its region."""
        for places in parts.values():
            self.rows[list(places)] = np.arange(len(places))

    def __len__(self) -> int:
        """Number of months."""
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> MonthImage: ...

    @overload
    def __getitem__(self, at: slice) -> list[MonthImage]: ...

    def __getitem__(self, at: int | slice) -> MonthImage | list[MonthImage]:
        """A month's image, read-only; it reads nothing from the disk by itself."""
        if isinstance(at, slice):
            return [self[k] for k in range(*at.indices(len(self)))]
        (region, month), row = self.names[at], self.rows[at]
        found = {name: np.asarray(layer[row]) for name, layer in self.layers[region].items()}
        return MonthImage(region, month, coding=self.coding, **found)


BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Where Linux says from when on it runs. Source: random(4)."""


@contextmanager
def open_images(folder: str, samples: SampleSet) -> Iterator[MappedImages]:
    """All usable month images of a set, in its order, for the length of the block.

    The first process of a node that opens a set makes its files; others wait for that.

    Args:
        folder: Where the samples lie.
        samples: Their description.

    Raises:
        DamagedError: A file of the samples differs from its checksum, or is gone.
        StoreError: The files cannot be made here.
    """
    parts: dict[str, list[int]] = {}
    for at, row in enumerate(samples.usable.rows("region")):
        parts.setdefault(row["region"], []).append(at)
    name = f"{folder.rpartition('/')[2]}-{name_content(samples)}"
    remove_unused(but=name)
    with share(name) as place:
        makers = [
            RegionFiles(place, folder, samples, region, places)
            for region, places in parts.items()
            if not (place / region).exists()
        ]
        others = [maker for maker in makers if not maker.make(wait=False)]
        for maker in others:  # which another process makes, or was killed over
            maker.make(wait=True)
        yield MappedImages(place, samples, parts)


def name_content(samples: SampleSet) -> str:
    """Name of what the months of a set hold."""
    shas = [list(map(str, row.values())) for row in samples.usable.rows(*NAME, "sha256")]
    return digest([FORMAT, name_boot(), samples.size_px, samples.bands, samples.extra_bands, shas])[
        :16
    ]


def name_boot() -> str:
    """What is another when this machine has started anew; empty where it does not tell.

    Files of before may then lack what was not yet on the disk.
    """
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def own_base() -> Path:
    """The folder of this user's sets.

    Raises:
        StoreError: It cannot be made, or is somebody else's.
    """
    base = Path(tempfile.gettempdir()) / f"glacier-images-{os.getuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
    except OSError as error:
        raise explain_full(base, error) from error
    if base.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StoreError(
            f"{base} is not this user's alone: month images are not read from there; remove it, "
            "or set TMPDIR to another folder"
        )
    return base


def explain_full(place: Path, error: OSError) -> StoreError:
    """The error of files that cannot be made."""
    return StoreError(
        f"the month images cannot be laid out in {place}: {error}; free room there, or set TMPDIR "
        "to a folder on a larger disk"
    )


@contextmanager
def share(name: str) -> Iterator[Path]:
    """The folder of a set, which nobody removes during the block; made where it is not there."""
    while True:
        place = own_base() / name
        try:
            place.mkdir(exist_ok=True)
            lock = open(place / LOCK, "a", encoding="utf-8")
        except FileNotFoundError:  # removed in between
            continue
        except OSError as error:
            raise explain_full(place, error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            if is_still(place / LOCK, lock):
                yield place
                return


def is_still(path: Path, file: IO[str]) -> bool:
    """Whether an open file is the one that a path names."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def remove_unused(but: str = "") -> None:
    """Remove the folders of sets that no process uses, and what they lie in where none is left.

    Args:
        but: Name of one that stays.
    """
    base = own_base()
    for mark in base.glob(f"*/{LOCK}"):
        if mark.parent.name != but:
            with suppress(OSError), open(mark, encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where it is used
                mark.unlink()
                shutil.rmtree(mark.parent, ignore_errors=True)
    with suppress(OSError):  # others use it
        base.rmdir()


@dataclass(frozen=True)
class RegionFiles:
    """The files of one region that are to be made."""

    place: Path
    """Folder of the set's files."""
    folder: str
    """Where the samples lie."""
    samples: SampleSet
    """Their description."""
    region: str
    months: Sequence[int]
    """Places of the region's months among the usable ones."""

    def make(self, wait: bool) -> bool:
        """Make the files, whole or not at all, unless they are there.

        Args:
            wait: For another process that makes them.

        Returns:
            False where another makes them, and was not waited for.

        Raises:
            DamagedError: A file of the samples differs from its checksum, or is gone.
            StoreError: There is no room.
        """
        made, new = self.place / self.region, self.place / f"{self.region}.new"
        with open(self.place / f"{self.region}.lock", "a", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                return False
            if made.exists():
                return True
            shutil.rmtree(new, ignore_errors=True)  # of a process that was killed
            try:
                new.mkdir()
                self.fill(new)
                new.rename(made)
            except StoreError:  # which is an OSError, of the samples
                raise
            except OSError as error:
                raise explain_full(new, error) from error
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return True

    def fill(self, new: Path) -> None:
        """Write the layers of all months."""
        usable = self.samples.usable
        shape = self.samples.regions[self.region].shape
        layers = {
            name: reserve(new / f"{name}.npy", (len(self.months), *depth, *shape), kind)
            for name, (depth, kind) in list_layers(self.samples).items()
        }

        def copy(row: int) -> None:
            image = read_image(self.folder, self.samples, usable[self.months[row]])
            for name, layer in layers.items():
                layer[row] = getattr(image, name)

        size = sum(layer.nbytes for layer in layers.values()) / len(self.months)
        with ThreadPoolExecutor(max(1, min(8, int(READ_AT_ONCE / (COPIES * size))))) as pool:
            list(pool.map(copy, range(len(self.months))))
        if not name_boot():
            for layer in layers.values():
                layer.flush()


def list_layers(samples: SampleSet) -> dict[str, tuple[tuple[int, ...], str]]:
    """Layers of a month image by the names of its fields, with their bands and kind of number."""
    return {
        "numbers": ((len(samples.bands),), "<u2"),
        "extra_numbers": ((len(samples.extra_bands),), "<u2"),
        "label": ((), "u1"),
        "classes": ((), "u1"),
    }


def reserve(path: Path, shape: tuple[int, ...], kind: str) -> Any:
    """A new array in a file that has its room already.

    Raises:
        OSError: There is none: a write to a mapped file on a full disk would end the process.
    """
    layer = np.lib.format.open_memmap(path, "w+", kind, shape)
    with open(path, "r+b") as file:
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return layer


def map_layers(folder: Path, samples: SampleSet) -> dict[str, NDArray[Any]]:
    """The layers of a region's months by name, mapped from its files, read-only."""
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in list_layers(samples)}
