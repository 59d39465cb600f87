"""Settings of the third stage: samples -> trained models."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from glacier.settings.fairness import Fairness
from glacier.settings.folds import VALIDATION_SHARE, Folds
from glacier.settings.model import JUDGEMENT, RUNTIME_ONLY, SELECTION, WHEN_SET, Model
from glacier.settings.paths import PathText
from glacier.settings.repeats import TrainingSeed
from glacier.settings.values import BareName
from glacier.settings.weights import WORDS, explain_misfit

GpuShare = Annotated[float, Field(ge=0)] | Literal["auto"]
"""Share of a GPU; auto: by measurement."""

PackSize = Annotated[
    Literal["auto", "off"] | Annotated[int, Field(ge=1)],
    BeforeValidator(lambda value: "off" if value is False else value),  # as YAML reads it
]
"""Most folds in one process; auto: by the share of a GPU; off: one."""


class Sweep(Model):
    """Samples -> one trained model per (encoder, fold)."""

    encoders: Annotated[tuple[BareName, ...], SELECTION] = (
        "resnet34",
        "resnet50",
        "efficientnet-b4",
    )
    """Encoder names of segmentation-models-pytorch."""
    encoder_weights: PathText | dict[BareName, PathText] = "none"
    """What the encoders begin with: none (random), imagenet (needs the network once), package
    (ImageNet's, tu-tf_efficientnet_lite0, 1, 2), satellite (six bands, efficientnet-b4; both of
    the extra ``weights``), or a local weights file, at most 8 GiB. One for all, or encoder to its
    own; one that is left out has none."""
    protocol: Literal["honest", "notebook"] = "honest"
    """honest: the checkpoint is chosen on a validation part and tested once. notebook: chosen
    on the test fold, as published."""
    folds: Folds = Folds()
    """The folds."""
    epochs: int = Field(30, ge=1, le=10_000)
    """Passes over the training samples."""
    steps_per_epoch: int | None = Field(None, ge=1)
    """Batches an epoch, drawn without repeats until the samples run out; None: all samples."""
    batch_size: int = Field(8, ge=2, le=1024)
    """Samples a batch; 2 or more, since batch normalisation needs them."""
    learning_rate: float = Field(1e-4, gt=0, le=1)
    """Step size of Adam."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the step size: as it is, or falling to zero along half a cosine over all epochs."""
    warm_up_epochs: float = Field(0.0, ge=0)
    """The step size rises from zero over so many epochs first; less than ``epochs``."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    """Decoupled weight decay (AdamW); 0: plain Adam."""
    loss: Literal["dice", "dice_bce"] = "dice"
    """dice: as published. dice_bce: binary cross-entropy added, in equal parts."""
    fairness: Annotated[Fairness, WHEN_SET] = Fairness()
    """What training does so that no region is served worst."""
    choose_by: Annotated[Literal["mean", "worst_region"], WHEN_SET, JUDGEMENT] = "mean"
    """What the encoder to take is chosen by. mean: the mean test Dice of the folds.
    worst_region: the lowest IoU of a region, over the test pixels of all folds."""
    patience_epochs: int | None = Field(None, ge=1)
    """Stop a trial whose validation loss has not fallen for so many epochs; None: never."""
    normalise: Literal["training", "imagenet", "weights"] = "training"
    """Mean and standard deviation of the bands. training: of the training samples of the fold.
    weights: what the encoder's weights were trained with; random ones as training. imagenet:
    ImageNet's, of three bands that are taken for red, green and blue in this order, as published;
    else a first layer is widened by wavelength."""
    flips: bool = True
    """Random flips and quarter turns of the training samples. They help on ground never seen;
    where the same ground comes again, as in ``by_year`` folds, they keep a network from knowing
    it: results/ablation has the cost."""
    brightness_jitter: float = Field(0.0, ge=0, lt=1)
    """Training samples are multiplied by a random factor within 1 - j .. 1 + j, the same for all
    bands, since the ratios between bands tell ice from rock."""
    resolution_jitter: float = Field(0.0, ge=0, le=1)
    """Chance that a training window is seen at a half or a quarter of its resolution, as a coarser
    sensor would; its label stays."""
    band_dropout: float = Field(0.0, ge=0, lt=1)
    """Chance that a band of a training window is unseen, as if a sensor lacked it; one at least
    stays."""
    calibrate: bool = False
    """Fit a temperature and a probability threshold to the validation part before the test."""
    test_time_augmentation: bool = False
    """Test with the mean over the eight flips and quarter turns of every window; needs
    ``flips``."""
    joined_rule: Annotated[Literal["none", "ndsi"], WHEN_SET] = "none"
    """What speaks beside every network, in tests and maps. ndsi: where NDSI is above 0.4, ground
    above 0.11 in the near infrared is glacier at least as probably, and darker ground (water) at
    most as probably, as such ground is in the training part. It finds clean ice of a kind that no
    training showed; the network alone finds ice under debris. Of reflectance with green, nir and
    swir1. The epoch is chosen by what the network says alone."""
    training_seed: Annotated[TrainingSeed | None, WHEN_SET] = None
    """Seed of the first weights and of the order of samples; None: the run's ``seed``. Folds and
    samples do not depend on it, so two of them differ by the luck of training alone."""
    train_synthetic: Annotated[bool, WHEN_SET] = True
    """The made-up regions of ``ingest.synthetic_regions`` train in every fold; else in none."""
    batch_norm_momentum: float | None = Field(None, gt=0, le=1)
    """Momentum of the running statistics; None: the encoder's own (efficientnet's 0.01 needs
    hundreds of steps from random weights)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network's forward pass; the loss is always float32."""
    channels_last: bool = False
    """Memory layout with the channels innermost; faster on many devices."""
    cpus_per_trial: int = Field(1, ge=1)
    """Cores, and so threads, of one trial; part of the answer to the last bit."""
    tf32: bool = False
    """On a GPU, products of float32 numbers are made of ten bits of each (TF32) in training:
    faster, and no longer float32."""
    deterministic: bool = True
    """On a GPU, the same bits every time, alone or packed; without, about a tenth faster."""
    compile: bool = False
    """On a GPU, fuse the network's kernels with ``torch.compile`` first: minutes at the start for
    steps that are about a seventh faster."""
    gpus_per_trial: Annotated[GpuShare, RUNTIME_ONLY] = 0.0
    """Share of a GPU of one trial; 0.2 lets five trials share one. auto: as many as make the GPU
    do more, by measurement. How large it is changes no hash; whether it is 0 is hashed, since a
    GPU rounds otherwise."""
    pack: Annotated[PackSize, RUNTIME_ONLY] = "auto"
    """Folds of one encoder that train in one process of a GPU, which is several times faster than
    as many processes. auto: as many as ``gpus_per_trial`` lets share one. off: one. On cores every
    trial has a process of its own."""
    checkpoint_s: Annotated[float, RUNTIME_ONLY] = Field(60.0, ge=0)
    """Least time between checkpoints of a running trial, seconds; what a lost worker costs."""
    max_retries: Annotated[int, RUNTIME_ONLY] = Field(1, ge=0, le=10)
    """New starts of a trial that failed, from its last checkpoint."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Trials that may fail before the job's exit code says so."""
    track: Annotated[tuple[Literal["tensorboard", "mlflow"], ...], RUNTIME_ONLY] = ()
    """Where the driver also writes every epoch: tensorboard (results/<name>/tensorboard), mlflow
    (where MLFLOW_TRACKING_URI says; its package is yours to install)."""
    random_forest: Annotated[bool, SELECTION] = True
    """Fit the random-forest baseline in every fold."""

    @property
    def parts(self) -> Folds:
        """The folds as the protocol parts them: in notebook the test part chooses."""
        if self.protocol == "honest":
            return self.folds
        return self.folds.model_copy(update={"validation_share": 0.0})

    @property
    def gpu_share(self) -> float:
        """GPUs that a trial is given; where its share is measured, it is given a whole one."""
        return 1.0 if self.gpus_per_trial == "auto" else self.gpus_per_trial

    def weights_of(self, encoder: str) -> str:
        """What an encoder begins with: a word, or a file."""
        given = self.encoder_weights
        return given if isinstance(given, str) else given.get(encoder, "none")

    @property
    def weights_files(self) -> dict[str, str]:
        """Each file of weights by the name of the field that names it."""
        name, given = "encoder_weights", self.encoder_weights
        found = (
            {name: given}
            if isinstance(given, str)
            else {f"{name}.{e}": f for e, f in given.items()}
        )
        return {name: file for name, file in found.items() if file not in WORDS}

    def repeated(self, seed: int, encoders: Collection[str]) -> Self:
        """The same from another training seed, of some of the encoders, and without the forest.

        Args:
            seed: The training seed.
            encoders: Those to keep, at least one of which it has; empty: all.
        """
        kept = self.of_encoders(encoders or self.encoders)
        return kept.model_copy(update={"training_seed": seed, "random_forest": False})

    def of_encoders(self, encoders: Collection[str]) -> Self:
        """The same of some of its encoders alone."""
        kept = tuple(encoder for encoder in self.encoders if encoder in encoders)
        given = self.encoder_weights
        if not isinstance(given, str):
            given = {encoder: source for encoder, source in given.items() if encoder in kept}
        return self.model_copy(update={"encoders": kept, "encoder_weights": given})

    def rename_weights(self, rename: Callable[[str], str]) -> Self:
        """The same with other words for where weights come from."""
        given = self.encoder_weights
        if isinstance(given, str):
            return self.model_copy(update={"encoder_weights": rename(given)})
        renamed = {encoder: rename(source) for encoder, source in sorted(given.items())}
        return self.model_copy(update={"encoder_weights": renamed})

    def without_places(self) -> Self:
        """The same wherever its files of weights lie: what is in them is for others to hash."""
        return self.rename_weights(lambda source: source if source in WORDS else "a file")

    @model_validator(mode="after")
    def check_sweep(self) -> Self:
        """Refuse repeated encoders and shares of a GPU that cannot be scheduled."""
        if not self.encoders or len(set(self.encoders)) != len(self.encoders):
            raise ValueError(f"encoders {self.encoders}: wanted one or more, none twice")
        self.check_weights()
        if self.warm_up_epochs >= self.epochs:
            raise ValueError(
                f"warm_up_epochs {self.warm_up_epochs}: wanted less than epochs, {self.epochs}"
            )
        if self.calibrate and self.protocol == "notebook":
            raise ValueError("calibrate needs a validation part, which protocol notebook lacks")
        share = self.folds.validation_share
        if self.protocol == "notebook" and share not in (0, VALIDATION_SHARE):
            raise ValueError(
                f"folds.validation_share {share:g}: protocol notebook has no validation part; "
                "leave it out, or set it to 0"
            )
        fits = self.calibrate or self.patience_epochs is not None
        if fits and self.protocol == "honest" and not self.folds.validation_share:
            raise ValueError(
                "calibrate and patience_epochs need a validation part; set "
                "folds.validation_share above 0"
            )
        if self.test_time_augmentation and not self.flips:
            raise ValueError(
                "test_time_augmentation needs flips: a network that never saw a turned image "
                "fails on them"
            )
        if self.fairness.asks_regions and self.gpu_share:
            raise ValueError(
                f"fairness.kind {self.fairness.kind} trains on cores alone, since steps that are "
                "recorded on a GPU do not know regions; set gpus_per_trial to 0, or fairness.kind "
                "to reweighted or none"
            )
        if self.gpu_share > 1 and not self.gpu_share.is_integer():
            raise ValueError(f"gpus_per_trial {self.gpu_share}: above 1, wanted a whole number")
        return self

    def check_weights(self) -> None:
        """Refuse weights of another encoder, and of none of the run's."""
        if not isinstance(self.encoder_weights, str):
            if odd := sorted(self.encoder_weights.keys() - set(self.encoders)):
                raise ValueError(
                    f"encoder_weights names {', '.join(odd)}, and encoders are "
                    f"{', '.join(self.encoders)}: leave it out, or add the encoder"
                )
        for encoder in self.encoders:
            if reason := explain_misfit(encoder, self.weights_of(encoder)):
                raise ValueError(reason)
