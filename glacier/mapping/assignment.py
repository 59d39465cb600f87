"""Which models map which ground: those that never saw it, or the mean of all folds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from glacier.errors import ConfigError, SweepError
from glacier.evaluation.comparison import compare_methods
from glacier.evaluation.results import SweepResult
from glacier.samples.sample_set import month_key
from glacier.samples.units import Rectangle, unit_rectangles
from glacier.settings.export import Export
from glacier.settings.model import Model
from glacier.settings.predict import Predict
from glacier.settings.values import BareName
from glacier.wording import nearest, shorten_list

BEST, ENSEMBLE = "best", "ensemble"
"""What ``predict.encoder`` and ``export.encoder`` may be besides a name."""


ASKED = "as asked"
"""Why encoders are taken that the settings name."""


class ModelName(Model):
    """One model of a sweep."""

    encoder: BareName
    fold: int


class Part(Model):
    """Ground that some models map; their answers are averaged."""

    rectangles: tuple[Rectangle, ...] | None
    """Pixels of the image that the network sees; None: all of it."""
    models: tuple[ModelName, ...]


def choose_encoders(
    sweep: SweepResult, settings: Predict | Export, field: str = "predict.encoder"
) -> tuple[tuple[str, ...], str]:
    """Encoders whose models are wanted, and why: the end of a sentence about them.

    Args:
        sweep: The sweep.
        settings: Say who is asked for.
        field: Name of the field that says so.

    Raises:
        ConfigError: The sweep has no such encoder, or none of it finished.
    """
    done = tuple(sweep.by_encoder)
    if settings.encoder == ENSEMBLE:
        return done, ASKED
    if settings.encoder != BEST:
        if settings.encoder not in done:
            raise ConfigError(
                f"{field} = {settings.encoder!r}: the sweep has no models of it"
                f"{nearest(settings.encoder, [*done, BEST, ENSEMBLE])}"
            )
        return (settings.encoder,), ASKED
    choice = compare_methods(sweep).choice
    if choice is not None:
        return (choice,), "which the report recommends"
    return done, "since the report recommends none of these networks; read there why"


def assign_models(
    sweep: SweepResult,
    encoders: Sequence[str],
    image: tuple[str, date, tuple[int, int]] | None,
    folds: str = "unseen",
) -> list[Part]:
    """Which models map which ground of an image.

    Args:
        sweep: The sweep.
        encoders: Whose models map.
        image: Region, month, and height x width, pixels, of an archive's image as the network sees
            it; None: an image that no fold holds.
        folds: As ``predict.folds``.

    Returns:
        Parts that hold every pixel once. What a fold tests is mapped by that fold's models, all
        else by those of all folds.

    Raises:
        SweepError: The models of a fold that is needed failed.
    """
    trials = {(trial.encoder, trial.fold) for trial in sweep.trials}
    everyone = tuple(
        ModelName(encoder=encoder, fold=split.fold)
        for encoder in encoders
        for split in sweep.splits
        if (encoder, split.fold) in trials
    )
    if image is None or folds == "all" or month_key(image[0], image[1]) in sweep.held_out:
        return [Part(rectangles=None, models=everyone)]
    masks, tested = sweep.masks, {u: split.fold for split in sweep.splits for u in split.test}
    units = unit_rectangles(masks.kind, *image, masks.blocks, masks.southern)
    ground: dict[int | None, list[Rectangle]] = {}
    for unit, rectangle in units.items():
        ground.setdefault(tested.get(unit), []).append(rectangle)
    parts = []
    for fold, rectangles in ground.items():
        models = tuple(model for model in everyone if fold is None or model.fold == fold)
        if not models:
            raise SweepError(
                f"no model of {shorten_list(list(encoders), 5)} is there of fold {fold}, which "
                "alone has not seen this ground: run `glacier sweep` again, or set predict.folds "
                "all"
            )
        places = None if len(ground) == 1 else tuple(rectangles)
        parts.append(Part(rectangles=places, models=models))
    return parts
