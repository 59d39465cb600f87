"""Sweeps with given scores, in closed form."""

IMAGE = {"region": "a", "month": "2014-08-01", "valid_share": 1.0, "boundary_mean_m": 30.0}


COUNTS = {"tp": 6, "fp": 2, "fn": 2, "tn": 10}


def counts_of(dice: float) -> dict[str, int]:
    """Counts whose Dice is the given one, to a thousandth."""
    hits = round(1000 * dice)
    return {**IMAGE, "tp": hits, "fp": 1000 - hits, "fn": 1000 - hits, "tn": 500}


def make_trial(encoder: str, fold: int, dice: float, losses: tuple[float, ...] = (0.4, 0.2, 0.3)):
    rows = [
        {"epoch": k, "train_loss": loss + 0.1, "val_dice_loss": loss, "val_dice": 1 - loss}
        for k, loss in enumerate(losses)
    ]
    return {
        "encoder": encoder,
        "fold": fold,
        "best_epoch": losses.index(min(losses)),
        "parameters": 1000,
        "images_per_s": 10.0 + fold,
        "epoch_s": 2.0,
        "train_s": 6.0,
        "tested": [{"region": "a", "month": "2014-01-01", **counts_of(dice)}],
        "rows": rows,
    }


def make_split(fold: int, folds: int) -> dict:
    """A fold of one unit that trains on those of all others, or of one more where it is alone."""
    return {
        "fold": fold,
        "test": [f"a/{fold}"],
        "train": [f"a/{k}" for k in range(max(folds, 2)) if k != fold],
    }


def make_sweep(dice: dict[str, list[float]], baselines: dict, label: str = "truth", failed=()):
    folds = max(len(values) for values in dice.values())
    return {
        "config": {
            "regions": [],
            "sweep": {"encoders": list(dice), "folds": {"kind": "by_year"}},
            "prepare": {"label": {"kind": label, "unseen": "ignore"}},
        },
        "splits": [make_split(fold, folds) for fold in range(folds)],
        "trials": [
            make_trial(name, fold, value)
            for name, values in dice.items()
            for fold, value in enumerate(values)
        ],
        "failed": list(failed),
        "baselines": {
            name: values
            if isinstance(values, dict)
            else {"folds": [{"fold": k, "tested": [counts_of(v)]} for k, v in enumerate(values)]}
            for name, values in baselines.items()
        },
    }
