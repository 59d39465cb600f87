"""A file of a release -> a storage of its own that a run maps with, refused unless all is right."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from glacier import seals, store
from glacier.errors import DamagedError, GlacierError, StoreError
from glacier.progress import say
from glacier.releases.index import SharedModel, copy_file, read_release
from glacier.scratch import open_scratch
from glacier.seals import Manifest
from glacier.settings.values import Name, Sha256
from glacier.training.model_files import load_model
from glacier.training.saved import open_sweep

MARK = "fetched.json"
"""Name of what says that a model is here whole."""

PART = r"[\w-][\w.-]*"

INSIDE = re.compile(
    rf"sweeps/{PART}/sweep\.json|samples/{PART}/(summary\.json|_months\.parquet)"
    rf"|models/{PART}/{PART}/fold-\d{{1,3}}/{PART}\.(json|md|safetensors)",
    re.ASCII,
)
"""Names that files of a shared model may have; none leads out of its folder."""


class Fetched(Manifest):
    """A model that was fetched: ``fetched.json``, which vouches for its files."""

    name: Name
    source: str
    """Folder or web address that it came from."""
    sha256: Sha256
    """Of the file that it came in."""


def fetch_model(address: str, name: str, into: str, sha256: str = "") -> str:
    """Bring a shared model here, look at all of it, and keep it only if it can be used.

    Args:
        address: Folder, object store or web address of a release.
        name: The model.
        into: Folder that gets a folder of the model's name.
        sha256: Of the file, as somebody said whom you trust; empty: what the list says counts.

    Returns:
        Address of its sweep, for ``predict.sweep``.

    Raises:
        ConfigError: There is no such model.
        DamagedError: The file is not what was offered or asked for.
        StoreError: It cannot be read, or holds what this version does not use.
        WeightsError: Weights do not fit their network.
    """
    model = read_release(address).find(name, address)
    if sha256 and model.sha256 != sha256.lower():
        raise DamagedError.of(
            store.join(address, model.file), f"sha256 {model.sha256}, asked for {sha256}"
        )
    folder = store.join(store.absolute(into), model.name)
    there = seals.read_whole(store.join(folder, MARK), Fetched, owned=False)
    if there is None or there.sha256 != model.sha256:
        with open_scratch() as scratch:
            say(f"models: fetching {model.name}, {model.bytes / 1e6:.1f} MB, from {address}")
            copy_file(address, model, scratch / "models.tar")
            unpack(scratch / "models.tar", model, scratch / "storage")
            check_models(scratch / "storage", model)
            keep(scratch / "storage", folder, model, address)
    say(f"models: {model.name} is in {folder}, licence {model.licence}")
    return store.join(folder, "sweeps", model.sweep)


def unpack(path: Path, model: SharedModel, folder: Path) -> None:
    """Write the files of a tar, which may come from anybody, below a folder.

    Raises:
        StoreError: It holds what no shared model holds, or more than was said.
    """
    left, seen = model.unpacked, set()
    try:
        with tarfile.open(path, "r:") as tar:
            for entry in tar:
                left -= entry.size
                if not entry.isreg() or not INSIDE.fullmatch(entry.name) or entry.name in seen:
                    raise StoreError(f"{model.file} holds {entry.name!r:.120}: not a model's file")
                if left < 0:
                    raise StoreError(f"{model.file} holds more than {model.unpacked} bytes")
                seen.add(entry.name)
                tar.extract(entry, folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise StoreError(f"{model.file} is no whole tar file: {error}") from error


def check_models(folder: Path, model: SharedModel) -> None:
    """Refuse a sweep or a model that this version cannot map with.

    Raises:
        StoreError: The sweep, its samples or a model is not there, damaged or of another version.
        WeightsError: Weights do not fit their network.
    """
    try:
        sweep = open_sweep(str(folder / "sweeps" / model.sweep))
        for trial in sweep.result.trials:
            load_model(sweep.places.model(trial.encoder, trial.fold))
    except GlacierError as error:
        said = str(error).replace(f"{folder}/", "")
        raise type(error)(f"{model.file} cannot be used: {said}") from error
    if not sweep.result.trials:
        raise StoreError(f"{model.file} cannot be used: no model is in it")


def keep(source: Path, folder: str, model: SharedModel, address: str) -> None:
    """Move the files where they belong, then write what vouches for them.

    Raises:
        StoreError: The place cannot be written to.
    """
    mark = store.join(folder, MARK)
    seals.withdraw(mark)
    files = {
        name: store.write_file(store.join(folder, name), file)
        for file in sorted(found for found in source.rglob("*") if found.is_file())
        if (name := file.relative_to(source).as_posix())
    }
    fetched = Fetched(name=model.name, source=address, sha256=model.sha256, files=files)
    seals.vouch(mark, fetched)
