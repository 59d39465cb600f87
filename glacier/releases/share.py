"""The finished sweep of a run -> one file of a release: models and scores, without images."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from glacier import seals, store
from glacier.config import Config
from glacier.evaluation.comparison import compare_methods
from glacier.evaluation.results import EnsembleResult, SweepResult
from glacier.locks import hold
from glacier.mapping.assignment import choose_encoders
from glacier.progress import say
from glacier.releases.index import INDEX, MAX_SENTENCE, Release, SharedModel, read_release
from glacier.reports.sharing import share_config, share_text
from glacier.samples.sample_set import SampleSet, hold_months, write_set
from glacier.scratch import open_scratch
from glacier.settings.model import STORED
from glacier.training.model_card import ModelCard, describe_model
from glacier.training.model_files import read_card
from glacier.training.saved import SavedSweep, SweepPlaces, find_sweep

FORBIDDEN = (
    "The licence of the outlines forbids commercial use: of these models and their maps, too, "
    "unless their owner says otherwise."
)


@dataclass(frozen=True)
class Packed:
    """The file of a shared model."""

    bytes: int
    unpacked: int
    """Bytes of all files in it."""
    sha256: str
    card_sha256: str
    """Of the card beside it."""


def share_run(config: Config, folder: str, licence: str) -> SharedModel:
    """Add the models that a run would map with to a release; one of the same name is replaced.

    Args:
        config: The run, with a finished sweep; ``predict.encoder`` says whose models.
        folder: Address of the release.
        licence: Under which the weights are passed on.

    Raises:
        ConfigError: There is no such encoder.
        StoreError: The sweep or a model is not there, or the release cannot be written.
    """
    return share_sweep(config, find_sweep(config), folder, licence)


def share_sweep(config: Config, sweep: SavedSweep, folder: str, licence: str) -> SharedModel:
    """The same of a sweep that was read; what is said there holds."""
    encoders, _ = choose_encoders(sweep.result, config.predict)
    folder = store.absolute(folder)
    with hold(config, folder), open_scratch() as scratch:
        before = read_release(folder) if store.exists(store.join(folder, INDEX)) else Release()
        inside = scratch / "storage"
        cards = lay_out(sweep, encoders, inside)
        text, tar = describe_model(cards[0]).encode(), scratch / "models.tar"
        packed = Packed(
            unpacked=pack(inside, tar),
            bytes=tar.stat().st_size,
            sha256=store.checksum_file(tar),
            card_sha256=store.checksum(text),
        )
        model = describe_share(sweep, encoders, cards[0], packed, licence)
        store.write_file(store.join(folder, model.file), tar)
        store.write_bytes(store.join(folder, model.card), text)
        others = [other for other in before.models if other.name != model.name]
        models = tuple(sorted([*others, model], key=lambda one: one.name))
        seals.write_model(store.join(folder, INDEX), Release(models=models))
    say(f"models: {model.name}, {model.bytes / 1e6:.1f} MB, in {folder}")
    return model


def lay_out(sweep: SavedSweep, encoders: Sequence[str], inside: Path) -> list[ModelCard]:
    """Write a storage that holds some encoders of a sweep, and no image.

    Args:
        sweep: The sweep.
        encoders: Whose models are shared.
        inside: The storage, which is made.

    Returns:
        The card of each model.

    Raises:
        StoreError: A model is not there, or differs from its checksums.
    """
    there = SweepPlaces(
        samples=move_below(inside / "samples", sweep.places.samples),
        sweep=move_below(inside / "sweeps", sweep.places.sweep),
        trials="",
        models=move_below(inside / "models", sweep.places.models),
    )
    cards = []
    for trial in sweep.result.trials:
        if trial.encoder in encoders:
            source = sweep.places.model(trial.encoder, trial.fold)
            cards.append(copy_model(source, there.model(trial.encoder, trial.fold)))
    write_set(there.samples, share_samples(sweep.samples, sweep.result.config))
    seals.write_model(there.result, share_result(sweep.result, encoders))
    return cards


def share_samples(samples: SampleSet, config: Config) -> SampleSet:
    """Samples whose months say why they failed without a place of a machine."""
    months = (
        month.model_copy(
            update={
                "reason": share_text(month.reason, config),
                "notes": tuple(share_text(note, config) for note in month.notes),
            }
        )
        for month in samples.months
    )
    return samples.model_copy(update={"months": hold_months(tuple(months))})


def move_below(folder: Path, address: str) -> str:
    """Address of a folder's namesake below another folder."""
    return str(folder / address.rpartition("/")[2])


def copy_model(source: str, place: str) -> ModelCard:
    """Copy the files of a model; what was exported of it is left out.

    Raises:
        StoreError: A file is missing or differs from its checksum.
    """
    card = read_card(source)
    for name, sha256 in card.files.items():
        with store.local_copy(store.join(source, name), sha256) as path:
            store.write_file(store.join(place, name), path)
    seals.vouch(store.join(place, "model.json"), card)
    return card


def share_result(result: SweepResult, encoders: Sequence[str]) -> SweepResult:
    """A sweep of some encoders alone, without what concerns nobody else."""
    config = result.config
    sweep = config.sweep.of_encoders(encoders)
    values = share_config(config.model_copy(update={"sweep": sweep}))
    alone = EnsembleResult(reason="one encoder alone is no ensemble")
    return result.model_copy(
        update={
            "config": Config.model_validate(values, context=STORED),
            "trials": tuple(t for t in result.trials if t.encoder in encoders),
            "failed": tuple(
                found.model_copy(update={"reason": share_text(found.reason, config)})
                for found in result.failed
                if found.encoder in encoders
            ),
            "ensemble": result.ensemble if len(encoders) > 1 else alone,
            "files": {},
        }
    )


def pack(folder: Path, path: Path) -> int:
    """Write all files of a folder as a tar whose bytes follow from theirs alone.

    Returns:
        Bytes of the files, added up.
    """
    unpacked = 0
    with tarfile.open(path, "x", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(found for found in folder.rglob("*") if found.is_file()):
            entry = tarfile.TarInfo(file.relative_to(folder).as_posix())
            entry.size, entry.mode = file.stat().st_size, 0o644
            unpacked += entry.size
            with file.open("rb") as content:
                tar.addfile(entry, content)
    return unpacked


def describe_share(
    sweep: SavedSweep, encoders: Sequence[str], card: ModelCard, packed: Packed, licence: str
) -> SharedModel:
    """What a list of models says of a sweep.

    Args:
        sweep: The sweep.
        encoders: Whose models are shared.
        card: Of the first of them.
        packed: Its file.
        licence: Under which the weights are passed on.
    """
    config, provenance = sweep.result.config, card.label.provenance
    result = share_result(sweep.result, encoders)
    return SharedModel(
        name=config.name,
        made=datetime.now(UTC).replace(microsecond=0),
        licence=licence,
        sentence=share_text(compare_methods(result).verdict, config)[:MAX_SENTENCE],
        warning=FORBIDDEN if provenance is not None and provenance.forbids_trade else "",
        encoders=tuple(encoders),
        folds=len({trial.fold for trial in result.trials}),
        bands=card.bands,
        pixel_m=card.pixel_m,
        regions=card.data.regions,
        first=card.data.first,
        last=card.data.last,
        sensors=card.data.sensors,
        sweep=sweep.places.sweep.rpartition("/")[2],
        **asdict(packed),
    )
