"""Sweep facts -> the comparison: scores by fold, spread, verdict, and what the numbers mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from glacier.breakdown import measure_late_summer
from glacier.labels import NDSI_ABOVE, NIR_ABOVE
from glacier.scores import Facts, score_baseline, score_encoder, score_method, score_part
from glacier.verdict import LEVEL, correct_holm, corrected_p, judge, spread

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
