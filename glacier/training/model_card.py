"""The card of a model for people: what it learned from, what it is for, what it scored, limits.

Source:
    The headings follow Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from __future__ import annotations

from typing import Literal

from glacier import store
from glacier.config import Label, Model, Sweep
from glacier.evaluation.kinds import FOLDS, LABELS
from glacier.evaluation.metrics import pool_counts
from glacier.evaluation.scorecard import ImageScore
from glacier.samples.folds import Split
from glacier.store import Manifest
from glacier.wording import shorten_list

FORMAT = 4
"""Counts up when ``model.json`` changes for the same model."""

MAX_UNITS = 24
"""Units of the training part that a card names; ``model.json`` names all."""


class DataSpan(Model):
    """The images of a run."""

    regions: tuple[str, ...]
    first: str
    """First month with an image, YYYY-MM."""
    last: str
    """Last month with an image."""
    images: int


class CardScores(Model):
    """What a model scored."""

    epoch_kept: int
    """Epoch whose weights were kept, from 1."""
    was_chosen: bool
    """A part with known ice chose it; else it is the last one."""
    tested: tuple[ImageScore, ...]
    """An image each of its test split."""


class ModelCard(Manifest):
    """All that is needed to use a model, how it was made, what it scored: ``model.json``."""

    format: int = FORMAT
    encoder: str
    fold: int
    bands: tuple[str, ...]
    """Bands B of its images, in order."""
    scale: Literal["reflectance", "own_maximum"]
    range: tuple[float, float]
    """Reflectance is clipped to this range."""
    size_px: int
    """Side of a window."""
    resize: tuple[int, int] | None
    """Height x width that every image was resized to, pixels; None: native resolution."""
    label: Label
    data: DataSpan
    mean: tuple[float, ...]
    """(B,) subtracted from each band."""
    std: tuple[float, ...]
    """(B,) each band is divided by it."""
    fill: tuple[float, ...]
    """(B,) value of an unseen pixel."""
    threshold: float
    """Probability from which a pixel is predicted to be glacier."""
    temperature: float
    """Logits are divided by it."""
    split: Split
    training: Sweep
    seed: int
    """Seed of the run."""
    scores: CardScores
    parameters: int
    sha256: str = ""
    """Of the weights."""


def card_address(folder: str) -> str:
    """Where the card of a model lies; written last, it says that the model is whole."""
    return store.join(folder, "model.json")


def describe_model(card: ModelCard) -> str:
    """Markdown of a model's card."""
    sections = {
        "What it is": describe_network(card),
        "What it learned from": describe_data(card),
        "What it is for": (
            f"Glacier probability on images of the bands {', '.join(card.bands)}, as "
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
    return f"# {card.encoder}, fold {card.fold}\n{body}"


def describe_network(card: ModelCard) -> str:
    """The network and how it was trained."""
    training = card.training
    weights = training.encoder_weights.rpartition("/")[2]
    began = {"none": "random weights", "imagenet": "weights trained on ImageNet"}.get(
        weights, f"the weights of {weights}"
    )
    return (
        f"A U-Net with the encoder {card.encoder}, {card.parameters / 1e6:.1f} million "
        f"parameters, from {began}; loss {training.loss}, seed {card.seed}. Its logits are "
        f"divided by {card.temperature:.3g}; from a probability of {card.threshold:.2f} on "
        "a pixel is called glacier. `model.json` holds all that is needed to use it."
    )


def describe_data(card: ModelCard) -> str:
    """Images and labels, and who owns them."""
    data, label, train = card.data, card.label, card.split.train
    lines = [
        f"The run's images are of {', '.join(data.regions)}, {data.first} to {data.last} "
        f"({data.images} months with an image); of these it learned from "
        f"{shorten_list(train, MAX_UNITS)}. Labels: "
        f"{LABELS[label.kind].are}."
    ]
    if provenance := label.provenance:
        years = "-".join(str(year) for year in sorted(set(provenance.years)))
        lines.append(
            f"The outlines are those of {provenance.source}, of {years}, by {provenance.owner}, "
            f"under {provenance.licence}."
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
