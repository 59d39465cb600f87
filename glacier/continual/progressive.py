"""Progressive networks: a new column for every task, which sees those before and moves none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from pydantic import JsonValue
from torch import Tensor, nn

from glacier.continual.chips import Batch, TaskChips
from glacier.continual.network import SmallUNet, list_channels, string_stages
from glacier.continual.strategy import Facts, Strategy
from glacier.training.losses import dice_loss


class Columns(nn.Module):
    """U-Nets beside each other; each stage of a later one also sees the inputs of earlier ones."""

    def __init__(self, bands: int, levels: int, width: int) -> None:
        """Begin with one column."""
        super().__init__()
        self.shape = bands, levels, width
        self.columns = nn.ModuleList()
        self.sides = nn.ModuleList()
        """For each column, for each column before it, a convolution for each stage."""
        self.grow()

    def grow(self) -> None:
        """Freeze all that there is, and add a column with its connections."""
        self.requires_grad_(False)
        bands, levels, width = self.shape
        sides = [
            nn.ModuleList(
                nn.Conv2d(inner, outer, 1, bias=False)
                for inner, outer in list_channels(bands, levels, width)
            )
            for _ in self.columns
        ]
        self.columns.append(SmallUNet(bands, levels, width))
        self.sides.append(nn.ModuleList(sides))

    def forward(self, image: Tensor, column: int = -1) -> Tensor:
        """(N, B, H, W) to (N, 1, H, W) logits of one column; -1: the latest."""
        count = len(self.columns)
        inputs: list[list[Tensor]] = []
        for at in range(column % count + 1):
            seen: list[Tensor] = []
            outputs = self.run_column(at, image, inputs, seen)
            inputs.append(seen)
        found: Tensor = self.column(column % count).head(outputs[-1])
        return found

    def column(self, at: int) -> SmallUNet:
        """One of the columns."""
        found = self.columns[at]
        assert isinstance(found, SmallUNet)
        return found

    def run_column(
        self, at: int, image: Tensor, earlier: list[list[Tensor]], seen: list[Tensor]
    ) -> list[Tensor]:
        """Outputs of the stages of one column.

        Args:
            at: Its place.
            image: (N, B, H, W).
            earlier: Inputs of the stages of each column before it.
            seen: Is filled with those of its own.
        """
        stages, sides = (
            self.column(at).stages,
            [list(s.children()) for s in self.sides[at].children()],
        )

        def run(place: int, inner: Tensor) -> Tensor:
            seen.append(inner)
            pairs = zip(sides, earlier, strict=True)
            beside = [side[place](inputs[place]) for side, inputs in pairs]
            found: Tensor = stages[place](inner, torch.stack(beside).sum(0) if beside else None)
            return found

        return string_stages(image, self.shape[1], run)


class Progressive(Strategy):
    """A column a task; an image of a task goes through that task's column.

    Source:
        Rusu et al. 2016, Progressive neural networks, arXiv:1606.04671; the connections are
        convolutions of one pixel that add to what a stage's first convolution makes.
    """

    net: Columns

    def build(self) -> nn.Module:
        """The first column."""
        return Columns(self.setup.bands, self.setup.levels, self.setup.width)

    def before_task(self, task: TaskChips) -> None:
        """Add a column, but for the first task."""
        if task.place:
            self.net.grow()

    def trained(self) -> Iterable[nn.Parameter]:
        """The weights of the latest column and its connections."""
        return [value for value in self.net.parameters() if value.requires_grad]

    def loss(self, batch: Batch) -> Tensor:
        """The Dice loss of the latest column."""
        return dice_loss(self.net(batch.images), batch.labels)

    def predict(self, images: Tensor, place: int) -> Tensor:
        """Logits of the task's column; of the latest where the task has none yet."""
        found: Tensor = self.net(images, min(place, len(self.net.columns) - 1))
        return found

    def facts(self) -> Facts:
        """How many columns there are."""
        return {"columns": len(self.net.columns)}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, JsonValue]) -> None:
        """Make as many columns."""
        while len(self.net.columns) < int(str(facts["columns"])):
            self.net.grow()
