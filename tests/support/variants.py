"""Variants of a study with given scores."""

from glacier.config import Label
from glacier.studies import claim_list, judgements
from glacier.studies.variants import Variant
from tests.support.sweeps import make_sweep

DICE = {"net": [0.8, 0.7, 0.9]}


def make_variant(name="plain", dice=None, validation=None, baselines=None, **changes) -> Variant:
    """A variant with given test Dice by fold; validation Dice equals it where not given."""
    sweep = make_sweep(dice or DICE, baselines or {})
    for trial in sweep["trials"]:
        wanted = (validation or dice or DICE)[trial["encoder"]][trial["fold"]]
        trial["rows"][trial["best_epoch"]]["val_dice"] = wanted
    for split in sweep["splits"]:
        split |= {"validation": [f"v/{split['fold']}"]}
    sweep["config"]["sweep"] |= {
        "protocol": "honest",
        "loss": "dice",
        "folds": {"kind": "by_year", "validation_share": 0.2},
        **changes,
    }
    sweep["config"]["prepare"]["label"] = Label().model_dump(mode="json")
    return Variant(name, changes, sweep, {"parts": []})


def move_units(variant: Variant) -> Variant:
    """The variant as if it tested and validated on other units, ten of them with the same counts."""
    for split in variant.sweep["splits"]:
        split["test"], split["validation"] = [f"other/{split['fold']}"], ["other/v"]
    return variant


def give_units(variant: Variant) -> Variant:
    """The variant with the counts of its images as units, so that it has a bootstrap interval."""
    for trial in variant.sweep["trials"]:
        trial["units"] = [{"unit": f"u{trial['fold']}", **trial["tested"][0]}]
    return variant


TRIO = ("resnet34", "resnet50", "efficientnet-b4")


CLAIMS = {claim.id: claim for claim in claim_list.CLAIMS}


SPREAD = (-0.01, 0.0, 0.01)


def dice_around(mean: float, noise=SPREAD) -> list[float]:
    return [mean + step for step in noise]


def make_encoders(means=(0.9, 0.8, 0.7), source="earthengine", baselines=None) -> Variant:
    """The variant ``encoders``: a mean Dice for each of the trio, in its order."""
    dice = {name: dice_around(mean) for name, mean in zip(TRIO, means, strict=True)}
    variant = make_variant("encoders", dice, baselines=baselines)
    variant.sweep["config"] |= {
        "ingest": {"source": source, "cloud_profile": "notebook", "min_valid_share": 0.0},
        "months": {"first": "2014-01", "last": "2023-12"},
        "regions": [{"polygon": [[-134.6, 58.4], [-134.4, 58.4], [-134.4, 58.6]]}],
    }
    return variant


def find(name: str, *found: Variant) -> judgements.Finding:
    return claim_list.judge_claim(CLAIMS[name], {variant.name: variant for variant in found})


def make_single(name: str, mean: float, noise=SPREAD, **changes) -> Variant:
    variant = make_variant(name, {"net": dice_around(mean, noise)}, **changes)
    variant.sweep["config"]["ingest"] = {"source": "earthengine"}
    return variant


def count_parts(variant: Variant, usable: int, total: int = 120) -> Variant:
    variant.samples["parts"] += [
        {"status": "ok" if k < usable else "empty", "reason": None if k < usable else "no_scene"}
        for k in range(total)
    ]
    return variant
