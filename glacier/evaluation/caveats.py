"""What the scores of a run say and do not say, in sentences, from its own settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glacier.config import Config
from glacier.evaluation.kinds import FOLDS, LABELS
from glacier.published import INTRODUCTION
from glacier.samples.sample_set import SampleMonth
from glacier.settings.labels import NDSI_ABOVE, NIR_ABOVE, Label
from glacier.settings.months import Months
from glacier.settings.sweep import Sweep
from glacier.settings.weights import name_source
from glacier.wording import join_words, shorten_list

SHOWN = 3
"""Files that a sentence names; it counts the others."""

CHANGES: dict[tuple[str, Any], str] = {
    ("sweep.protocol", "honest"): "The checkpoint is chosen on a validation part and the test "
    "fold is looked at once, instead of choosing on the test fold itself.",
    ("sweep.protocol", "notebook"): "The test fold itself chooses the checkpoint, so its score is "
    "the best of many tries.",
    **{("sweep.folds.kind", kind): words.fold for kind, words in FOLDS.items()},
    ("sweep.folds.hold_out_last", False): "Every month is in some fold, none kept out.",
    ("sweep.normalise", "training"): "Bands are normalised by the training pixels of the fold, not "
    "by ImageNet's colours.",
    ("sweep.joined_rule", "ndsi"): "A rule on NDSI speaks beside every network.",
    ("prepare.label.kind", "truth"): "The labels are the glacier itself, not a threshold of the "
    "picture that the network sees.",
    ("prepare.label.unseen", "ignore"): "Pixels hidden by cloud count nowhere, not as bare ground.",
    ("prepare.scale", "reflectance"): "Bands are reflectances, not each over its maximum of the "
    "month, which changes with what the month shows.",
}
"""Setting and new value to what the change means."""

FAIRNESS = {
    "reweighted": "Training drew every region equally often.",
    "group_dro": "Training drew every region equally often, and regions with the higher losses "
    "weighed more (group DRO).",
    "adversarial": "The encoder was trained to hide the region that it sees (an adversarial head).",
    "worst_group": "Training drew every region equally often, and penalised a loss far above the "
    "mean of the regions.",
}
"""Way against unfairness to what was done."""

JOINED = (
    f"A rule speaks beside every network: where NDSI is above {NDSI_ABOVE:g}, ground above "
    f"{NIR_ABOVE:g} in the near infrared is glacier at least as probably, and darker ground at "
    "most as probably, as it is in the training part."
)
"""What a joined rule does to the scores."""

EARLIER_LOOKS = (
    "Whether settings were changed after an earlier run had shown its test scores, a run cannot "
    "know."
)
"""What no run can say of itself."""

MUCH_CLIPPED = 0.05
"""Share of clipped pixels from which the page speaks of them."""

FEW_UNITS = 4
"""Fewer validation units than these choose partly by chance."""


def explain_run(
    config: Config,
    images: int,
    validation_units: int,
    clipped: float | None = None,
    bare: Sequence[int] = (),
    unchosen: Sequence[int] = (),
) -> list[str]:
    """What the scores of a run say and do not say, in sentences, from its own settings.

    Args:
        config: The run.
        images: Number of usable month images.
        validation_units: Units of the smallest validation part.
        clipped: Share of the labelled pixels that are as bright as the range goes, 0..1; None
            where nobody knows.
        bare: Folds whose test part has no known glacier pixel.
        unchosen: Folds whose part that chooses the epoch has none.
    """
    sentences = []
    if config.sweep.protocol == "notebook":
        sentences.append(f"This run goes by the published experiment: {INTRODUCTION}.")
    sentences.append(explain_labels(config.prepare.label))
    if config.prepare.label.kind == "outlines":
        sentences.append(explain_outlines(config.prepare.label, config.months))
    sentences.append(explain_protocol(config.sweep))
    if 0 < validation_units < FEW_UNITS:
        units = f"{validation_units} unit{'s' if validation_units > 1 else ''}"
        sentences.append(
            f"A validation part has as few as {units}, so its choice is partly chance."
        )
    sentences.append(explain_folds(config))
    if bare:
        sentences.append(
            f"No glacier is known in the test part of fold {', '.join(map(str, bare))}: the Dice "
            "there is 1, or 0 as soon as one pixel is called glacier, so it decides nothing and "
            "counts in no mean, spread or verdict; other folds (sweep.folds) would tell more."
        )
    if unchosen:
        sentences.append(
            f"In fold {', '.join(map(str, unchosen))} no glacier is known in the part that chooses "
            "the epoch, so the last one was kept."
        )
    if clipped is not None and clipped > MUCH_CLIPPED:
        sentences.append(
            f"{100 * clipped:.0f} % of the labelled pixels are as bright as the range goes in some "
            "band: there only shape and surroundings tell ice from other bright ground."
        )
    if images == 1:
        sentences.append("There is one image, so nothing is said of other dates and seasons.")
    sentences.append(explain_weights(config.sweep))
    if (kind := config.sweep.fairness.kind) in FAIRNESS:
        sentences.append(FAIRNESS[kind])
    if config.sweep.joined_rule != "none":
        sentences.append(JOINED)
    return sentences


def mean_clipped(months: Sequence[SampleMonth]) -> float | None:
    """Share of clipped pixels over all months, each by its labelled pixels; None of none."""
    known = [
        (month.clipped, month.label_pixels.glacier + month.label_pixels.ground)
        for month in months
        if month.clipped is not None and month.label_pixels
    ]
    if not known:
        return None
    shares, pixels = zip(*known, strict=True)
    return float(np.average(shares, weights=pixels))


def explain_change(setting: str, value: Any, before: Any) -> str:
    """What changing a setting means, in a sentence.

    Args:
        setting: Dotted name.
        value: New value.
        before: Value of the run that it is compared with.
    """
    plain = f"{setting} is {value} instead of {before}."
    return CHANGES.get((setting, value), plain) if isinstance(value, (str, bool)) else plain


def explain_labels(label: Label) -> str:
    """What the labels are, and so what agreement with them is worth."""
    own = [path for field, path in label.list_files() if field.startswith("outlines")]
    names = dict.fromkeys(path.rpartition("/")[2] for path in (*own, *label.masks.values()))
    name = shorten_list(list(names), SHOWN)
    worth = LABELS[label.kind].worth.format(name=name, **dict(label))
    if label.unseen == "background":
        return f"{worth} Pixels hidden by cloud count as bare ground, as published."
    told = [worth, "Pixels that nobody saw count nowhere."]
    if label.debris_alone:
        told.append(
            f"In {join_words(label.debris_alone)} the label is ice under debris alone, and what "
            "may be clean ice counts nowhere."
        )
    if label.bare:
        told.append(f"In {join_words(label.bare)} there is no glacier, by the configuration.")
    return " ".join(told)


def explain_outlines(label: Label, months: Months) -> str:
    """Where the outlines come from, and how far from the images in time."""
    if not (provenance := label.provenance):
        return "Where the outlines come from, and of what year they are, the run does not say."
    first, last = (month.year for month in months.dates())
    drawn = provenance.years
    nearest = max(0, drawn[0] - last, first - drawn[1])
    farthest = max(abs(drawn[1] - first), abs(last - drawn[0]))
    years = "of the same year"
    if farthest:
        span = f"{nearest} to {farthest}" if nearest < farthest else f"{farthest}"
        years = f"{span} years away"
    margin = label.margin_m
    left_out = (
        f" Pixels within {margin:g} m of an outline count nowhere, and so no distance between "
        "outlines is measured."
        if margin
        else ""
    )
    forbidden = (
        " Their licence forbids commercial use: of these models and maps, too, unless their owner "
        "says otherwise."
        if provenance.forbids_trade
        else ""
    )
    return (
        f"The outlines are those of {provenance.source} ({provenance.owner}; "
        f"{provenance.licence}), drawn from images of "
        f"{'-'.join(map(str, sorted(set(drawn))))}; the images here are {years}.{forbidden}"
        f"{left_out}"
    )


def explain_protocol(sweep: Sweep) -> str:
    """What chose the checkpoints."""
    if sweep.protocol == "notebook":
        return (
            "The checkpoint of every trial was chosen on its own test fold, as published: each "
            f"score is the best of up to {sweep.epochs} tries on the test data, and too high."
        )
    if sweep.folds.validation_share == 0:
        return (
            "No checkpoint was chosen: all that lies outside the test fold trained for a fixed "
            "number of steps, the last weights were kept, and this run looked at the test fold "
            f"once. {EARLIER_LOOKS}"
        )
    return (
        "The checkpoint of every trial was chosen on a validation part, and this run looked at "
        f"the test fold once. {EARLIER_LOOKS}"
    )


def explain_folds(config: Config) -> str:
    """What the folds keep apart."""
    places = len(config.regions)
    within = "one place" if places == 1 else f"each of {places} places"
    return FOLDS[config.sweep.folds.kind].worth.format(within=within)


def explain_weights(sweep: Sweep) -> str:
    """Where the encoders began."""
    began: dict[str, list[str]] = {}
    for encoder in sweep.encoders:
        began.setdefault(name_source(sweep.weights_of(encoder)), []).append(encoder)
    if len(began) == 1:
        return f"The encoders began with {next(iter(began))}."
    told = [f"{join_words(encoders)} with {source}" for source, encoders in began.items()]
    return f"Of the encoders began {'; '.join(told)}: this run alone does not say what that bought."
