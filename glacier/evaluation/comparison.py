"""Sweep facts -> the comparison: scores by fold, spread, verdict, and what the numbers mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from glacier.evaluation.breakdown import late_summer_months, measure_late_summer
from glacier.evaluation.metrics import Facts
from glacier.evaluation.results import ensemble_members, group_trials, missing_ensemble
from glacier.evaluation.scores import score_baseline, score_encoder, score_method, score_part
from glacier.evaluation.verdict import SIGNIFICANCE_LEVEL, correct_holm, corrected_p, judge, spread
from glacier.labels import NDSI_ABOVE, NIR_ABOVE
from glacier.wording import join_words

METHOD_NAMES = {
    "all_glacier": "everything glacier",
    "threshold": "threshold",
    "ndsi": f"NDSI > {NDSI_ABOVE:g}",
    "ndsi_nir": f"NDSI > {NDSI_ABOVE:g}, NIR > {NIR_ABOVE:g}",
    "band_ratio": "red/SWIR ratio",
    "random_forest": "random forest",
    "ensemble": "ensemble",
}
"""Methods as tables name them."""

BASELINE_WORDS = {
    "all_glacier": "calling everything glacier",
    "threshold": "the threshold",
    "ndsi": "NDSI",
    "ndsi_nir": "NDSI with near infrared",
    "band_ratio": "the red/SWIR ratio",
    "random_forest": "the random forest",
}
"""Baselines as a sentence names them."""

LABEL_RULES = {"threshold": ("threshold",), "ndsi": ("ndsi", "ndsi_nir")}
"""Label kind to the baselines that are the label's own rule, and so no rivals."""


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
        **conclude_ranking(sweep["config"], sweep["splits"], encoders, baselines),
    }


def late_summer_of(sweep: Facts, parts: Sequence[Facts]) -> Facts:
    """Encoder to the outlines of its clear late-summer images.

    Args:
        sweep: Content of ``sweep.json``.
        parts: The parts of the samples' summary, which know of snow.

    Returns:
        By encoder as :func:`breakdown.measure_late_summer`. Empty where regions do not say where
        they lie, where unseen pixels count as ground, so that every image passes for clear, and
        where blocks cut the outlines of an image.
    """
    config = sweep["config"]
    cut = config["sweep"]["folds"]["kind"] == "by_block"
    if cut or config["prepare"]["label"]["unseen"] == "background":
        return {}
    if (months := late_summer_months(config["regions"])) is None:
        return {}
    snow = {(part["region"], part["month"]): part.get("snow_outside") for part in parts}
    found = {
        name: measure_late_summer(trials, months, snow)
        for name, trials in group_trials(sweep).items()
    }
    return {name: facts for name, facts in found.items() if facts}


def conclude_ranking(
    config: Facts,
    splits: Sequence[Facts],
    encoders: Mapping[str, Facts],
    baselines: Mapping[str, Facts],
) -> Facts:
    """Who wins, whom to take, and why.

    Args:
        config: The resolved configuration, as plain values.
        splits: The folds of the sweep.
        encoders: Scores by encoder.
        baselines: Scores by baseline.

    Returns:
        ``winner`` (encoder or None), ``choice`` (encoder to take, None without a ranking),
        ``verdict`` (for people), ``pairs`` (a row for every two encoders; a value that is not
        finite is None), ``against_baselines`` (encoder to a sentence).
    """
    names, folds = config["sweep"]["encoders"], len(splits)
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
    ratio = part_ratio(splits)
    verdict = judge(ranked, {name: encoders[name]["epoch_s"] for name in ranked}, ratio)
    rules = LABEL_RULES.get(config["prepare"]["label"]["kind"], ())
    rivals = {name: scores for name, scores in baselines.items() if name not in rules}
    against = {name: weigh_baselines(name, ranked[name], rivals, ratio) for name in ranked}
    best = rank_encoders({"encoders": encoders})[0]
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


def part_ratio(splits: Sequence[Facts], part: str = "test") -> float:
    """Units of a ``test`` or ``validation`` part over those of its training part, mean of folds."""
    return float(np.mean([len(split[part]) / len(split["train"]) for split in splits]))


def weigh_baselines(
    encoder: str, dice: Sequence[float], baselines: Mapping[str, Facts], ratio: float
) -> str:
    """Whether an encoder is worth more than the simple methods, in a sentence.

    Args:
        encoder: The encoder.
        dice: Its test Dice per fold.
        baselines: Scores by baseline, without the label's own rule, which is no rival.
        ratio: As in :func:`verdict.corrected_p`; the p values are Holm's over the baselines.
    """
    rivals = {name: scores for name, scores in baselines.items() if "reason" not in scores}
    if not rivals:
        return ""
    score, mean = {name: float(rivals[name]["dice_mean"]) for name in rivals}, spread(dice)[0]
    words = {name: BASELINE_WORDS.get(name, name) for name in rivals}
    if ahead := [f"{words[name]} ({score[name]:.3f})" for name in rivals if score[name] >= mean]:
        return f"{encoder} does not beat {join_words(ahead, 'or')}."
    folds = [[row["dice"] for row in scores["folds"]] for scores in rivals.values()]
    ps = correct_holm([corrected_p(dice, other, ratio) for other in folds])
    p = dict(zip(rivals, ps, strict=True))
    every = "every baseline" if len(rivals) == len(baselines) else "every available baseline"
    if doubted := [name for name in rivals if p[name] >= SIGNIFICANCE_LEVEL]:
        doubts = [f"{words[name]} ({score[name]:.3f}, p = {p[name]:.2g})" for name in doubted]
        return f"{encoder} lies above {every}, but is not shown to beat {join_words(doubts, 'or')}."
    nearest = max(rivals, key=lambda name: score[name])
    found = f"{words[nearest]} ({score[nearest]:.3f}, p = {p[nearest]:.2g})"
    return f"{encoder} beats {f'{every}; the nearest is ' if len(rivals) > 1 else ''}{found}."


def rank_encoders(summary: Facts) -> list[str]:
    """Encoders, the highest mean Dice first; those that lost a fold come last."""
    scores = summary["encoders"]
    most = max((len(found["folds"]) for found in scores.values()), default=0)
    return sorted(
        scores,
        key=lambda name: (
            len(scores[name]["folds"]) < most, -scores[name]["dice_mean"], name
        ),
    )  # fmt: skip


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
