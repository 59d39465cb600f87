"""What a sweep found: its trials, and who of them can be averaged."""

from __future__ import annotations

from glacier.evaluation.metrics import Facts


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


def list_epochs(sweep: Facts) -> list[Facts]:
    """A row per encoder, fold and epoch (from 0): the learning curves."""
    return [
        {"encoder": trial["encoder"], "fold": trial["fold"]}
        | row
        | {"chosen": int(row["epoch"] == trial["best_epoch"])}
        for trial in sweep["trials"]
        for row in trial["rows"]
    ]


def kept_loss(trial: Facts) -> float:
    """Dice loss of the epoch whose weights a trial kept.

    On the part that chose it; where nothing chose, the mean over the training batches.
    """
    row = trial["rows"][trial["best_epoch"]]
    chosen = row["val_dice_loss"]
    return float(row["train_loss"] if chosen is None else chosen)
