"""A finished sweep with all its files, written without training."""

import io
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from glacier import seals, store
from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.evaluation.metrics import Counts
from glacier.evaluation.results import (
    PREDICTIONS,
    BaselineFold,
    BaselineResult,
    EnsembleResult,
    FailedTrial,
    SweepResult,
    TrialResult,
    explain_no_ensemble,
)
from glacier.evaluation.scorecard import OutlineScore, Scorecard, ScorecardBuilder
from glacier.geo.raster import Grid
from glacier.labels import Surface
from glacier.samples.coding import REFLECTANCE
from glacier.samples.folds import FoldMasks, Split, make_splits
from glacier.samples.month_images import MonthImage
from glacier.samples.rows import write_rows
from glacier.samples.sample_set import (
    Frame,
    SampleMonth,
    SampleSet,
    month_key,
    samples_folder,
    write_set,
)
from glacier.training.ensemble import score_ensemble_fold
from glacier.training.saved import SweepPlaces, place_sweep, settings_digest
from tests.support.months import make_month
from tests.support.sweeps import make_trial

SHAPE, SIZE, BLOCKS = (40, 48), 32, (2, 3)
RECORDS = [
    MonthRecord("ridge", "2014-10", "ok", valid_share=0.5),
    MonthRecord("ridge", "2014-12", "empty", "solar_zenith: sun at most 7.9 deg high"),
    MonthRecord("ridge", "2015-02", "ok", valid_share=0.9),
    MonthRecord("ridge", "2015-06", "failed", "cut", "RasterError"),
]
FRAME = Frame(
    grid=Grid("EPSG:32608", 0, 0, pixel_m=30, height=SHAPE[0], width=SHAPE[1]), shape=SHAPE
)
MONTHS = [date(2014, 10, 1), date(2015, 2, 1), date(2015, 3, 1), date(2016, 7, 1)]
ENCODERS = ("resnet34", "resnet50")


def make_config(tmp_path: Path, **sweep) -> Config:
    label = {"kind": "ndsi"}
    return Config.model_validate(
        {
            "name": "tiny",
            "storage": str(tmp_path / "data"),
            "results": str(tmp_path / "results"),
            "regions": [{"name": "ridge"}],
            "months": {"first": "2014-10", "last": "2016-07"},
            "ingest": {"source": "folder"},
            "prepare": {"size_px": SIZE, "blocks": BLOCKS, "label": label},
            "sweep": {
                "encoders": ENCODERS,
                "epochs": 3,
                "folds": {"kind": "by_block", "count": 3},
                **sweep,
            },
        }
    )


def make_images() -> list[MonthImage]:
    """A slope of ice that shrinks, with an unknown corner."""
    rng = np.random.default_rng(7)
    images = []
    for k, month in enumerate(MONTHS):
        label = (np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) > 30 + 4 * k).astype(
            np.uint8
        )
        image = (0.15 + 0.6 * label + rng.normal(0, 0.05, (3, *SHAPE))).astype(np.float32)
        image[:, :6, :5] = np.nan
        label[:6, :5] = 255
        surface = np.where(label == 1, Surface.CLEAN_ICE, Surface.ROCK).astype(np.uint8)
        surface[:, 40:] = Surface.WATER
        images.append(make_month("ridge", month, image, label, surface=surface))
    return images


def describe_samples(config: Config) -> SampleSet:
    return SampleSet(
        bands=("nir", "red", "green"),
        size_px=SIZE,
        classes="truth",
        layout="chips",
        blocks=BLOCKS,
        coding=(REFLECTANCE,) * 3,
        mean=(0.5, 0.5, 0.5),
        std=(0.3, 0.3, 0.3),
        label=config.prepare.label,
        regions={"ridge": FRAME},
        months=(),
    )


def write_samples(folder: str, config: Config, images: list[MonthImage]) -> SampleSet:
    months = []
    for image in images:
        rows = [
            {
                "sample_id": f"{row}_{col}",
                "region": image.region,
                "month": image.month,
                "row_px": row,
                "col_px": col,
                "status": "ok",
                "image": image.numbers[:, row : row + SIZE, col : col + SIZE].tobytes(),
                "label": image.label[row : row + SIZE, col : col + SIZE].tobytes(),
                "surface": image.surface[row : row + SIZE, col : col + SIZE].tobytes(),
            }
            for row in (0, SHAPE[0] - SIZE)
            for col in (0, SHAPE[1] - SIZE)
        ]
        month = SampleMonth(region="ridge", month=image.month, status="ok", rows=len(rows))
        months.append(write_rows(folder, rows, month))
    months += [
        SampleMonth(region="ridge", month=date(2014, 12, 1), status="empty",
                    reason="solar_zenith: sun at most 7.9 deg high"),
        SampleMonth(region="ridge", month=date(2015, 6, 1), status="failed",
                    reason="RasterError: cut"),
    ]  # fmt: skip
    samples = describe_samples(config).model_copy(update={"months": tuple(months)})
    write_set(folder, samples)
    return samples


Predict = Callable[[MonthImage, np.ndarray], np.ndarray]


def score_fold(
    samples: SampleSet, masks: FoldMasks, split: Split, images: list[MonthImage], predict: Predict
) -> Scorecard:
    """What a method scores on the test split of a fold."""
    card = ScorecardBuilder(samples, masks, split.test)
    for image in images:
        mask = masks.mask(image, split.test)
        if mask.any():
            card.add(image, mask, predict(image, mask))
    return card.build()


def write_trial(
    folder: str,
    encoder: str,
    split: Split,
    images: list[MonthImage],
    samples: SampleSet,
    masks: FoldMasks,
) -> TrialResult:
    """A finished trial whose model errs at random pixels, each encoder at others.

    Where nothing chooses among epochs, its last one is kept.
    """
    rng, predictions = np.random.default_rng([ENCODERS.index(encoder), split.fold]), {}
    for image in images:
        mask = masks.mask(image, split.test)
        if image.key in masks.held_out:
            mask = np.ones_like(mask)
        if mask.any():
            probability = np.clip((image.label == 1) * 0.35 + rng.uniform(0, 0.7, SHAPE), 0, 1)
            predictions[image.key] = np.rint(probability * mask * 255).astype(np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **predictions)
    address = store.join(folder, encoder, f"fold-{split.fold}", PREDICTIONS)
    chooses = bool(split.validation) or masks.kind == "shuffled"
    return make_trial(
        encoder,
        split.fold,
        losses=(0.5, 0.2 + 0.02 * split.fold, 0.3) if chooses else (None, None, None),
        scorecard=score_fold(
            samples, masks, split, images, lambda image, _: predictions[image.key] / 255
        ),
        parameters=24_000_000 + ENCODERS.index(encoder),
        files={PREDICTIONS: store.write_bytes(address, buffer.getvalue())},
    )


def make_ensemble(
    config: Config,
    trials: list[TrialResult],
    splits: list[Split],
    images: list[MonthImage],
    samples: SampleSet,
    masks: FoldMasks,
    places: SweepPlaces,
) -> EnsembleResult:
    if reason := explain_no_ensemble(config.sweep.encoders, trials, splits):
        return EnsembleResult(reason=reason)
    return EnsembleResult(
        folds=tuple(
            score_ensemble_fold(
                [trial for trial in trials if trial.fold == split.fold],
                images, samples, masks, split, places,
            )
            for split in splits
        )
    )  # fmt: skip


def write_result(config: Config, result: SweepResult) -> None:
    seals.write_model(places_of(config, result).result, result)


def places_of(config: Config, result: SweepResult) -> SweepPlaces:
    """Where a sweep lies that :func:`write_sweep` wrote."""
    return place_sweep(config, store.join(config.storage, "samples", result.samples))


def change_trials(result: SweepResult, change: Callable[[TrialResult], dict]) -> SweepResult:
    """The sweep with some fields of every trial changed."""
    trials = tuple(trial.model_copy(update=change(trial)) for trial in result.trials)
    return result.model_copy(update={"trials": trials})


def take_ice(card: Scorecard) -> Scorecard:
    """The card as if there were no glacier in its test part."""
    images = [
        image.model_copy(update={"counts": Counts(fp=1, tn=image.counts.pixels - 1)})
        for image in card.images
    ]
    none = {"units": (), "sizes": {}, "truth": (), "outline": OutlineScore()}
    return card.model_copy(update={"images": tuple(images), **none})


def clear_ice(result: SweepResult, *folds: int) -> SweepResult:
    """The sweep as if some test parts held no known ice, whoever is scored there."""

    def clear(rows: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            row.model_copy(update={"scorecard": take_ice(row.scorecard)})
            if row.fold in folds
            else row
            for row in rows
        )

    baselines = {
        name: found.model_copy(update={"folds": clear(found.folds)})
        for name, found in result.baselines.items()
    }
    ensemble = result.ensemble.model_copy(update={"folds": clear(result.ensemble.folds)})
    update = {"trials": clear(result.trials), "baselines": baselines, "ensemble": ensemble}
    return result.model_copy(update=update)


def write_sweep(config: Config, failed: Sequence[FailedTrial] = ()) -> SweepResult:
    """Write samples, predictions and results of a sweep in which some trials failed."""
    images = make_images()
    samples_at = samples_folder(config, {"archive": RECORDS})
    samples = write_samples(samples_at, config, images)
    places = place_sweep(config, samples_at)
    splits, held = make_splits(
        [(image.region, image.month) for image in images],
        config.sweep.folds, BLOCKS, config.seed,
    )  # fmt: skip
    held_out = tuple(month_key(region, month) for region, month in held)
    masks = FoldMasks(config.sweep.folds.kind, BLOCKS, held_out)
    lost = {(row.encoder, row.fold) for row in failed}
    trials = [
        write_trial(places.trials, encoder, split, images, samples, masks)
        for encoder in config.sweep.encoders
        for split in splits
        if (encoder, split.fold) not in lost
    ]
    plain = [
        score_fold(samples, masks, split, images, lambda _, mask: np.ones_like(mask))
        for split in splits
    ]
    result = SweepResult(
        config=config,
        config_sha256=settings_digest(config),
        samples=Path(samples_at).name,
        models=Path(places.models).name,
        splits=splits,
        held_out=held_out,
        trials=trials,
        failed=failed,
        baselines={
            "all_glacier": BaselineResult(
                title="everything glacier",
                phrase="calling everything glacier",
                folds=[
                    BaselineFold(fold=split.fold, scorecard=card)
                    for split, card in zip(splits, plain, strict=True)
                ],
            ),
            "threshold": BaselineResult(
                title="threshold",
                phrase="the threshold",
                reason="the samples hold no <near> infrared",
            ),
        },
        ensemble=make_ensemble(config, trials, splits, images, samples, masks, places),
        sweep_s=61.0,
    )
    write_result(config, result)
    return result
