"""Sweep facts -> the comparison: scores by fold, spread, verdict, and what the numbers mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from glacier.breakdown import break_down, measure_late_summer
from glacier.calibration import Reliability
from glacier.labels import NDSI_ABOVE, NIR_ABOVE
from glacier.metrics import pool_counts
from glacier.verdict import LEVEL, bootstrap_dice, correct_holm, corrected_p, judge, spread

Facts = dict[str, Any]


METHOD_NAMES = {
    "everything": "everything glacier",
    "threshold": "threshold",
    "ndsi": f"NDSI > {NDSI_ABOVE:g}",
    "ndsi_nir": f"NDSI > {NDSI_ABOVE:g}, NIR > {NIR_ABOVE:g}",
    "band_ratio": "red/SWIR ratio",
    "random_forest": "random forest",
    "ensemble": "ensemble",
}
"""Methods as tables name them."""

BASELINE_WORDS = {
    "everything": "calling everything glacier",
    "threshold": "the threshold",
    "ndsi": "NDSI",
    "ndsi_nir": "NDSI with near infrared",
    "band_ratio": "the red/SWIR ratio",
    "random_forest": "the random forest",
}
"""Baselines as a sentence names them."""

LABEL_RULES = {"threshold": ("threshold",), "ndsi": ("ndsi", "ndsi_nir")}
"""Label kind to the baselines that are the label's own rule, and so no rivals."""

MEASURES = {
    "boundary_f1": "boundary",
    "boundary_mean_m": "boundary",
    "boundary_p95_m": "boundary",
    "area_error_km2": "area",
    "area_error_abs_km2": "area",
    "area_error_percent": "area",
    "ece": "calibration",
}
"""What a scorecard holds besides counts: name to the group that holds it."""

PUBLISHED: dict[str, Facts] = {
    "resnet34": {
        "lowest": 0.0810,
        "last_mean": 0.1059,
        "last": [0.0810, 0.0968, 0.1424, 0.1175, 0.0917],
    },
    "resnet50": {"lowest": 0.0865, "last_mean": None, "last": []},
    "efficientnet-b4": {"lowest": 0.0796, "last_mean": None, "last": []},
}
"""Dice losses of the published experiment: the lowest of all epochs and folds, the mean of the
folds' last epochs, and those one by one.

Source: the notebook's own output; resnet34's fifth value follows from the printed mean.
"""

SLIPS = (
    "labels cut out of a drawn figure, margins included",
    "masks resized with bilinear interpolation, which makes soft labels at every edge",
    "a shuffled test loader whose batches of 8, 8 and 1 weigh one image eight times",
    "the 30th as an exclusive end of every month, which loses up to two days",
    "logits cut at 0.5, which is a probability of 0.62",
    "pictures drawn with batch statistics instead of evaluation mode",
)
"""What the published experiment did and a repeat of it here does not."""


def score_fold(fold: int, tested: Sequence[Facts]) -> Facts:
    """Scores of one method in one fold, from its counts summed over the test images.

    Args:
        fold: Number of the fold.
        tested: A row of ``tp``, ``fp``, ``fn``, ``tn`` per test image, pixels.

    Returns:
        ``fold``, ``dice``, ``iou``, ``precision``, ``recall`` and the four sums.
    """
    counts = pool_counts(tested)
    scores = {name: getattr(counts, name) for name in ("dice", "iou", "precision", "recall")}
    return {"fold": fold, **scores, **asdict(counts)}


def score_part(facts: Facts) -> Facts:
    """Scores of one method in one fold, from all that its scorecard holds.

    Args:
        facts: ``fold`` and the content of a scorecard.

    Returns:
        As :func:`score_fold`, with the ``MEASURES`` (None where a method has none) and what was
        fitted.
    """
    extra = {name: (facts.get(group) or {}).get(name) for name, group in MEASURES.items()}
    return {**score_fold(facts["fold"], facts["tested"]), **extra, **facts.get("fitted", {})}


def score_units(parts: Sequence[Facts]) -> Facts:
    """Dice and IoU of all test pixels with their intervals over independent units.

    Args:
        parts: Scorecards of all folds, whose ``units`` are blocks, years, regions or images.
    """
    units = [pool_counts([row]) for part in parts for row in part.get("units", [])]
    interval = bootstrap_dice(units)
    return {
        "units": len(units),
        "dice_all_test_pixels": pool_counts(row for part in parts for row in part["tested"]).dice,
        "dice_interval": interval,
        "iou_interval": interval and tuple(end / (2 - end) for end in interval),
    }


def score_reliability(parts: Sequence[Facts], name: str = "calibration") -> list[Facts]:
    """Reliability curve of a method over all folds; empty without probabilities.

    Args:
        parts: Scorecards of the folds.
        name: ``calibration``, or ``uncalibrated`` for probabilities at temperature 1.
    """
    found = [part[name] for part in parts if part.get(name)]
    return sum(map(Reliability.from_dict, found), Reliability()).as_rows()


def score_method(rows: Sequence[Facts], parts: Sequence[Facts] = ()) -> Facts:
    """Scores of one method over its folds, in the form of the report's summary.

    Args:
        rows: A row of :func:`score_part` per fold.
        parts: The scorecards behind them, for the interval and the reliability curve.

    Returns:
        Mean and standard deviation over the folds of Dice and IoU; IoU, precision and recall
        of all test pixels together; the rows; and null where only a network has a number.
    """
    dice_mean, dice_sd = spread([row["dice"] for row in rows])
    iou_mean, iou_sd = spread([row["iou"] for row in rows])
    together = pool_counts(rows)
    return {
        "dice_mean": dice_mean,
        "dice_sd": dice_sd,
        "iou_mean": iou_mean,
        "iou_sd": iou_sd,
        "iou_all_test_pixels": together.iou,
        "precision_all_test_pixels": together.precision,
        "recall_all_test_pixels": together.recall,
        "dice_loss_lowest": None,
        "dice_loss_last_mean": None,
        "parameters": None,
        "images_per_s": None,
        "epoch_s": None,
        "train_s": None,
        **{f"{name}_mean": mean_of([row.get(name) for row in rows]) for name in MEASURES},
        **score_units(parts),
        "reliability": score_reliability(parts),
        **break_down(parts),
        "folds": list(rows),
    }


def mean_of(values: Sequence[float | None]) -> float | None:
    """Mean over the folds; None where a fold has no value."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def kept_loss(trial: Facts) -> float:
    """Dice loss of the epoch whose weights a trial kept.

    On the part that chose it; where nothing chose, the mean over the training batches.
    """
    row = trial["rows"][trial["best_epoch"]]
    chosen = row["val_dice_loss"]
    return float(row["train_dice_loss"] if chosen is None else chosen)


def score_encoder(trials: Sequence[Facts]) -> Facts:
    """Scores, losses and cost of one encoder.

    Args:
        trials: Its finished trials, as in ``sweep.json``.

    Returns:
        As :func:`score_method`, with losses (None where no part chose), number of parameters,
        median images a second and seconds an epoch over the folds, and the seconds of all its
        training.
    """
    ordered = sorted(trials, key=lambda trial: int(trial["fold"]))
    costs = ("images_per_s", "epoch_s", "train_s")
    rows = []
    for trial in ordered:
        losses = [row["val_dice_loss"] for row in trial["rows"]]
        chosen = None not in losses
        extra = {
            "best_epoch": trial["best_epoch"],
            "val_dice_loss": losses[trial["best_epoch"]],
            "val_dice_loss_lowest": min(losses) if chosen else None,
            "val_dice_loss_last": losses[-1],
            **{name: trial[name] for name in costs},
        }
        rows.append(score_part(trial) | extra)
    lowest = [row["val_dice_loss_lowest"] for row in rows]
    return score_method(rows, ordered) | {
        "dice_loss_lowest": min(lowest) if None not in lowest else None,
        "dice_loss_last_mean": mean_of([row["val_dice_loss_last"] for row in rows]),
        "parameters": ordered[0]["parameters"],
        "images_per_s": float(np.median([trial["images_per_s"] for trial in ordered])),
        "epoch_s": float(np.median([trial["epoch_s"] for trial in ordered])),
        "train_s": float(sum(trial["train_s"] for trial in ordered)),
        **score_uncalibrated(ordered),
    }


def score_uncalibrated(trials: Sequence[Facts]) -> Facts:
    """Calibration of an encoder as it was before its temperature was fitted.

    Returns:
        ``ece_before_mean`` over the folds and ``reliability_before``; None and empty where no
        temperature was fitted.
    """
    if all(trial.get("temperature", 1) == 1 for trial in trials):
        return {"ece_before_mean": None, "reliability_before": []}
    before = [trial["uncalibrated"]["ece"] for trial in trials]
    return {
        "ece_before_mean": float(np.mean(before)),
        "reliability_before": score_reliability(trials, "uncalibrated"),
    }


def score_baseline(facts: Facts) -> Facts:
    """Scores of a simple method, or the reason why there are none."""
    if "reason" in facts:
        return {"reason": facts["reason"]}
    ordered = sorted(facts["folds"], key=lambda row: int(row["fold"]))
    return score_method([score_part(row) for row in ordered], ordered)


def group_trials(sweep: Facts) -> dict[str, list[Facts]]:
    """Finished trials by encoder, in the order of the configuration; none without a trial."""
    names = sweep["config"]["sweep"]["encoders"]
    grouped = {name: [t for t in sweep["trials"] if t["encoder"] == name] for name in names}
    return {name: trials for name, trials in grouped.items() if trials}


def ensemble_members(sweep: Facts) -> dict[int, list[str]]:
    """Fold to the encoders whose model of that fold is there: none of them saw the fold."""
    return {
        split["fold"]: [
            name
            for name, trials in group_trials(sweep).items()
            if any(trial["fold"] == split["fold"] for trial in trials)
        ]
        for split in sweep["splits"]
    }


def missing_ensemble(sweep: Facts) -> str | None:
    """Why the encoders of a sweep cannot be averaged in every fold, or None."""
    if len(sweep["config"]["sweep"]["encoders"]) < 2:
        return "one encoder alone is no ensemble"
    short = [str(fold) for fold, names in ensemble_members(sweep).items() if len(names) < 2]
    return f"fewer than two encoders finished fold {', '.join(short)}" if short else None


def compare_methods(sweep: Facts, ensemble: Mapping[int, Facts]) -> Facts:
    """The comparison of all methods of a sweep.

    Args:
        sweep: Content of ``sweep.json``.
        ensemble: Fold to the ensemble's scorecard; empty: not computed.

    Returns:
        ``encoders``, ``baselines``, ``ensemble`` (or null and ``ensemble_reason``),
        ``failed_trials`` and what :func:`conclude_ranking` says.
    """
    encoders = {name: score_encoder(trials) for name, trials in group_trials(sweep).items()}
    baselines = {name: score_baseline(facts) for name, facts in sweep["baselines"].items()}
    averaged = None
    if ensemble:
        parts = [{"fold": fold, **ensemble[fold]} for fold in sorted(ensemble)]
        averaged = score_method([score_part(part) for part in parts], parts)
        averaged["members"] = ensemble_members(sweep)
    return {
        "encoders": encoders,
        "baselines": baselines,
        "ensemble": averaged,
        "ensemble_reason": None if ensemble else missing_ensemble(sweep) or "no test pixels",
        "failed_trials": sweep["failed"],
        "late_summer": late_summer_of(sweep),
        **conclude_ranking(sweep["config"], len(sweep["splits"]), encoders, baselines),
    }


def late_summer_of(sweep: Facts) -> Facts:
    """Encoder to the outlines of its clear late-summer images, where regions say where they lie."""
    corners = [region["polygon"] for region in sweep["config"]["regions"]]
    south = {np.mean([lat for _, lat in polygon]) < 0 for polygon in corners if polygon}
    if not all(corners) or len(south) != 1:
        return {}
    hemisphere = "south" if south.pop() else "north"
    found = {
        name: measure_late_summer(trials, hemisphere)
        for name, trials in group_trials(sweep).items()
    }
    return {name: facts for name, facts in found.items() if facts}


def conclude_ranking(
    config: Facts, folds: int, encoders: Mapping[str, Facts], baselines: Mapping[str, Facts]
) -> Facts:
    """Who wins, whom to take, and why.

    Args:
        config: The resolved configuration, as plain values.
        folds: Number of folds of the sweep.
        encoders: Scores by encoder.
        baselines: Scores by baseline.

    Returns:
        ``winner`` (encoder or None), ``choice`` (encoder to take, None without a ranking),
        ``verdict`` (for people), ``pairs`` (a row for every two encoders; a value that is not
        finite is None), ``against_baselines`` (encoder to a sentence).
    """
    names = config["sweep"]["encoders"]
    done = {name: len(encoders[name]["folds"]) if name in encoders else 0 for name in names}
    ranked = {
        name: [row["dice"] for row in encoders[name]["folds"]]
        for name in names
        if done[name] == folds
    }
    partial = [
        f"{name} ({done[name]} of {folds} folds done)" for name in names if name not in ranked
    ]
    lost = f" Not ranked, since trials failed: {', '.join(partial)}." if partial else ""
    if not ranked:
        none = f"No encoder finished all {folds} folds, so there is no ranking.{lost}"
        return {
            "winner": None, "choice": None, "verdict": none, "pairs": [], "against_baselines": {}
        }  # fmt: skip
    verdict = judge(ranked, {name: encoders[name]["train_s"] for name in ranked})
    best = min(ranked, key=lambda name: (-spread(ranked[name])[0], name))
    kind = config["prepare"]["label"]["kind"]
    against = {name: weigh_baselines(name, ranked[name], baselines, kind) for name in ranked}
    return {
        "winner": verdict.winner,
        "choice": verdict.choice,
        "verdict": f"{verdict.sentence}{lost} {against[best]}".strip(),
        "pairs": [drop_infinite(asdict(pair)) for pair in verdict.pairs],
        "against_baselines": against,
    }


def drop_infinite(row: Facts) -> Facts:
    """A row without the numbers that JSON has no word for."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in row.items()
    }


def weigh_baselines(
    best: str, dice: Sequence[float], baselines: Mapping[str, Facts], label_kind: str
) -> str:
    """Whether an encoder is worth more than the simple methods, in a sentence.

    Args:
        best: The encoder.
        dice: Its test Dice per fold.
        baselines: Scores by baseline.
        label_kind: Labels made by a rule leave that rule out: it is no rival.
    """
    rivals = {
        name: scores
        for name, scores in baselines.items()
        if "reason" not in scores and name not in LABEL_RULES.get(label_kind, ())
    }
    if not rivals:
        return ""
    mean = spread(dice)[0]
    words = {name: f"{BASELINE_WORDS.get(name, name)} ({rivals[name]['dice_mean']:.3f})"
             for name in rivals}  # fmt: skip
    ahead = [words[name] for name, scores in rivals.items() if scores["dice_mean"] >= mean]
    if ahead:
        return f"{best} does not beat {join_words(ahead)}."
    nearest = max(rivals, key=lambda name: float(rivals[name]["dice_mean"]))
    folds = [[row["dice"] for row in scores["folds"]] for scores in rivals.values()]
    p = max(correct_holm([corrected_p(dice, other) for other in folds]))
    every = "every baseline; the nearest is " if len(rivals) > 1 else ""
    if p < LEVEL:
        return f"{best} beats {every}{words[nearest]}, p = {p:.2g}."
    return (
        f"{best} lies above {every}{words[nearest]}, which is within the spread of the folds "
        f"(p = {p:.2f})."
    )


def join_words(words: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def rank_encoders(summary: Facts) -> list[str]:
    """Encoders, the highest mean Dice first."""
    scores = summary["encoders"]
    return sorted(scores, key=lambda name: (-scores[name]["dice_mean"], name))


def list_methods(summary: Facts) -> list[Facts]:
    """Rows of the main table: encoders by rank, ensemble, baselines."""
    rows = [
        {"name": name, "kind": "encoder", "scores": summary["encoders"][name]}
        for name in rank_encoders(summary)
    ]
    ensemble = summary["ensemble"] or {"reason": summary["ensemble_reason"]}
    rows.append({"name": "ensemble", "kind": "ensemble", "scores": ensemble})
    baselines = summary["baselines"]
    return rows + [
        {"name": METHOD_NAMES.get(name, name), "kind": "baseline", "scores": baselines[name]}
        for name in sorted(baselines, key=lambda name: -baselines[name].get("dice_mean", -1.0))
    ]


def list_folds(summary: Facts) -> list[Facts]:
    """A row per method and fold; a method without scores has one row with the reason."""
    rows = []
    kinds = {"encoder": summary["encoders"], "baseline": summary["baselines"]}
    if summary["ensemble"]:
        kinds["ensemble"] = {"ensemble": summary["ensemble"]}
    for kind, methods in kinds.items():
        for name, scores in methods.items():
            base = {"method": name, "kind": kind, "status": "done", "reason": ""}
            if "reason" in scores:
                rows.append(base | {"status": "left out", "reason": scores["reason"]})
            for row in scores.get("folds", []):
                rows.append(base | row | {"test_units": summary["test_units"][row["fold"]]})
    for failed in summary["failed_trials"]:
        base = {"method": failed["encoder"], "kind": "encoder", "status": "failed"}
        rows.append(base | {"fold": failed["fold"], "reason": failed["reason"]})
    return rows


def list_epochs(sweep: Facts) -> list[Facts]:
    """A row per encoder, fold and epoch (from 0): the learning curves."""
    return [
        {"encoder": trial["encoder"], "fold": trial["fold"]}
        | row
        | {"chosen": int(row["epoch"] == trial["best_epoch"])}
        for trial in sweep["trials"]
        for row in trial["rows"]
    ]


def count_months(parts: Sequence[Facts]) -> Facts:
    """Months by outcome: ``ok`` a number, ``empty`` a number by reason, ``failed`` a number.

    Args:
        parts: The parts of the samples' summary.
    """
    reasons = Counter(
        (part["reason"] or "no reason given").partition(":")[0]
        for part in parts
        if part["status"] == "empty"
    )
    return {
        "ok": sum(part["status"] == "ok" for part in parts),
        "empty": dict(sorted(reasons.items())),
        "failed": sum(part["status"] == "failed" for part in parts),
    }


def explain_run(config: Facts, images: int) -> list[str]:
    """What the scores of a run say and do not say, in sentences, from its own settings.

    Args:
        config: The resolved configuration, as plain values.
        images: Number of usable month images.
    """
    sentences = [explain_labels(config["prepare"]["label"])]
    if config["prepare"]["label"]["outlines"]:
        sentences.append(explain_outlines(config["prepare"]["label"], config["months"]))
    sentences.append(explain_protocol(config["sweep"]))
    sentences.append(explain_folds(config))
    if images == 1:
        sentences.append("There is one image, so nothing is said of other dates and seasons.")
    sentences.append(explain_weights(config["sweep"]["encoder_weights"]))
    return sentences


def explain_labels(label: Facts) -> str:
    """What the labels are, and so what agreement with them is worth."""
    name = (label["outlines"] or "").rpartition("/")[2]
    words = {
        "truth": "The scenes are invented and the labels are their exact truth: the score says "
        "that the method works on them, and nothing of a real glacier.",
        "outlines": f"The labels are the polygons of {name}: the score is agreement with that "
        "inventory, its date and its mistakes included.",
        "ndsi": "The labels are a rule on bands of the same image (NDSI above "
        f"{label['ndsi_above']:g}, near infrared above {label['nir_above']:g}): the score says "
        "how well a network copies the rule and nothing of glaciers; seasonal snow counts as "
        "glacier, ice under debris does not.",
        "threshold": "The labels are the false colour's grey level above "
        f"{label['threshold']}, a function of the very picture that the network sees: the score "
        "says how well a network copies a threshold and nothing of glaciers.",
    }
    if label["unseen"] == "background":
        return f"{words[label['kind']]} Pixels hidden by cloud count as bare ground, as published."
    return f"{words[label['kind']]} Pixels that nobody saw count nowhere."


def explain_outlines(label: Facts, months: Facts) -> str:
    """Where the outlines come from, and how far from the images in time."""
    if not (pedigree := label["pedigree"]):
        return "Where the outlines come from, and of what year they are, the run does not say."
    first, last = (int(months[end][:4]) for end in ("first", "last"))
    drawn = pedigree["years"]
    nearest = max(0, drawn[0] - last, first - drawn[1])
    farthest = max(abs(drawn[1] - first), abs(last - drawn[0]))
    years = "of the same year"
    if farthest:
        span = f"{nearest} to {farthest}" if nearest < farthest else f"{farthest}"
        years = f"{span} years away"
    margin = label["margin_m"]
    left_out = f" Pixels within {margin:g} m of an outline count nowhere." if margin else ""
    return (
        f"The outlines are those of {pedigree['source']} ({pedigree['owner']}; "
        f"{pedigree['licence']}), drawn from images of "
        f"{'-'.join(map(str, sorted(set(drawn))))}; the images here are {years}.{left_out}"
    )


def explain_protocol(sweep: Facts) -> str:
    """What chose the checkpoints."""
    if sweep["protocol"] == "notebook":
        return (
            "The checkpoint of every trial was chosen on its own test fold, as published: each "
            f"score is the best of {sweep['epochs']} looks at the test data, and too high."
        )
    if sweep["folds"]["validation_share"] == 0:
        return (
            "No checkpoint was chosen: all ground outside the test fold trained for a number of "
            "steps fixed beforehand, the last weights were kept, and the test fold was looked at "
            "once."
        )
    return (
        "The checkpoint of every trial was chosen on a validation part, and the test fold was "
        "looked at once."
    )


def explain_folds(config: Facts) -> str:
    """What the folds keep apart."""
    places = len(config["regions"])
    within = "one place" if places == 1 else f"each of {places} places"
    return {
        "by_block": f"The folds are columns of ground within {within}: no ground is both trained "
        "on and tested, but light, sensor and landscape are the same, so another glacier may "
        "score lower.",
        "by_year": "The folds are whole years: they separate dates and not ground. The same "
        "slopes are trained on and tested, so another glacier may score far lower.",
        "by_region": "The folds are whole glaciers: the score is for glaciers that the network "
        "never saw.",
        "shuffled": "The folds are months drawn at random: training and test show the same "
        "ground, often in nearly the same state, so the score says little of anything new.",
    }[config["sweep"]["folds"]["kind"]]


def explain_weights(weights: str) -> str:
    """Where the encoders began."""
    if weights == "none":
        return "The encoders began with random weights."
    if weights == "imagenet":
        return "The encoders began with weights trained on ImageNet."
    return f"The encoders began with the weights of {weights.rpartition('/')[2]}."
