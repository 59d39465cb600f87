"""Settings of the third stage: samples -> trained models."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier.settings.folds import VALIDATION_SHARE, Folds
from glacier.settings.model import RUNTIME_ONLY, SELECTION, Model
from glacier.settings.paths import PathText
from glacier.settings.values import BareName


class Sweep(Model):
    """Samples -> one trained model per (encoder, fold)."""

    encoders: Annotated[tuple[BareName, ...], SELECTION] = (
        "resnet34",
        "resnet50",
        "efficientnet-b4",
    )
    """Encoder names of segmentation-models-pytorch."""
    encoder_weights: PathText = "none"
    """imagenet (needs the network once), none (random), or a local weights file, at most 8 GiB."""
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
    patience_epochs: int | None = Field(None, ge=1)
    """Stop a trial whose validation loss has not fallen for so many epochs; None: never."""
    normalise: Literal["training", "imagenet"] = "training"
    """Mean and standard deviation from the training samples of the fold, or ImageNet's."""
    flips: bool = True
    """Random flips and quarter turns of the training samples. They help on ground never seen;
    where the same ground comes again, as in ``by_year`` folds, they keep a network from knowing
    it: results/ablation has the cost."""
    brightness_jitter: float = Field(0.0, ge=0, lt=1)
    """Training samples are multiplied by a random factor within 1 - j .. 1 + j, the same for all
    bands, since the ratios between bands tell ice from rock."""
    calibrate: bool = False
    """Fit a temperature and a probability threshold to the validation part before the test."""
    test_time_augmentation: bool = False
    """Test with the mean over the eight flips and quarter turns of every window; needs
    ``flips``."""
    batch_norm_momentum: float | None = Field(None, gt=0, le=1)
    """Momentum of the running statistics; None: the encoder's own (efficientnet's 0.01 needs
    hundreds of steps from random weights)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network's forward pass; the loss is always float32."""
    channels_last: bool = False
    """Memory layout with the channels innermost; faster on many devices."""
    cpus_per_trial: int = Field(1, ge=1)
    """Cores, and so threads, of one trial; part of the answer to the last bit."""
    gpus_per_trial: Annotated[float, RUNTIME_ONLY] = Field(0.0, ge=0)
    """Share of a GPU of one trial; 0.5 lets two trials share one. How large it is changes no hash;
    whether it is 0, or above 0, is hashed, since a GPU rounds otherwise."""
    checkpoint_s: Annotated[float, RUNTIME_ONLY] = Field(60.0, ge=0)
    """Least time between checkpoints of a running trial, seconds; what a lost worker costs."""
    max_retries: Annotated[int, RUNTIME_ONLY] = Field(1, ge=0, le=10)
    """New starts of a trial that failed, from its last checkpoint."""
    max_failed: Annotated[int, RUNTIME_ONLY] = Field(0, ge=0)
    """Trials that may fail before the job's exit code says so."""
    random_forest: Annotated[bool, SELECTION] = True
    """Fit the random-forest baseline in every fold."""

    @property
    def parts(self) -> Folds:
        """The folds as the protocol parts them: in notebook the test part chooses."""
        if self.protocol == "honest":
            return self.folds
        return self.folds.model_copy(update={"validation_share": 0.0})

    @property
    def weights_file(self) -> str | None:
        """The file of weights that an encoder begins with; None where it is no file."""
        return None if self.encoder_weights in ("none", "imagenet") else self.encoder_weights

    @model_validator(mode="after")
    def check_sweep(self) -> Self:
        """Refuse repeated encoders and shares of a GPU that cannot be scheduled."""
        if not self.encoders or len(set(self.encoders)) != len(self.encoders):
            raise ValueError(f"encoders {self.encoders}: wanted one or more, none twice")
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
        if self.gpus_per_trial > 1 and not float(self.gpus_per_trial).is_integer():
            raise ValueError(
                f"gpus_per_trial {self.gpus_per_trial}: above 1, wanted a whole number"
            )
        return self
