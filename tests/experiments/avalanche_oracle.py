"""Our strategies beside those of Avalanche, the library for continual learning of classes.

    python tests/experiments/avalanche_oracle.py jobs/continual.yaml results/continual

wants the samples and the finished trials of that benchmark, and Avalanche 0.6, which is none of
our needs, in the same environment. It writes ``anchors.json`` and ``anchors.md``.

First the parts: Avalanche's own importances, penalties, distillation and measures on our network
and chips, each beside ours. Then whole streams: Avalanche trains the same network on the same chips
of the first order with the same number of batches, by its own loop, optimiser and memory, given
nothing of ours but the network, the loss and the budget, the rate and the strength that ours took.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from glacier.continual.chips import Batch, ChipCutter, TaskChips, turn_chip
from glacier.continual.importance import (
    absolute_gradients,
    clone_weights,
    quadratic_penalty,
    squared_gradients,
)
from glacier.continual.learn import make_setup, score_tasks
from glacier.continual.lwf import WARMTH, distil
from glacier.continual.mas import measure_output
from glacier.continual.network import SmallUNet
from glacier.continual.strategy import Setup, Strategy
from glacier.continual.trial import StreamKey, StreamPlan, choose_best, plan_stream
from glacier.evaluation.forgetting import ScoreMatrix, measure_forgetting
from glacier.flags import load_config
from glacier.labels import IGNORE
from glacier.samples.mapped_images import open_images
from glacier.training.losses import dice_loss

LIBRARY = "avalanche-lib"

METHODS = ("naive", "ewc", "mas", "replay")
"""Strategies of ours that Avalanche has, too, and that take dense labels there."""

PARTS_CHIPS = 12


class TurnedChips(Dataset[tuple[Tensor, Tensor]]):
    """As many turned chips as a task's batches hold, each of them in turn."""

    def __init__(self, chips: Batch, count: int, seed: int) -> None:
        self.chips, self.count = chips, count
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, at: int) -> tuple[Tensor, Tensor]:
        place = at % len(self.chips)
        pair = self.chips.images[place], self.chips.labels[place]
        image, label = turn_chip(*pair, int(self.rng.integers(8)))
        return image[0], label[0]


def as_dataset(chips: Dataset[tuple[Tensor, Tensor]], count: int) -> object:
    """A data set of Avalanche's, whose every item it takes for one of a single class and task."""
    from avalanche.benchmarks.utils import make_avalanche_dataset
    from avalanche.benchmarks.utils.data_attribute import DataAttribute

    one = [0] * count
    return make_avalanche_dataset(
        chips,
        data_attributes=[
            DataAttribute(one, "targets"),
            DataAttribute(one, "targets_task_labels", use_in_getitem=True),
        ],
    )


def known_bce(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of the known pixels, nats."""
    known = labels != IGNORE
    each = functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
    return (each * known).sum() / known.sum()


def apart(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Largest difference, as a share of the largest value of theirs."""
    gap = max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True))
    return gap / max(float(b.abs().max()) for b in theirs)


def compare_parts(chips: Batch, setup: Setup) -> dict[str, float]:
    """By what share our parts differ from Avalanche's."""
    from avalanche.training.plugins import EWCPlugin, MASPlugin
    from avalanche.training.regularization import LearningWithoutForgetting

    torch.manual_seed(0)
    net = SmallUNet(setup.bands, setup.levels, setup.width)
    data = as_dataset(TurnedStill(chips), len(chips))
    optimizer = torch.optim.SGD(net.parameters(), 0.0)
    found = {}

    ewc = EWCPlugin(1.0)
    theirs = ewc.compute_importances(net, known_bce, optimizer, data, "cpu", 1)
    labels = iter(chips.labels)
    ours = squared_gradients(net, chips, lambda z, known: known_bce(z, next(labels)[None]))
    found["ewc: importances, with given labels and chip by chip"] = apart(
        list(ours.values()), [each.data for each in theirs.values()]
    )

    anchor = clone_weights(net)
    ewc.importances[0], ewc.saved_params[0] = theirs, {k: each_as(v) for k, v in anchor.items()}
    moved = move(net)
    stand = SimpleNamespace(
        clock=SimpleNamespace(train_exp_counter=1), model=moved, device="cpu", loss=0.0
    )
    ewc.before_backward(stand)
    half = quadratic_penalty(moved, ours, anchor)
    found["ewc: penalty, of which ours is the half, as the paper writes it"] = apart(
        [2 * half.detach()], [stand.loss.detach()]
    )

    mas = MASPlugin(verbose=False)
    stand = SimpleNamespace(
        model=net, experience=SimpleNamespace(dataset=data), device="cpu", optimizer=optimizer,
        train_mb_size=1,
    )  # fmt: skip
    theirs = mas._get_importance(stand)
    ours = absolute_gradients(net, chips, measure_output)
    found["mas: importances"] = apart(list(ours.values()), [v.data for v in theirs.values()])

    with torch.no_grad():
        now, before = moved(chips.images), net(chips.images)
    two = [torch.stack([torch.zeros_like(z), z], -1).reshape(-1, 2) for z in (now, before)]
    lwf = LearningWithoutForgetting(temperature=WARMTH)._distillation_loss(*two, (0, 1))
    found["lwf: distillation, theirs without the temperature's square"] = apart(
        [distil(now, before)], [lwf * WARMTH**2]
    )
    return found


class TurnedStill(Dataset[tuple[Tensor, Tensor]]):
    """Chips as they are."""

    def __init__(self, chips: Batch) -> None:
        self.chips = chips

    def __len__(self) -> int:
        return len(self.chips)

    def __getitem__(self, at: int) -> tuple[Tensor, Tensor]:
        return self.chips.images[at], self.chips.labels[at]


def each_as(value: Tensor) -> SimpleNamespace:
    """A tensor as Avalanche holds saved weights."""
    return SimpleNamespace(expand=lambda shape: value.expand(shape))


def move(net: SmallUNet) -> SmallUNet:
    """The network with other weights near its own."""
    torch.manual_seed(1)
    moved = SmallUNet(net.stages[0].first.in_channels, net.levels, net.head.in_channels)
    with torch.no_grad():
        for there, here in zip(moved.parameters(), net.parameters(), strict=True):
            there.copy_(here + 0.05 * torch.randn_like(here))
    return moved


def compare_measures(tries: int = 200) -> dict[str, float]:
    """Largest difference of our measures from Avalanche's on matrices drawn at random."""
    from avalanche.evaluation.metrics.forgetting_bwt import BWT, Forgetting
    from avalanche.evaluation.metrics.forward_transfer import ForwardTransfer

    rng, worst = np.random.default_rng(0), {"forgetting": 0.0, "backward": 0.0, "forward": 0.0}
    for _ in range(tries):
        count = int(rng.integers(2, 7))
        scores = rng.random((count + 1, count))
        ours = measure_forgetting(scores)
        back, forward = BWT(), ForwardTransfer()
        lost = []
        for task in range(count - 1):
            back.update(task, scores[task + 1, task], initial=True)
            back.update(task, scores[-1, task])
            each = Forgetting()  # it compares the last with the first; the paper with the best
            each.update(task, scores[1:-1, task].max(), initial=True)
            each.update(task, scores[-1, task])
            lost.append(each.result()[task])
        for task in range(1, count):
            forward.update(task, scores[0, task], initial=True)
            forward.update(task, scores[task, task])
        pairs = {
            "forgetting": (ours.forgetting, mean(lost)),
            "backward": (ours.backward, mean(back.result().values())),
            "forward": (ours.forward, mean(forward.result().values())),
        }
        for name, (mine, other) in pairs.items():
            assert mine is not None
            worst[name] = max(worst[name], float(abs(mine - other)))
    return worst


def make_strategy(name: str, net: nn.Module, setup: Setup, budget: int) -> object:
    """Avalanche's strategy of a name."""
    from avalanche.training import EWC, MAS, Naive, Replay
    from avalanche.training.plugins import EvaluationPlugin

    common = {
        "model": net,
        "optimizer": torch.optim.Adam(net.parameters(), setup.rate),
        "criterion": dice_loss,
        "train_mb_size": setup.batch_size,
        "train_epochs": 1,
        "eval_mb_size": 64,
        "evaluator": EvaluationPlugin(),
    }
    made: dict[str, Callable[[], object]] = {
        "naive": lambda: Naive(**common),
        "ewc": lambda: EWC(ewc_lambda=setup.strength / 2, **common),
        "mas": lambda: MAS(lambda_reg=setup.strength / 2, alpha=0.5, verbose=False, **common),
        "replay": lambda: Replay(mem_size=budget, **common),
    }
    return made[name]()


def run_theirs(name: str, tasks: Sequence[TaskChips], setup: Setup, budget: int) -> ScoreMatrix:
    """Scores of Avalanche's strategy after each task."""
    from avalanche.benchmarks.scenarios.dataset_scenario import benchmark_from_datasets

    torch.manual_seed(setup.seed)
    ours = Strategy(setup)
    learner = make_strategy(name, ours.net, setup, budget)
    count = setup.steps * setup.batch_size
    sets = [
        as_dataset(TurnedChips(task.train, count, setup.seed + task.place), count) for task in tasks
    ]
    tests = [task.test for task in tasks]
    rows = [score_tasks(ours, tests)]
    for experience in benchmark_from_datasets(train=sets).train_stream:
        learner.train(experience, num_workers=0)
        ours.net.eval()
        rows.append(score_tasks(ours, tests))
    return ScoreMatrix(tasks=tuple(task.name for task in tasks), rows=tuple(rows))


def compare_streams(plan: StreamPlan) -> list[dict[str, object]]:
    """For each method and seed of the first order: scores of ours and of theirs."""
    settings, found = plan.config.continual, []
    done = [plan.find(key, owned=False) for key in plan.list_choices()]
    chosen = {key.strategy: key for key in choose_best([each for each in done if each])}
    with open_images(plan.samples_at, plan.samples) as images:
        for name in METHODS:
            for seed in range(settings.seeds):
                key: StreamKey = chosen[name].model_copy(update={"seed": seed})
                outcome = plan.find(key, owned=False)
                assert outcome is not None, f"{key.name} has not ended"
                cutter = ChipCutter(
                    images, plan.masks, plan.split(key), plan.samples.size_px, plan.config.seed
                )
                tasks = cutter.cut_stream(plan.order(key))
                setup = make_setup(plan, key, tasks)
                chips = round(settings.tuning_budget / 100 * sum(len(t.train) for t in tasks))
                theirs = run_theirs(name, tasks, setup, chips).measure()
                mine = outcome.test.measure()
                found.append(
                    {
                        "method": name,
                        "seed": seed,
                        "ours": mine.model_dump(),
                        "theirs": theirs.model_dump(),
                    }
                )
                print(
                    f"{name}, seed {seed}: average IoU {mine.average:.3f}, "
                    f"Avalanche {theirs.average:.3f}; forgetting {mine.forgetting:.3f}, "
                    f"{theirs.forgetting:.3f}",
                    flush=True,
                )
    return found


def write_page(parts: dict[str, float], measures: dict[str, float], runs: list[dict]) -> str:
    """The page."""
    lines = [
        "# Our strategies beside Avalanche's",
        "",
        f"Avalanche {version(LIBRARY)}, which has no segmentation: its strategies were given "
        "our network, Dice loss and chips, and took each chip for an item of one class. How, is "
        "said in `tests/experiments/avalanche_oracle.py`.",
        "",
        "## Parts, on the same network and chips",
        "",
        "| part | largest difference, as a share of the largest value |",
        "|---|---|",
        *(f"| {name} | {value:.1e} |" for name, value in parts.items()),
        *(
            f"| {name}: the measure, on 200 drawn matrices | {value:.1e} |"
            for name, value in measures.items()
        ),
        "",
        "Ours draws the labels of the Fisher information from the network, as its definition has "
        "it; Avalanche takes the given ones. For the first row ours was told to do so, too.",
        "",
        "## Whole streams, five tasks in the first order, mean over seeds",
        "",
        "| method | average IoU, ours | Avalanche's | forgetting, ours | Avalanche's | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for name in METHODS:
        rows = [row for row in runs if row["method"] == name]
        cells = [
            f"{mean(row[side][what] for row in rows):.3f}"
            for what in ("average", "forgetting")
            for side in ("ours", "theirs")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {len(rows)} |")
    lines += [
        "",
        "Draws of batches, what is kept in memory and how it is mixed in are each library's own, "
        "so no two numbers can be equal; replay keeps 5 % of the chips in both.",
        "",
    ]
    return "\n".join(lines)


def main(config_at: str, folder: str) -> None:
    """Compare all, and write it."""
    torch.set_num_threads(1)
    plan = plan_stream(load_config([config_at], about="Anchors."))
    with open_images(plan.samples_at, plan.samples) as images:
        key = plan.list_choices()[0]
        size, seed = plan.samples.size_px, plan.config.seed
        tasks = ChipCutter(images, plan.masks, plan.split(key), size, seed).cut_stream(
            plan.order(key)
        )
        chips = tasks[0].train.take(np.arange(PARTS_CHIPS))
        parts = compare_parts(chips, make_setup(plan, key, tasks))
    measures = compare_measures()
    for name, value in {**parts, **measures}.items():
        print(f"{name}: {value:.1e}", flush=True)
        assert math.isfinite(value)
    runs = compare_streams(plan)
    place = Path(folder)
    found = {"avalanche": version(LIBRARY), "parts": parts, "measures": measures, "runs": runs}
    (place / "anchors.json").write_text(json.dumps(found, indent=1) + "\n")
    (place / "anchors.md").write_text(write_page(parts, measures, runs))


if __name__ == "__main__":
    main(*sys.argv[1:])
