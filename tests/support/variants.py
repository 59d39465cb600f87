"""Arms of a study with given scores."""

from glacier.config import Label
from glacier.studies import claim_list, judgements
from glacier.studies.variants import Arm
from tests.support.sweeps import make_sweep

DICE = {"net": [0.8, 0.7, 0.9]}


def make_arm(name="plain", dice=None, validation=None, baselines=None, **changes) -> Arm:
    """An arm with given test Dice by fold; validation Dice equals it where not given."""
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
    return Arm(name, changes, sweep, {"parts": []})


def move_units(arm: Arm) -> Arm:
    """The arm as if it tested and validated on other units, ten of them with the same counts."""
    for split in arm.sweep["splits"]:
        split["test"], split["validation"] = [f"other/{split['fold']}"], ["other/v"]
    return arm


def give_units(arm: Arm) -> Arm:
    """The arm with the counts of its images as units, so that it has a bootstrap interval."""
    for trial in arm.sweep["trials"]:
        trial["units"] = [{"unit": f"u{trial['fold']}", **trial["tested"][0]}]
    return arm


TRIO = ("resnet34", "resnet50", "efficientnet-b4")


CLAIMS = {claim.id: claim for claim in claim_list.CLAIMS}


SPREAD = (-0.01, 0.0, 0.01)


def dice_around(mean: float, noise=SPREAD) -> list[float]:
    return [mean + step for step in noise]


def make_encoders(means=(0.9, 0.8, 0.7), source="earthengine", baselines=None) -> Arm:
    """The arm ``encoders``: a mean Dice for each of the trio, in its order."""
    dice = {name: dice_around(mean) for name, mean in zip(TRIO, means, strict=True)}
    arm = make_arm("encoders", dice, baselines=baselines)
    arm.sweep["config"] |= {
        "ingest": {"source": source, "cloud_profile": "notebook", "min_valid_share": 0.0},
        "months": {"first": "2014-01", "last": "2023-12"},
        "regions": [{"polygon": [[-134.6, 58.4], [-134.4, 58.4], [-134.4, 58.6]]}],
    }
    return arm


def find(name: str, *found: Arm) -> judgements.Finding:
    return claim_list.judge_claim(CLAIMS[name], {arm.name: arm for arm in found})


def make_single(name: str, mean: float, noise=SPREAD, **changes) -> Arm:
    arm = make_arm(name, {"net": dice_around(mean, noise)}, **changes)
    arm.sweep["config"]["ingest"] = {"source": "earthengine"}
    return arm


def count_parts(arm: Arm, usable: int, total: int = 120) -> Arm:
    arm.samples["parts"] += [
        {"status": "ok" if k < usable else "empty", "reason": None if k < usable else "no_scene"}
        for k in range(total)
    ]
    return arm
