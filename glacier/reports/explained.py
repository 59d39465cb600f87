"""A map -> its explanation, as page, JSON and CSV: ``glacier explain``."""

from __future__ import annotations

import time
from collections.abc import Mapping

from glacier import seals, store
from glacier.config import Config
from glacier.explaining.explain_map import Explainer
from glacier.explaining.explanation import FORMAT, Explanation
from glacier.explaining.open_map import Shelf, choose_map, open_map, read_tested
from glacier.explaining.words import write_sentences
from glacier.locks import hold, remove_dead
from glacier.mapping.added_months import find_grown_sweep
from glacier.mapping.assignment import ModelName
from glacier.mapping.map_plan import MapTask, take_months
from glacier.progress import say
from glacier.reports.explain_page import render_explanation
from glacier.reports.tables import encode_csv
from glacier.settings.identity import digest, identity
from glacier.settings.model import RUNTIME_ONLY
from glacier.training.saved import SavedSweep


def run_explain(config: Config) -> int:
    """Explain a map of a run; nothing is done where its explanation is there already.

    Returns:
        0.

    Raises:
        ConfigError: There is no such map or place.
        StoreError: The sweep or a file is not there, or nothing can be written.
    """
    config = take_months(config)
    sweep = find_grown_sweep(config)
    task = choose_map(config, sweep)
    shelf = Shelf(sweep.places.models, config.explain.cpus, config.predict.gpus_per_worker)
    inputs = digest_inputs(config, sweep, task, shelf)
    folder = place_explanation(config, task, inputs)
    if not is_current(folder, inputs, owned=False):
        with hold(config, folder):
            if not is_current(folder, inputs, owned=True):  # another run may have written it
                write_explanation(config, sweep, task, shelf, folder, inputs)
    else:
        remove_dead(config, folder)
    found = seals.read_model(store.join(folder, "explanation.json"), Explanation)
    for sentence in found.sentences:
        say(f"explain: {sentence}")
    say(f"explain: {store.join(folder, 'explanation.html')}")
    return 0


def digest_inputs(config: Config, sweep: SavedSweep, task: MapTask, shelf: Shelf) -> str:
    """Hash of all that an explanation follows from."""
    settings = identity(config.explain, (RUNTIME_ONLY,))
    return digest(
        {
            "format": FORMAT,
            "sweep": sweep.sha256,
            "image": task.record.image_sha256,
            "models": [shelf.read_checksum(name) for name in list_names(task)],
            "parts": [part.model_dump(mode="json") for part in task.parts],
            "predict": identity(config.predict, (RUNTIME_ONLY,)),
            "settings": settings,
        }
    )


def list_names(task: MapTask) -> list[ModelName]:
    """The models of a map, each once."""
    names = {(n.encoder, n.fold): n for part in task.parts for n in part.models}
    return [names[key] for key in sorted(names)]


def place_explanation(config: Config, task: MapTask, inputs: str) -> str:
    """Folder of an explanation, below the run's results."""
    name = f"{task.record.region}-{task.record.name}-{inputs[:8]}"
    return store.join(store.results_folder(config), "explain", name)


def is_current(folder: str, inputs: str, owned: bool) -> bool:
    """Whether the explanation in a folder is of these inputs, with all of its files whole.

    One that had no time for a method is made again.
    """
    address = store.join(folder, "explanation.json")
    found = seals.read_whole(address, Explanation, owned)
    return found is not None and found.inputs_sha256 == inputs and not found.late


def write_explanation(
    config: Config, sweep: SavedSweep, task: MapTask, shelf: Shelf, folder: str, inputs: str
) -> None:
    """Explain a map, and write what was found."""
    begun = time.perf_counter()
    opened = open_map(config, sweep, task, shelf)
    say(f"explain: {task.record.region} {task.record.name}, {opened.facts.seen_px} pixels")
    explainer = Explainer(
        opened.subject,
        config.explain,
        opened.classes,
        lambda: read_tested(config, sweep, task.record.region, shelf),
    )
    findings, layers = explainer.run()
    sampled = int(explainer.sample.wanted.sum())
    found = Explanation(
        inputs_sha256=inputs,
        place=opened.facts.model_copy(update={"sampled_px": sampled}),
        bands_seen=opened.subject.bands,
        models=tuple(list_names(task)),
        settings=config.explain,
        seconds=time.perf_counter() - begun,
        **vars(findings),
    )
    found = found.model_copy(update={"sentences": write_sentences(found)})
    page = render_explanation(config, found, layers, explainer.subject.wanted)
    contents = encode_tables(found) | {"explanation.html": page.encode()}
    seals.write_whole(store.join(folder, "explanation.json"), found, contents)


def encode_tables(found: Explanation) -> dict[str, bytes]:
    """The numbers as CSV, by name of the file."""
    worths = {each.band: each for each in found.region.bands} if found.region else {}
    rows = [
        {
            "band": name,
            **describe_effect(found, name),
            "shapley": found.shapley.get(name),
            "gradients_sum": found.gradients.get(name),
            "gradients_size": found.gradients_size.get(name),
            "region_iou_drop": worths[name].iou_drop if name in worths else None,
            "region_low": worths[name].low if name in worths else None,
            "region_high": worths[name].high if name in worths else None,
        }
        for name in found.bands_seen
    ]
    curves = [
        {"method": curve.method, "step": step, "deletion": gone, "insertion": came,
         "random_deletion": curve.random_deletion[step],
         "random_insertion": curve.random_insertion[step]}
        for curve in found.curves
        for step, (gone, came) in enumerate(zip(curve.deletion, curve.insertion, strict=True))
    ]  # fmt: skip
    return {"bands.csv": encode_csv(rows), "curves.csv": encode_csv(curves)}


def describe_effect(found: Explanation, band: str) -> Mapping[str, float]:
    """What a map without a band is, as columns; none where it was not asked for."""
    effect = next((each for each in found.bands if each.band == band), None)
    if effect is None:
        return {}
    names = ("strength_drop", "ice_km2", "gained_km2", "lost_km2")
    return {name: getattr(effect, name) for name in names}
