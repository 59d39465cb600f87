"""Models of a sweep -> files for other programs, beside each model: ``glacier export``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from glacier import seals, store
from glacier.config import Config
from glacier.errors import ConfigError, DamagedError, ExportError
from glacier.labels import IGNORE
from glacier.locks import hold
from glacier.machine import explain_missing_extra
from glacier.mapping.assignment import ModelName, choose_encoders
from glacier.mapping.small_export import Int8Outcome, make_int8
from glacier.progress import Progress, say
from glacier.samples.month_images import MonthImage
from glacier.seals import Manifest
from glacier.settings.export import Export
from glacier.settings.values import BareName, Sha256
from glacier.training.export import ONNX, export_model
from glacier.training.int8 import INT8
from glacier.training.model_card import ModelCard, card_address
from glacier.training.model_files import load_model
from glacier.training.saved import SavedSweep, find_sweep
from glacier.windows import pad_to, window_starts

FORMAT = 2
"""Counts up when the files of the same model change."""

IMAGES, WINDOWS = 3, 4
"""Months that are read, and windows of them on which files are held against their model."""


class ExportRecord(Manifest):
    """Files that were made of a model: ``export.json`` beside it, which vouches for them."""

    format: int = FORMAT
    encoder: BareName
    fold: int = Field(ge=0)
    model_sha256: Sha256
    """Of the weights."""
    months: tuple[str, ...]
    """``<region>/<YYYY-MM>`` of the images on which they were held against the model."""
    differences: dict[str, float]
    """Name of each file to the largest difference of a probability from the model's own."""
    int8: Int8Outcome | None = None
    """Of the file of 8 bits, which answers otherwise; None: it was not asked for."""


def run_export(config: Config) -> int:
    """Write the files of models; returns how many models could not be exported.

    Raises:
        ConfigError: The extra is not installed, or there is no such encoder or fold.
        StoreError: The sweep is not there, or files cannot be written.
    """
    if reason := explain_missing_extra("export"):
        raise ConfigError(reason)
    sweep = find_sweep(config)
    encoders, why = choose_encoders(sweep.result, config.export, "export.encoder")
    names = list_models(sweep, encoders, config.export.folds)
    say(f"export: the models of {', '.join(encoders)}, {why}")
    failed = 0
    made = {name: find_export(sweep, name, owned=False) for name in names}
    if lacking := [name for name, found in made.items() if not is_made(found, config.export)]:
        with hold(config, sweep.places.models), Progress("export", len(lacking)) as progress:
            for name in lacking:
                failed += not make_export(sweep, name, config.export)
                progress.advance(f"{name.encoder} fold {name.fold}")
    where = f"beside each model in {sweep.places.models}"
    say(f"export: {len(names) - failed} models exported, {failed} failed; {where}")
    return failed


def list_models(
    sweep: SavedSweep, encoders: Sequence[str], folds: Sequence[int] | None
) -> list[ModelName]:
    """The models of some encoders, of some folds or all.

    Raises:
        ConfigError: A fold has no model.
    """
    found = [
        ModelName(encoder=encoder, fold=trial.fold)
        for encoder in encoders
        for trial in sweep.result.by_encoder[encoder]
    ]
    there = sorted({name.fold for name in found})
    if unknown := sorted(set(folds or ()) - set(there)):
        raise ConfigError(
            f"export.folds = {unknown}: of {', '.join(encoders)} there are models of the folds "
            f"{', '.join(map(str, there))}; give some of them, or leave it out for all"
        )
    return [name for name in found if folds is None or name.fold in folds]


def find_export(sweep: SavedSweep, name: ModelName, owned: bool) -> ExportRecord | None:
    """The record of a model's files, if they are whole and of this model.

    Args:
        sweep: The sweep.
        name: The model.
        owned: This run alone works there, so damaged files are said and set aside.

    Raises:
        DamagedError: The model is gone; the sweep can make it again.
    """
    folder = sweep.places.model(name.encoder, name.fold)
    if not store.exists(card_address(folder)):
        raise DamagedError.of(card_address(folder), "it is gone")
    record = seals.read_whole(store.join(folder, "export.json"), ExportRecord, owned)
    if record is None or record.format != FORMAT:
        return None
    card = seals.read_model(card_address(folder), ModelCard)
    return record if record.model_sha256 == card.sha256 else None


def is_made(record: ExportRecord | None, settings: Export) -> bool:
    """Whether all is there that some settings ask for, or why it cannot be."""
    return record is not None and (record.int8 is not None or not settings.int8)


def make_export(sweep: SavedSweep, name: ModelName, settings: Export) -> bool:
    """Write the files of a model and their record, unless another run has meanwhile.

    Returns:
        Whether they are there now; why not is said.

    Raises:
        StoreError: The model is damaged, or files cannot be written.
    """
    if is_made(find_export(sweep, name, owned=True), settings):
        return True
    folder = sweep.places.model(name.encoder, name.fold)
    model, card = load_model(folder)
    images = read_some(sweep)
    try:
        made = export_model(model, card, choose_windows(images, card.inference.size_px))
    except ExportError as error:
        say(f"export: {error}")
        return False
    small = make_int8(sweep, card, made.files[ONNX]) if settings.int8 else None
    if small:
        say(describe_int8(name, small.outcome))
    record = ExportRecord(
        encoder=name.encoder,
        fold=name.fold,
        model_sha256=card.sha256,
        months=tuple(image.key for image in images),
        differences=made.differences,
        int8=small and small.outcome,
    )
    files = {**made.files, **({INT8: small.content} if small and small.content else {})}
    seals.write_whole(store.join(folder, "export.json"), record, files)
    return True


def describe_int8(name: ModelName, outcome: Int8Outcome) -> str:
    """What a line says of a file of 8 bits."""
    who = f"export: {name.encoder}, fold {name.fold}, in 8 bits"
    if outcome.reason:
        return f"{who}: no file, since {outcome.reason}"
    if outcome.score is None:
        return f"{who}: what it costs is not known, since no ground of known class was tested"
    score = outcome.score
    return (
        f"{who}: IoU {score.iou:.3f}, in float32 {score.iou_float32:.3f}, on {score.images} images "
        f"of its test part; {100 * score.same_class:.2f} % of the pixels are called the same"
    )


def read_some(sweep: SavedSweep) -> list[MonthImage]:
    """A few images of a sweep, the first and the last among them."""
    usable = sweep.samples.usable
    spread = np.linspace(0, len(usable) - 1, min(IMAGES, len(usable))).round().astype(int)
    return list(sweep.read_images({usable[index].key for index in spread}))


def choose_windows(images: Iterable[MonthImage], size: int) -> NDArray[np.float32]:
    """Windows that show as much as there is: first those with glacier, ground and unseen pixels.

    Args:
        images: Month images.
        size: Side of a window, pixels.

    Returns:
        (N, B, size, size) float32, NaN where unseen, at most ``WINDOWS`` of them.
    """
    found = []
    for image in images:
        pixels, label = pad_to(image.image, size, np.nan), pad_to(image.label, size, IGNORE)
        for row in window_starts(label.shape[0], size, size):
            for col in window_starts(label.shape[1], size, size):
                cut = np.s_[..., row : row + size, col : col + size]
                kinds = (label[cut] == 1, label[cut] == 0, np.isnan(pixels[cut]))
                found.append((sum(bool(kind.any()) for kind in kinds), pixels[cut]))
    best = sorted(found, key=lambda each: -each[0])[:WINDOWS]  # of equals the first
    return np.stack([window for _, window in best])
