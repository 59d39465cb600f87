"""The card of a model for people: what it learned from, what it is for, what it scored, limits.

Source:
    The headings follow Mitchell et al. 2019, Model Cards for Model Reporting.
"""

from __future__ import annotations

from glacier.evaluation.metrics import Facts, pool_counts
from glacier.wording import shorten_list

LABELS = {
    "truth": "the exact truth of synthetic scenes, so its scores say nothing of a real glacier",
    "outlines": "polygons of an inventory, its date and its mistakes included; ice under debris or "
    "snow counts as drawn",
    "ndsi": "a rule on the bands of the same image, so it copies a rule and seasonal snow is ice",
    "threshold": "a grey level of the very picture that it sees, so it copies a threshold",
}
"""Label kind to what such labels are."""

KEPT_APART = {
    "by_block": "blocks of ground of the same images",
    "by_year": "other years of the same ground, so another glacier may score far lower",
    "by_region": "glaciers that it never saw",
    "shuffled": "other months of the same ground, so the score says little of anything new",
}
"""Kind of folds to what the test part was."""

MAX_UNITS = 24
"""Units of the training part that a card names; ``model.json`` names all."""


def describe_model(card: Facts) -> str:
    """Markdown of a model's card.

    Args:
        card: Content of ``model.json``.
    """
    sections = {
        "What it is": describe_network(card),
        "What it learned from": describe_data(card),
        "What it is for": (
            f"Glacier probability on images of the bands {', '.join(card['bands'])}, as "
            f"{card['scale'].replace('_', ' ')}, {card['size_px']} px wide, of the regions and "
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
    return f"# {card['encoder']}, fold {card['fold']}\n{body}"


def describe_network(card: Facts) -> str:
    """The network and how it was trained."""
    training = card["training"]
    weights = training["encoder_weights"].rpartition("/")[2]
    began = {"none": "random weights", "imagenet": "weights trained on ImageNet"}.get(
        weights, f"the weights of {weights}"
    )
    return (
        f"A U-Net with the encoder {card['encoder']}, {card['parameters'] / 1e6:.1f} million "
        f"parameters, from {began}; loss {training['loss']}, seed {card['seed']}. Its logits are "
        f"divided by {card['temperature']:.3g}; from a probability of {card['threshold']:.2f} on "
        "a pixel is called glacier. `model.json` holds all that is needed to use it."
    )


def describe_data(card: Facts) -> str:
    """Images and labels, and who owns them."""
    data, label, train = card["data"], card["label"], card["split"]["train"]
    lines = [
        f"The run's images are of {', '.join(data['regions'])}, {data['first']} to {data['last']} "
        f"({data['images']} months with an image); of these it learned from "
        f"{shorten_list(train, MAX_UNITS)}. Labels: "
        f"{LABELS[label['kind']]}."
    ]
    if provenance := label["provenance"]:
        years = "-".join(str(year) for year in sorted(set(provenance["years"])))
        lines.append(
            f"The outlines are those of {provenance['source']}, of {years}, by {provenance['owner']}, "
            f"under {provenance['licence']}."
        )
    elif label["kind"] == "outlines":
        lines.append("Where the outlines come from the run did not say.")
    return " ".join(lines)


def describe_scores(card: Facts) -> str:
    """Overlap on the test part, and what that part was."""
    tested = card["scores"]["tested"]
    counts, folds = pool_counts(tested), card["training"]["folds"]["kind"]
    if not counts.tp + counts.fp + counts.fn + counts.tn:
        return "It was not tested: its test part held no labelled pixel."
    chosen = "chosen on a validation part"
    if card["training"]["protocol"] == "notebook":
        chosen = "chosen on the test part itself, so the score is too high"
    elif not card["split"]["validation"]:
        chosen = "those of its last epoch; nothing was chosen"
    return (
        f"On {len(tested)} image(s) of its test part ({KEPT_APART[folds]}), pixels with a label "
        f"alone: Dice {counts.dice:.3f}, IoU {counts.iou:.3f}, precision {counts.precision:.3f}, "
        f"recall {counts.recall:.3f}. Its weights were {chosen}."
    )
