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
from glacier.samples.image import ImageRecipe, Level
from glacier.seals import Manifest
from glacier.settings.labels import RULE_BANDS, Label
from glacier.settings.model import Model
from glacier.settings.months import Month
from glacier.settings.sweep import Sweep
from glacier.settings.values import BareName, Name, Sha256
from glacier.settings.weights import name_source
from glacier.training.joined_rule import JoinedRule
from glacier.wording import join_words, shorten_list

FORMAT = 7
"""Counts up when ``model.json`` changes for the same model."""

MAX_UNITS = 24
"""Units of the training part that a card names; ``model.json`` names all."""

Side = Annotated[int, Field(ge=1, le=2048)]
"""Side of an image that was resized, pixels."""

Deviation = Annotated[float, Field(ge=1e-6, le=1e6)]
"""What a band is divided by."""


PixelSide = Annotated[float, Field(gt=0, le=1e6)]
"""Side of a pixel on the ground, metres."""

Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
"""Degrees."""


class Inference(Model):
    """How a network looks at an image: the same when it is tested and when it is applied."""

    size_px: int = Field(ge=32, le=2048, multiple_of=32)
    """Side of a window."""
    stride_px: int = Field(ge=1, le=2048)
    """Step between windows, whose answers are blended where they overlap."""
    orientations: Literal[1, 8] = 1
    """Flips and quarter turns of every window whose answers are averaged; 1: as it is alone."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the network."""
    mean: tuple[Level, ...]
    """(B,) subtracted from each band."""
    std: tuple[Deviation, ...]
    """(B,) each band is divided by it."""
    rule: JoinedRule | None = None
    """What NDSI says beside the network; None: the network speaks alone."""

    @model_validator(mode="after")
    def check_inference(self) -> Self:
        """Refuse windows between which pixels would be lost."""
        if self.stride_px > self.size_px:
            raise ValueError(f"stride_px {self.stride_px}: wanted at most size_px, {self.size_px}")
        return self


class DataSpan(Model):
    """The images of a run."""

    regions: tuple[Name, ...]
    first: Month
    """First month with an image, YYYY-MM."""
    last: Month
    """Last month with an image."""
    images: int = Field(ge=1)
    sensors: tuple[str, ...] = ()
    """What took them, such as ``landsat-8``; empty: nobody knows."""
    bounds: tuple[tuple[Longitude, Latitude, Longitude, Latitude], ...] = ()
    """West, south, east and north edge of the regions, degrees; over the date line west is more
    than east."""


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
    image: ImageRecipe
    """How its images are made of reflectance."""
    resize: tuple[Side, Side] | None
    """Height x width that every image was resized to, pixels; None: native resolution."""
    pixel_m: tuple[PixelSide, PixelSide]
    """Shortest and longest side of a pixel of its images on the ground, after resizing."""
    fill: tuple[Level, ...]
    """(B,) value of an unseen pixel."""
    inference: Inference
    label: Label
    data: DataSpan
    threshold: float = Field(ge=0, le=1)
    """Probability from which a pixel is predicted to be glacier."""
    temperature: float = Field(ge=1e-3, le=1e3)
    """Logits are divided by it."""
    split: Split
    training: Sweep
    seed: int = Field(ge=0, lt=2**32)
    """Training seed: of its first weights and of the order of its samples."""
    scores: CardScores
    parameters: int = Field(ge=1)
    parent: Sha256 = ""
    """Of the weights of the model that it went on from; empty: of none."""
    sha256: Sha256 = ""
    """Of the weights."""

    @model_validator(mode="after")
    def check_card(self) -> Self:
        """Refuse another version, numbers that are not one a band, and a range that is none."""
        if self.format != FORMAT:
            raise ValueError(f"format {self.format}: this version reads {FORMAT}")
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands {self.bands}: wanted none twice")
        own = {"mean": self.inference.mean, "std": self.inference.std, "fill": self.fill}
        for name, values in own.items():
            if len(values) != len(self.bands):
                raise ValueError(f"{name} has {len(values)} numbers for {len(self.bands)} bands")
        if (rule := self.inference.rule) and self.image.scale != "reflectance":
            raise ValueError(f"a joined rule needs reflectance; the images are {self.image.scale}")
        for name in RULE_BANDS if rule else ():
            at = getattr(rule, name)
            if self.bands[at : at + 1] != (name,):
                raise ValueError(f"{name} of the joined rule is not band {at} of {self.bands}")
        for name, (low, high) in {"range": self.image.range, "pixel_m": self.pixel_m}.items():
            if low > high or (low == high and name == "range"):
                raise ValueError(f"{name} {low}, {high}: low must be below high")
        return self

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands B of its images, in order."""
        return self.image.bands


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
            f"{card.image.scale.replace('_', ' ')}, {card.inference.size_px} px wide, with pixels "
            f"of {show_pixels(card)}, of the regions and seasons named above."
        ),
        "What it is not for": (
            "Other sensors, other bands, new snow on ice and ground, and other glaciers, unless "
            "tested there first. A map of it alone is no ground for a decision on water or "
            "safety."
        ),
        "Scores": describe_scores(card),
        "Who is affected": (
            "Those who live below the glacier or of its water, and who own the ground: an outline "
            "may decide on hazard zones, dams, pastures and borders. Nobody was asked for consent "
            "to be mapped, since no person is on the images; where outlines came from people, "
            "their names stand above."
        ),
        "Who should look": (
            "Someone who knows the glacier should hold its outlines against the images before "
            "anyone acts on them: debris, shadow, lakes and seasonal snow first."
        ),
    }
    body = "".join(f"\n## {name}\n\n{text}\n" for name, text in sections.items())
    return f"# {escape(card.encoder)}, fold {card.fold}\n{body}"


def show_pixels(card: ModelCard) -> str:
    """Sides of its pixels on the ground: ``30 m``, or ``30 to 45 m``."""
    low, high = (f"{side:.4g}" for side in card.pixel_m)
    return f"{low} m" if low == high else f"{low} to {high} m"


def describe_network(card: ModelCard) -> str:
    """The network and how it was trained."""
    training = card.training
    began = escape(name_source(training.weights_of(card.encoder)))
    if card.parent:
        began = f"the weights of an earlier model, {card.parent[:12]}, with which it went on"
    return (
        f"A U-Net with the encoder {escape(card.encoder)}, {card.parameters / 1e6:.1f} million "
        f"parameters, from {began}; loss {training.loss}, seed {card.seed}. Its logits are "
        f"divided by {card.temperature:.3g}; from a probability of {card.threshold:.2f} on "
        f"a pixel is called glacier.{describe_rule(card.inference.rule)} `model.json` holds all "
        "that is needed to use it."
    )


def describe_rule(rule: JoinedRule | None) -> str:
    """What is said beside the network, as sentences after a blank; nothing where nothing is."""
    if rule is None or rule.bright is rule.dark is None:
        return ""
    known = {
        f"ground above {rule.nir_above:g} in the near infrared is glacier with a probability of at "
        "least": rule.bright,
        "darker ground with one of at most": rule.dark,
    }
    told = [f"{words} {share:.2f}" for words, share in known.items() if share is not None]
    return (
        f" Where NDSI is above {rule.ndsi_above:g}, a rule speaks beside it: "
        f"{join_words(told)}, as on the training ground."
    )


def describe_data(card: ModelCard) -> str:
    """Images and labels, and who owns them."""
    data, label, train = card.data, card.label, card.split.train
    taken = f", taken by {escape(', '.join(data.sensors))}" if data.sensors else ""
    lines = [
        f"The run's images are of {escape(', '.join(data.regions))}, {data.first} to {data.last} "
        f"({data.images} months with an image{taken}); of these it learned from "
        f"{escape(shorten_list(train, MAX_UNITS))}. Labels: "
        f"{LABELS[label.kind].are}."
    ]
    if provenance := label.provenance:
        years = "-".join(str(year) for year in sorted(set(provenance.years)))
        lines.append(
            f"The outlines are those of {escape(provenance.source)}, of {years}, by "
            f"{escape(provenance.owner)}, under {escape(provenance.licence)}."
        )
        if provenance.forbids_trade:
            lines.append(
                "That licence forbids commercial use: of this model and its maps, too, unless "
                "their owner says otherwise."
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
