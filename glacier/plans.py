"""What is known of a run without doing any of it: its months, samples, models, and their sizes.

Nothing is fetched, nothing is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from glacier import store
from glacier.archive.contents import read_outcomes
from glacier.archive.dry_run import RegionDryRun, dry_run_region
from glacier.config import Config
from glacier.errors import GlacierError
from glacier.samples.month import extra_bands
from glacier.samples.sample_set import samples_folder, set_address
from glacier.sources.factory import open_source
from glacier.sources.source import Source
from glacier.training.saved import is_swept
from glacier.windows import window_starts

MODEL_MB = 100.0
"""Of a U-Net over resnet34 or resnet50, its 24 to 33 million weights of 4 bytes each."""

MODEL_LEAST_MB = 1.5
"""Of a U-Net over the smallest encoder that there is."""

COMPRESSED = 0.2
"""Share of the bytes of months, samples and predictions that is left where they compress well."""

CHECKPOINT_MODELS = 4
"""What a checkpoint of a running trial holds, in models: the last weights, two moments of each for
Adam, and the best weights."""


@dataclass(frozen=True)
class RunPlan:
    """What is known of a run without doing any of it."""

    config: Config
    source: Source
    regions: list[RegionDryRun]

    @property
    def image_bytes(self) -> int:
        """A pixel of a month image: 16 bits a band, the baselines' too, label and class."""
        bands = len(self.config.prepare.image) + len(extra_bands(self.config.prepare))
        return 2 * bands + 2

    def windows(self, region: RegionDryRun) -> int:
        """Samples of a month of a region."""
        settings = self.config.prepare
        if settings.layout == "resize":
            return 1
        size, stride = settings.size_px, settings.step_px
        starts = (window_starts(max(side, size), size, stride) for side in region.grid.shape)
        return math.prod(len(found) for found in starts)

    def pixels(self, region: RegionDryRun) -> int:
        """Pixels of a month image of a region."""
        settings = self.config.prepare
        return settings.size_px**2 if settings.layout == "resize" else math.prod(region.grid.shape)

    @property
    def archive_gb(self) -> float:
        """New months of the archive, before compression."""
        return sum(region.archive_mb for region in self.regions) / 1e3

    @property
    def samples_gb(self) -> float:
        """Samples, before compression."""
        windows = sum(region.usable * self.windows(region) for region in self.regions)
        return windows * self.config.prepare.size_px**2 * self.image_bytes / 1e9

    @property
    def images_gb(self) -> float:
        """Month images of all regions, as the trials of a node share them in files."""
        pixels = sum(region.usable * self.pixels(region) for region in self.regions)
        return pixels * self.image_bytes / 1e9

    @property
    def trials(self) -> int:
        """Models that are trained."""
        return len(self.config.sweep.encoders) * self.config.sweep.folds.count

    @property
    def sweep_gb(self) -> float:
        """Models, checkpoints and stored predictions of all trials."""
        encoders = len(self.config.sweep.encoders)
        predicted = encoders * sum(region.usable * self.pixels(region) for region in self.regions)
        return (1 + CHECKPOINT_MODELS) * self.trials * MODEL_MB / 1e3 + predicted / 1e9

    @property
    def most_gb(self) -> float:
        """All stages, if all of them are still to be done."""
        return self.archive_gb + self.samples_gb + self.sweep_gb

    @property
    def least_gb(self) -> dict[str, float]:
        """Stage to what it surely writes: all that is missing compresses well, networks are small.

        Months that turn out empty need none of it, which nobody knows beforehand.
        """
        predicted = self.sweep_gb - (1 + CHECKPOINT_MODELS) * self.trials * MODEL_MB / 1e3
        missing = not is_swept(self.config)
        return {
            "ingest": COMPRESSED * self.archive_gb,
            "prepare": 0.0 if is_prepared(self.config) else COMPRESSED * self.samples_gb,
            "sweep": missing * (self.trials * MODEL_LEAST_MB / 1e3 + COMPRESSED * predicted),
        }


def plan_run(config: Config) -> RunPlan:
    """What is known of a run.

    Raises:
        GlacierError: The source cannot be used, or a region has no grid.
    """
    source = open_source(config)
    regions = [dry_run_region(config, region, source) for region in config.regions]
    return RunPlan(config, source, regions)


def is_prepared(config: Config) -> bool:
    """Whether a run's samples are there."""
    try:
        return store.exists(set_address(samples_folder(config, read_outcomes(config))))
    except GlacierError:  # the archive, or a file that the labels need, is not there
        return False


def show_gb(size_gb: float) -> str:
    """A size in the unit that suits it."""
    return f"{size_gb:.1f} GB" if size_gb >= 1 else f"{1e3 * size_gb:.0f} MB"
