"""Registries in a storage: read, and changed by one process at a time, whole or not at all.

``<storage>/registry/<name>.json`` is one sealed file, so that whoever is killed at whatever moment
leaves the registry as it was or as it is to be, and the model that serves is one of the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from glacier import seals, store
from glacier.errors import ConfigError, DamagedError, StoreError
from glacier.locks import hold
from glacier.registry.records import FORMAT, GATE, Entry, Kind, Registry, Version
from glacier.wording import nearest

FOLDER = "registry"
"""Folder of a storage."""

PUT_BACK = "no job can make a registry again: put back a copy of the file"

Change = Callable[[Registry], Registry]


@dataclass(frozen=True)
class Ledger:
    """One registry of a storage, and who works on it."""

    storage: str
    """Address."""
    name: str
    """Of the registry."""
    when_locked: Literal["wait", "leave"] = "wait"
    """What is done while another process writes."""

    @property
    def address(self) -> str:
        """Where it lies."""
        return store.join(self.storage, FOLDER, f"{self.name}.json")

    @property
    def learners(self) -> str:
        """Folder that is held by whoever trains a candidate, since one does at a time."""
        return store.join(self.storage, FOLDER, self.name)

    def find(self) -> Registry | None:
        """Its content; None where it is not there.

        Raises:
            StoreError: It is damaged or of another version.
        """
        if not store.exists(self.address):
            aside = store.join(self.storage, FOLDER, seals.ASIDE, f"{self.name}.json")
            if store.exists(aside):
                raise StoreError(f"{aside} was set aside since it is damaged; {PUT_BACK}")
            return None
        try:
            found = seals.read_json(self.address).get("format")
            if found != FORMAT:
                raise StoreError(
                    f"{self.address} has format {found}, and this version of glacier reads "
                    f"{FORMAT}: use the version that wrote it, or a later one"
                )
            return seals.read_model(self.address, Registry)
        except DamagedError as error:  # a stage that is run again could not make it anew
            raise StoreError(f"{error}; {PUT_BACK}") from error

    def read(self) -> Registry:
        """Its content.

        Raises:
            ConfigError: There is none of this name.
            StoreError: It is damaged or of another version.
        """
        if (found := self.find()) is None:
            raise ConfigError(self.explain_missing())
        return found

    def explain_missing(self) -> str:
        """That there is no such registry, and what there is."""
        names = list_registries(self.storage)
        hint = nearest(self.name, names) if names else "; `glacier learn` begins one"
        return f"{self.address}: there is no registry {self.name!r}{hint}"

    def begin(self, version: Version, why: str) -> Registry:
        """Write a registry whose first version serves; one that is there stays as it is.

        Raises:
            Occupied: Another process writes it, and this one is to leave.
            StoreError: It cannot be written.
        """
        entry = Entry(at=version.made, kind="first", version=version.id, by=GATE, why=why,
                      serving=version.id)  # fmt: skip
        made = Registry(name=self.name, versions=(version,), history=(entry,))
        with hold(self, store.join(self.storage, FOLDER)):
            if (found := self.find()) is not None:
                return found
            seals.write_model(self.address, made)
        return made

    def change(self, change: Change) -> Registry:
        """Add to a registry, as it is once this process alone may write it.

        Raises:
            ConfigError: There is none, or the change is refused.
            Occupied: Another process writes it, and this one is to leave.
            StoreError: It is damaged, or cannot be written.
        """
        with hold(self, store.join(self.storage, FOLDER)):
            before = self.read()
            after = change(before)
            assert after.extends(before), "a registry is only added to"
            if after != before:
                seals.write_model(self.address, after)
        return after

    def record(self, candidate: Version) -> Registry:
        """Add a candidate, and what becomes of it by the gate's judgement.

        One that was held against a model that serves no longer is refused: nobody knows whether it
        is as good as what serves now.
        """

        def add(registry: Registry) -> Registry:
            """The registry with the candidate, and what is decided of it as it stands now."""
            judgement = candidate.judgement
            assert judgement is not None
            kind, why = judgement.decision, judgement.reason
            if registry.serving.id != candidate.follows:
                kind = "refused"
                why = (
                    f"version {registry.serving.id} began to serve while it was trained, and it "
                    f"was held against version {candidate.follows}; run `glacier learn` again"
                )
            version = candidate.model_copy(update={"id": registry.versions[-1].id + 1})
            grown = registry.model_copy(update={"versions": (*registry.versions, version)})
            serving = version.id if kind == "promoted" else registry.serving.id
            return note(grown, kind, version.id, GATE, why, serving)

        return self.change(add)

    def approve(self, who: str) -> Registry:
        """Promote the version that waits for a person.

        Raises:
            ConfigError: None waits.
        """

        def promote(registry: Registry) -> Registry:
            """The registry once the version that waits serves."""
            waiting = registry.waiting
            if waiting is None:
                raise ConfigError(
                    f"registry {self.name}: no version waits for a person; "
                    f"`glacier registry show {self.name}` has what became of each"
                )
            why = f"{who} agreed"
            return note(registry, "promoted", waiting.id, who, why, waiting.id)

        return self.change(promote)

    def roll_back(self, who: str, to: int | None = None) -> Registry:
        """Let an earlier version serve again.

        Args:
            who: Decides it.
            to: Number of a version that has served; None: the one before.

        Raises:
            ConfigError: There is none, or it never served.
        """

        def go_back(registry: Registry) -> Registry:
            """The registry once the earlier version serves."""
            version = registry.find_earlier() if to is None else registry.find(to)
            if version.id not in {entry.serving for entry in registry.history}:
                raise ConfigError(f"registry {self.name}: version {version.id} has never served")
            if version.id == registry.serving.id:
                raise ConfigError(f"registry {self.name}: version {version.id} serves already")
            why = f"{who} took version {registry.serving.id} back"
            return note(registry, "rolled back", version.id, who, why, version.id)

        return self.change(go_back)

    def locate(self, version: Version) -> str:
        """Address of a version's sweep."""
        is_below = version.model.startswith("sweeps/")
        return store.join(self.storage, version.model) if is_below else version.model

    def name_model(self, folder: str) -> str:
        """How a version names a sweep's folder: by its place below the storage, where it is."""
        return folder.removeprefix(store.join(self.storage, ""))


def note(registry: Registry, kind: Kind, version: int, by: str, why: str, serving: int) -> Registry:
    """The registry with one more decision."""
    entry = Entry(at=datetime.now(UTC), kind=kind, version=version, by=by, why=why, serving=serving)
    return registry.model_copy(update={"history": (*registry.history, entry)})


def list_registries(storage: str) -> list[str]:
    """Names of the registries of a storage."""
    names = store.list_states(store.join(storage, FOLDER))
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))
