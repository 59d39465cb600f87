"""Which models can answer: all networks of an encoder of a finished sweep, or of several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from glacier import seals, store
from glacier.config import Config
from glacier.errors import ConfigError, GlacierError, WeightsError
from glacier.evaluation.caveats import explain_run, mean_clipped
from glacier.evaluation.scorecard import Scorecard
from glacier.mapping.assignment import ENSEMBLE, ModelName, assign_models, choose_encoders
from glacier.mapping.map_plan import FILES
from glacier.mapping.tested_areas import find_area_errors
from glacier.mapping.uncertainty import AreaErrors
from glacier.serving.answer import ServedModel
from glacier.settings.model import Model
from glacier.settings.predict import Predict
from glacier.settings.series import Series
from glacier.training.model_card import ModelCard, card_address, show_pixels
from glacier.training.saved import SavedSweep, find_mapping_sweep, open_sweep
from glacier.wording import join_words, nearest

NO_ID = re.compile(r"[^A-Za-z0-9._-]")
"""What a folder of a sweep may be called with, and an id may not."""

UNNAMED = "a sensor that the run does not name"

MAX_PLACE = 80
"""Characters of the folder's name that an id holds; runs give at most 73."""


class Candidate(Model):
    """A model that can answer, and all that a process has to know to answer by it."""

    served: ServedModel
    folder: str
    """Address of the folder of its networks."""
    names: tuple[ModelName, ...]
    """Its networks; each sees the whole of an image."""
    errors: AreaErrors
    """Of areas where the truth is known."""
    predict: Predict
    """How images are mapped, on which device."""
    series: Series
    """How outlines are drawn."""


class ModelShelf:
    """The models of a run's storage; nothing that a client says is ever a part of an address."""

    def __init__(self, config: Config) -> None:
        """Find the sweep that answers first.

        Args:
            config: The run; ``predict`` says which of its models answer first.

        Raises:
            StoreError: Its sweep is not there; the message names the job to run first.
        """
        self.config = config
        self.own = find_mapping_sweep(config).places.sweep
        self.known: dict[str, tuple[store.FileState, tuple[Candidate, ...]]] = {}

    def choose_first(self) -> Candidate:
        """The model that answers first: that of ``predict.encoder``.

        Raises:
            ConfigError: There is no such encoder.
            StoreError: A network of it is missing or damaged.
        """
        return choose_candidate(self.config, open_sweep(self.own))

    def list_candidates(self) -> list[Candidate]:
        """All that can answer: of the run's own sweep first, then of its storage by name."""
        sweeps = store.join(store.absolute(self.config.storage), "sweeps")
        below = [store.join(sweeps, name) for name in store.list_folders(sweeps)]
        places = dict.fromkeys([self.own, *below])
        found: dict[str, Candidate] = {}
        for place in places:
            for candidate in self.read(place):
                found.setdefault(candidate.served.id, candidate)
        return list(found.values())

    def read(self, place: str) -> tuple[Candidate, ...]:
        """What can answer of one sweep; nothing of one that is unfinished or cannot be read."""
        state = store.list_states(place).get("sweep.json")
        if state is None:
            self.known.pop(place, None)
            return ()
        if place not in self.known or self.known[place][0] != state:
            try:
                found = tuple(list_sweep(self.config, open_sweep(place)))
            except GlacierError:  # of another version, or half removed
                found = ()
            self.known[place] = state, found
        return self.known[place][1]

    def find(self, model_id: str) -> Candidate:
        """The model of an id, which is compared with those that there are and used for no more.

        Raises:
            ConfigError: There is none.
        """
        by_id = {candidate.served.id: candidate for candidate in self.list_candidates()}
        if model_id not in by_id:
            raise ConfigError(f"there is no model {model_id!r:.160}{nearest(model_id, [*by_id])}")
        return by_id[model_id]


def choose_candidate(config: Config, sweep: SavedSweep) -> Candidate:
    """The model of a sweep that answers: that of ``predict.encoder``.

    Raises:
        ConfigError: There is no such encoder.
        StoreError: A network of it is missing or damaged.
    """
    encoders, _ = choose_encoders(sweep.result, config.predict)
    return describe_candidate(config, sweep, encoders)


def list_sweep(config: Config, sweep: SavedSweep) -> Iterator[Candidate]:
    """The models of a sweep that can answer, the recommended one first."""
    done = tuple(sweep.result.by_encoder)
    best, _ = choose_encoders(sweep.result, Predict())
    groups = [best, *((name,) for name in done), done]
    for encoders in dict.fromkeys(groups):
        try:
            yield describe_candidate(config, sweep, encoders)
        except GlacierError:  # its networks were removed, or never kept
            continue


def describe_candidate(config: Config, sweep: SavedSweep, encoders: Sequence[str]) -> Candidate:
    """A model with all that there is to say of it.

    Raises:
        StoreError: One of its networks is missing or damaged.
        WeightsError: It has no network.
    """
    (part,) = assign_models(sweep.result, encoders, None)
    cards = [read_card(sweep, name) for name in part.models]
    if not cards:
        raise WeightsError(f"{sweep.places.models} holds no network of {join_words(encoders)}")
    errors = find_area_errors(config, sweep, encoders, FILES)
    serve = config.serve
    device = {"cpus_per_worker": serve.cpus_per_worker, "gpus_per_worker": serve.gpus_per_worker}
    return Candidate(
        served=describe_model(config, sweep, encoders, cards),
        folder=sweep.places.models,
        names=part.models,
        errors=errors,
        predict=config.predict.model_copy(update=device),
        series=config.series,
    )


def read_card(sweep: SavedSweep, name: ModelName) -> ModelCard:
    """The card of a network.

    Raises:
        StoreError: It is missing or damaged.
    """
    return seals.read_model(card_address(sweep.places.model(name.encoder, name.fold)), ModelCard)


def describe_model(
    config: Config, sweep: SavedSweep, encoders: Sequence[str], cards: Sequence[ModelCard]
) -> ServedModel:
    """What a model is, and what it scored on ground that it never saw."""
    scored = [card for card in list_scorecards(sweep, encoders) if card.counts.glacier_pixels]
    best, _ = choose_encoders(sweep.result, Predict())
    return ServedModel(
        id=name_model(sweep, encoders),
        sha256=digest_weights(cards),
        encoders=tuple(encoders),
        bands=tuple(sorted(cards[0].image.landsat_bands)),
        pixel_m=cards[0].pixel_m,
        iou=sum(card.counts.iou for card in scored) / len(scored) if scored else None,
        area_error=measure_area_error(scored),
        recommended=tuple(encoders) == best,
        says=tuple(explain_model(config, sweep, cards)),
    )


def digest_weights(cards: Iterable[ModelCard]) -> str:
    """What tells the networks of a model from all others: a checksum over theirs."""
    return store.checksum(" ".join(card.sha256 for card in cards).encode())


def name_model(sweep: SavedSweep, encoders: Sequence[str]) -> str:
    """The id of a model; a character that an id cannot hold becomes ``_``."""
    place = NO_ID.sub("_", sweep.places.sweep.rpartition("/")[2])[:MAX_PLACE]
    return f"{place}+{encoders[0] if len(encoders) == 1 else ENSEMBLE}"


def list_scorecards(sweep: SavedSweep, encoders: Sequence[str]) -> list[Scorecard]:
    """What an encoder, or the mean of several, scored in each fold."""
    if len(encoders) == 1:
        return [trial.scorecard for trial in sweep.result.by_encoder[encoders[0]]]
    return [fold.scorecard for fold in sweep.result.ensemble.folds]


def measure_area_error(cards: Sequence[Scorecard]) -> float | None:
    """Errors of area on test images without their signs, over the true area; None without any."""
    counts = [image.counts for card in cards for image in card.images]
    true = sum(found.glacier_pixels for found in counts)
    return sum(abs(found.area_error_px) for found in counts) / true if true else None


def explain_model(config: Config, sweep: SavedSweep, cards: Sequence[ModelCard]) -> Iterator[str]:
    """What is to be read before a number of a model."""
    trained, result, first = sweep.result.config, sweep.result, cards[0]
    data = first.data
    yield (
        f"It learned from {join_words([trained.place(name) for name in data.regions])}, "
        f"{data.first} to {data.last} ({data.images} months with an image), {name_sensor(trained)}."
    )
    yield (
        f"All {len(cards)} networks of its folds answer together, by their mean; what is said of "
        "its scores was measured with networks that had not seen the ground they were tested on."
    )
    yield from explain_run(
        trained,
        len(sweep.samples.usable),
        min(len(split.validation) for split in result.splits),
        mean_clipped(sweep.samples.months),
        sorted(result.bare),
        result.unchosen,
    )
    other = "resampled to them" if config.predict.resample else "refused"
    yield (
        f"It was tested on pixels of {show_pixels(first)}; an image of others is {other}. Other "
        "sensors, other glaciers and new snow on ice and ground it was not tested on."
    )
    yield "A map of it alone is no ground for a decision on water or safety."


def name_sensor(trained: Config) -> str:
    """Which satellites a run's images are of."""
    ingest = trained.ingest
    if ingest.chosen.knows_truth:
        return "made up by a program"
    if ingest.source == "stac" and ingest.stac.product != "landsat":
        return f"of {ingest.stac.collection}"
    if "platforms" in ingest.chosen.inapplicable:
        named = {image.platform or UNNAMED for image in ingest.folder.images} or {UNNAMED}
        return f"of {join_words(sorted(named))}"
    return f"of Landsat {join_words([str(number) for number in ingest.platforms])}"
