"""What the published experiment claims: its testable sentences, and how each is tested.

A claim holds only where the interval of its effect lies wholly on the claimed side. That of "it
makes no difference" lies below ``MARGIN``, since no finite run shows a difference to be zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from pydantic import JsonValue

from glacier.config import Config
from glacier.published import PUBLISHED_RUN, PUBLISHED_TOTAL, PUBLISHED_USABLE
from glacier.reports.sharing import share_changes
from glacier.settings.model import Model
from glacier.studies.area_trend import judge_area_trend
from glacier.studies.judgements import (
    MARGIN,
    Finding,
    Variants,
    Verdict,
    judge_colour,
    judge_months,
    judge_no_gain,
    judge_order,
    judge_rules,
    judge_variants,
    loss_gap,
    small_iou,
    untestable,
)
from glacier.studies.variants import Variant, find_setting, is_synthetic


@dataclass(frozen=True)
class Claim:
    """A testable sentence of the published experiment."""

    id: str
    sentence: str
    """The claim in plain words."""
    test: str
    """How it is tested."""
    variants: tuple[str, ...]
    """Variants that are read."""
    judge: Callable[[Variants], Finding]


class JudgedClaim(Model):
    """A claim, and what the variants say of it."""

    id: str
    claim: str
    """In plain words."""
    test: str
    """How it was tested."""
    variants: tuple[str, ...]
    """Variants that were read."""
    verdict: Verdict
    why: str
    effect: float | None
    unit: str
    low: float | None
    """Lower end of the effect's interval, 95 %."""
    high: float | None
    opposite: bool
    """Not held, and every interval lies wholly on the other side."""


class Departure(Model):
    """A setting in which a run departs from the published one."""

    field: str
    here: JsonValue
    published: JsonValue


def judge_claim(claim: Claim, variants: Variants) -> Finding:
    """What the variants say of a claim; a synthetic archive is named as one."""
    if missing := [name for name in claim.variants if name not in variants]:
        return untestable(f"the run has no variant {', '.join(missing)}.")
    found = claim.judge(variants)
    synthetic = any(is_synthetic(variants[name].config) for name in claim.variants)
    if found.verdict == "not testable here" or not synthetic:
        return found
    return replace(found, why=f"{found.why} This is of the synthetic archive alone.")


def judge_claims(variants: Variants) -> tuple[JudgedClaim, ...]:
    """What the variants say of every claim, in the order of ``CLAIMS``."""
    return tuple(
        JudgedClaim(
            id=claim.id,
            claim=claim.sentence,
            test=claim.test,
            variants=claim.variants,
            **asdict(judge_claim(claim, variants)),
        )
        for claim in CLAIMS
    )


def list_departures(config: Config) -> tuple[Departure, ...]:
    """Settings in which a run departs from the published one."""
    here = {name: find_setting(config, name) for name in PUBLISHED_RUN}
    shown = share_changes(here, config)
    return tuple(
        Departure.model_validate({"field": name, "here": shown[name], "published": value})
        for name, value in PUBLISHED_RUN.items()
        if here[name] != value
    )


BEST, RIVAL, DEEP = "resnet34", "efficientnet-b4", "resnet50"

CLAIMS = (
    Claim(
        "best-encoder", "ResNet34 performs best of the three encoders.",
        "its test Dice above both others', paired over the folds",
        ("encoders",),
        partial(judge_order, ((BEST, RIVAL), (BEST, DEEP)), Variant.test_dice, "test Dice"),
    ),
    Claim(
        "second-encoder", "EfficientNet-B4 comes second.",
        "its test Dice below ResNet34's and above ResNet50's, paired over the folds",
        ("encoders",),
        partial(judge_order, ((BEST, RIVAL), (RIVAL, DEEP)), Variant.test_dice, "test Dice"),
    ),
    Claim(
        "resnet50-overfits", "ResNet50 overfits.",
        "gap of validation and training Dice loss in the last epoch above ResNet34's, paired",
        ("encoders",), partial(judge_order, ((DEEP, BEST),), loss_gap, "Dice loss"),
    ),
    Claim(
        "small-regions", "ResNet34 segments small regions better than the others.",
        "IoU of the small glaciers above both others', paired over the folds",
        ("encoders",),
        partial(judge_order, ((BEST, RIVAL), (BEST, DEEP)), small_iou, "IoU of small glaciers"),
    ),
    Claim(
        "false-colour", "False colour separates glacier better than NDSI.",
        "ResNet34 on near infrared, red and green against ResNet34 on NDSI, paired",
        ("encoders", "ndsi"), judge_colour,
    ),
    Claim(
        "image-size", "Images of 224 px suit better than those of 512 px.",
        "the same months and network at both sizes, test Dice paired over the folds",
        ("size_224", "size_512"), partial(judge_variants, "size_224", "size_512"),
    ),
    Claim(
        "epochs", "30 epochs suffice.",
        f"the gain of 60 epochs over 30 is below {MARGIN:g} test Dice, with its whole interval",
        ("epochs_30", "epochs_60"), partial(judge_no_gain, "epochs_60", "epochs_30"),
    ),
    Claim(
        "weight-decay", "No weight decay is needed.",
        f"the gain of weight decay is below {MARGIN:g} test Dice, with its whole interval",
        ("epochs_30", "weight_decay"), partial(judge_no_gain, "weight_decay", "epochs_30"),
    ),
    Claim(
        "usable-months", f"{PUBLISHED_USABLE} of {PUBLISHED_TOTAL} months are usable.",
        "count of the months with any usable pixel, the published rule",
        ("encoders",), judge_months,
    ),
    Claim(
        "beats-thresholds", "Learned segmentation beats thresholds.",
        "test Dice of every encoder above every threshold's, paired, p by Holm",
        ("encoders",), judge_rules,
    ),
    Claim(
        "shrinkage", "The glacier shrank through the decade.",
        "slope of the mapped area over well-seen late-summer images below zero",
        ("encoders",), judge_area_trend,
    ),
)  # fmt: skip
"""Every testable sentence of the published experiment and of the page beside it."""
