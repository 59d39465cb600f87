"""The card of a model for people: what it learned from, what it is for, what it scored, limits.

Source:
    The headings follow Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from glacier import store
from glacier.evaluation.kinds import FOLDS, LABELS
from glacier.evaluation.metrics import pool_counts
from glacier.evaluation.scorecard import ImageScore
from glacier.markdown import escape
from glacier.samples.folds import Split
from glacier.seals import Manifest
from glacier.settings.labels import Label
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.sweep import Sweep
from glacier.settings.values import BareName, Name, Sha256
from glacier.wording import shorten_list

FORMAT = 4
"""Counts up when ``model.json`` changes for the same model."""

MAX_UNITS = 24
"""Units of the training part that a card names; ``model.json`` names all."""

MAX_BANDS = 64
"""Most bands of a network; the package itself makes seven."""

Side = Annotated[int, Field(ge=1, le=2048)]
"""Side of an image that was resized, pixels."""

Level = Annotated[float, Field(ge=-1e6, le=1e6)]
"""Value of a band."""

Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]
"""What a band is divided by."""


class DataSpan(Model):
    """The images of a run."""

    regions: tuple[Name, ...]
    first: Month
    """First month with an image, YYYY-MM."""
    last: Month
    """Last month with an image."""
    images: int = Field(ge=1)


class CardScores(Model):
    """What a model scored."""

    epoch_kept: int = Field(ge=1)
    """Epoch whose weights were kept, from 1."""
    was_chosen: bool
    """A part with known ice chose it; else it is the last one."""
    tested: tuple[ImageScore, ...]
    """An image each of its test split."""


class ModelCard(Manifest):
    """All that is needed to use a model, how it was made, what it scored: ``model.json``."""

    format: int = FORMAT
    encoder: BareName
    fold: int = Field(ge=0, lt=1000)
    bands: tuple[BareName, ...] = Field(min_length=1, max_length=MAX_BANDS)
    """Bands B of its images, in order."""
    scale: Literal["reflectance", "own_maximum"]
    range: tuple[Level, Level]
    """Reflectance is clipped to this range."""
    size_px: int = Field(ge=32, le=2048, multiple_of=32)
    """Side of a window."""
    resize: tuple[Side, Side] | None
    """Height x width that every image was resized to, pixels; None: native resolution."""
    label: Label
    data: DataSpan
    mean: tuple[Level, ...]
    """(B,) subtracted from each band."""
    std: tuple[Deviation, ...]
    """(B,) each band is divided by it."""
    fill: tuple[Level, ...]
    """(B,) value of an unseen pixel."""
    threshold: float = Field(ge=0, le=1)
    """Probability from which a pixel is predicted to be glacier."""
    temperature: float = Field(ge=1e-3, le=1e3)
    """Logits are divided by it."""
    split: Split
    training: Sweep
    seed: int = Field(ge=0, lt=2**32)
    """Seed of the run."""
    scores: CardScores
    parameters: int = Field(ge=1)
    sha256: Sha256 = ""
    """Of the weights."""

    @model_validator(mode="after")
    def check_card(self) -> Self:
        """Refuse another version, numbers that are not one a band, and a range that is none."""
        if self.format != FORMAT:
            raise ValueError(f"format {self.format}: this version reads {FORMAT}")
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands {self.bands}: wanted none twice")
        for name in ("mean", "std", "fill"):
            if (count := len(getattr(self, name))) != len(self.bands):
                raise ValueError(f"{name} has {count} numbers for {len(self.bands)} bands")
        if self.range[0] >= self.range[1]:
            raise ValueError(f"range {self.range}: low must be below high")
        return self


def card_address(folder: str) -> str:
    """Where the card of a model lies; written last, it says that the model is whole."""
    return store.join(folder, "model.json")


def describe_model(card: ModelCard) -> str:
    """Markdown of a model's card."""
    sections = {
        "What it is": describe_network(card),
        "What it learned from": describe_data(card),
        "What it is for": (
            f"Glacier probability on images of the bands {escape(', '.join(card.bands))}, as "
            f"{card.scale.replace('_', ' ')}, {card.size_px} px wide, of the regions and "
            "seasons named above."
        ),
        "What it is not for": (
            "Other sensors, other bands, new snow on ice and ground, and other glaciers, unless "
            "tested there first. A map of it alone is no ground for a decision on water or "
            "safety."
        ),
        "Scores": describe_scores(card),
        "Who should look": (
            "Someone who knows the glacier should hold its outlines against the images before "
            "anyone acts on them: debris, shadow, lakes and seasonal snow first."
        ),
    }
    body = "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())
    return f"# {escape(card.encoder)}, fold {card.fold}\n{body}"


def describe_network(card: ModelCard) -> str:
    """The network and how it was trained."""
    training = card.training
    weights = training.encoder_weights.rpartition("/")[2]
    began = {"none": "random weights", "imagenet": "weights trained on ImageNet"}.get(
        weights, f"the weights of {escape(weights)}"
    )
    return (
        f"A U-Net with the encoder {escape(card.encoder)}, {card.parameters / 1e6:.1f} million "
        f"parameters, from {began}; loss {training.loss}, seed {card.seed}. Its logits are "
        f"divided by {card.temperature:.3g}; from a probability of {card.threshold:.2f} on "
        "a pixel is called glacier. `model.json` holds all that is needed to use it."
    )


def describe_data(card: ModelCard) -> str:
    """Images and labels, and who owns them."""
    data, label, train = card.data, card.label, card.split.train
    lines = [
        f"The run's images are of {escape(', '.join(data.regions))}, {data.first} to {data.last} "
        f"({data.images} months with an image); of these it learned from "
        f"{escape(shorten_list(train, MAX_UNITS))}. Labels: "
        f"{LABELS[label.kind].are}."
    ]
    if provenance := label.provenance:
        years = "-".join(str(year) for year in sorted(set(provenance.years)))
        lines.append(
            f"The outlines are those of {escape(provenance.source)}, of {years}, by "
            f"{escape(provenance.owner)}, under {escape(provenance.licence)}."
        )
    elif label.kind == "outlines":
        lines.append("Where the outlines come from the run did not say.")
    return " ".join(lines)


def describe_scores(card: ModelCard) -> str:
    """Overlap on the test part, and what that part was."""
    tested = card.scores.tested
    counts, folds = pool_counts(image.counts for image in tested), card.training.folds.kind
    if not counts.pixels:
        return "It was not tested: its test part held no labelled pixel."
    chosen = "chosen on a validation part"
    if not card.scores.was_chosen:
        chosen = "those of its last epoch; nothing was chosen"
    elif card.training.protocol == "notebook":
        chosen = "chosen on the test part itself, so the score is too high"
    return (
        f"On {len(tested)} image(s) of its test part ({FOLDS[folds].tested_on}), pixels with a "
        f"label alone: Dice {counts.dice:.3f}, IoU {counts.iou:.3f}, precision "
        f"{counts.precision:.3f}, recall {counts.recall:.3f}. Its weights were {chosen}."
    )
