"""PathNet: in a net of many modules each task finds a path by evolution, which then freezes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor, nn

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.network import Stage, list_channels, string_stages
from glacier.continual.strategy import Facts, Setup, Strategy, Tensors
from glacier.training.losses import dice_loss

MODULES = 6
"""Modules a stage."""
CHOSEN = 2
"""Of which a path takes so many at most. Source: Fernando et al. 2017 take 3 or 4 of 10 to 20."""
PATHS = 8
"""Paths that compete."""
SEARCH_SHARE = 0.5
"""Share of a task's steps in which they do; then the best alone learns."""
TRIALS = 12
"""Paths that are tried in that time, two by two."""

Path = NDArray[np.int64]
"""(stages, CHOSEN) places of modules in each stage; one may stand there twice."""


class ModularUNet(nn.Module):
    """A U-Net whose stages are means of chosen modules, with a head for every task."""

    def __init__(self, bands: int, levels: int, width: int, tasks: int) -> None:
        """Make all modules, and a head for every task that is coming."""
        super().__init__()
        self.levels = levels
        self.stages = nn.ModuleList(
            nn.ModuleList(Stage(*pair) for _ in range(MODULES))
            for pair in list_channels(bands, levels, width)
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in range(tasks))

    def forward(self, image: Tensor, path: Path, task: int) -> Tensor:
        """(N, B, H, W) to (N, 1, H, W) logits along a path."""

        def run(place: int, inner: Tensor) -> Tensor:
            modules = self.modules_of(place)
            return torch.stack([modules[at](inner) for at in np.unique(path[place])]).mean(0)

        found: Tensor = self.heads[task](string_stages(image, self.levels, run)[-1])
        return found

    def modules_of(self, place: int) -> list[nn.Module]:
        """The modules of a stage."""
        return list(self.stages[place].children())

    def freeze(self, path: Path) -> None:
        """Let the modules of a path learn no more."""
        for place, chosen in enumerate(path):
            for at in chosen:
                self.modules_of(place)[at].requires_grad_(False)

    def renew(self) -> None:
        """Give all modules that may learn new weights, by torch's global seed."""
        for layer in self.stages.modules():
            if isinstance(layer, nn.Conv2d | nn.GroupNorm) and layer.weight.requires_grad:
                layer.reset_parameters()


class PathNet(Strategy):
    """Two paths at a time learn; the worse is overwritten by a mutant of the better.

    Source:
        Fernando et al. 2017, PathNet, arXiv:1701.08734: tournaments of two, mutation by small
        steps, the winning path frozen and all else made anew.
    """

    net: ModularUNet

    def __init__(self, setup: Setup) -> None:
        """Begin without a task's path."""
        super().__init__(setup)
        self.found: list[Path] = []
        """The path of each task that was learned."""
        self.rivals: list[Path] = []
        self.fitness: list[float] = []
        """Mean loss of the paths of the tournament that is on, which are its first ones."""
        self.losses: list[float] = []
        self.step = 0
        self.task = 0

    def build(self) -> nn.Module:
        """All modules and heads."""
        setup = self.setup
        return ModularUNet(setup.bands, setup.levels, setup.width, setup.tasks)

    def before_task(self, task: TaskChips) -> None:
        """Draw new paths."""
        stages = len(self.net.stages)
        self.rivals = [self.rng.integers(MODULES, size=(stages, CHOSEN)) for _ in range(PATHS)]
        self.fitness, self.losses, self.step, self.task = [], [], 0, task.place

    def trained(self) -> Iterable[nn.Parameter]:
        """Weights of modules that no path has frozen, and of the heads."""
        return [value for value in self.net.parameters() if value.requires_grad]

    @property
    def now(self) -> Path:
        """The path that learns: the second of a tournament once the first has a mean loss."""
        return self.rivals[len(self.fitness)]

    def loss(self, batch: Batch) -> Tensor:
        """The Dice loss along the path that learns."""
        loss = dice_loss(self.net(batch.images, self.now, self.task), batch.labels)
        self.losses.append(loss.item())
        return loss

    def after_step(self, batch: Batch) -> None:
        """Let the other path learn, hold a tournament, or go on with the best alone."""
        self.step += 1
        each = max(1, int(self.setup.steps * SEARCH_SHARE) // TRIALS)
        if self.step > each * TRIALS or self.step % each:
            return
        self.fitness.append(float(np.mean(self.losses)))
        self.losses = []
        if len(self.fitness) == 2:
            self.rivals = hold_tournament(self.rivals, self.fitness, self.rng)
            self.fitness = []

    def after_task(self, task: TaskChips) -> None:
        """Freeze the winner, and make all else anew."""
        path = self.now
        self.found.append(path)
        self.net.freeze(path)
        self.net.renew()

    def predict(self, images: Tensor, place: int) -> Tensor:
        """Logits along the task's path; along the latest where the task has none yet."""
        if not self.found:
            path = np.zeros((len(self.net.stages), CHOSEN), np.int64)
            return self.run(images, path, 0)
        known = min(place, len(self.found) - 1)
        return self.run(images, self.found[known], known)

    def run(self, images: Tensor, path: Path, task: int) -> Tensor:
        """Logits along a path."""
        found: Tensor = self.net(images, path, task)
        return found

    def kept(self) -> Tensors:
        """The paths of tasks."""
        return {f"path.{at}": torch.from_numpy(path) for at, path in enumerate(self.found)}

    def facts(self) -> Facts:
        """How many there are."""
        return {"paths": len(self.found)}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Take them back, frozen."""
        count = int(str(facts["paths"]))
        self.found = [tensors[f"path.{at}"].numpy().copy() for at in range(count)]
        for path in self.found:
            self.net.freeze(path)


def hold_tournament(
    rivals: list[Path], fitness: list[float], rng: np.random.Generator
) -> list[Path]:
    """Paths after the first two have competed: the winner first, then the others, a mutant last.

    The next two are the winner, which so has to defend its place, and the one that waits longest.

    Args:
        rivals: All paths.
        fitness: Mean loss of the first and of the second.
        rng: Draws.
    """
    first, second, *others = rivals
    winner = first if fitness[0] <= fitness[1] else second
    return [winner, *others, mutate(winner, rng)]


def mutate(path: Path, rng: np.random.Generator) -> Path:
    """A path each of whose places has moved by at most two, one of all on average."""
    moves = rng.integers(-2, 3, path.shape) * (rng.random(path.shape) < 1 / path.size)
    return np.asarray((path + moves) % MODULES, np.int64)
