"""A subject -> its explanation: every method that is asked for and fits into the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from glacier.explaining.curves import ORDERS, POINTS, draw_curves
from glacier.explaining.explanation import (
    BandEffect,
    Curves,
    Layers,
    Randomised,
    RegionWorth,
    Sum,
)
from glacier.explaining.gradients import integrate_gradients, map_activation
from glacier.explaining.lime import fit_line
from glacier.explaining.occlusion import (
    cut_squares,
    look_without_bands,
    occlude_bands,
    occlude_patches,
    paint_patches,
)
from glacier.explaining.randomising import IGNORANT, MOST_WINDOWS, STAGES, STEPS, judge_weights
from glacier.explaining.region_worth import ImageTask, weigh_bands
from glacier.explaining.removal import make_baseline, replace_bands, replace_pixels
from glacier.explaining.shapley import MOST_EXACT, share_exactly, share_fitted
from glacier.explaining.subject import Subject, list_windows, measure_strength, spread_tiles
from glacier.explaining.superpixels import cut_superpixels
from glacier.settings.explain import Explain

BACKWARD = 3
"""Times that a gradient takes longer than an answer."""


@dataclass
class Findings:
    """What has been found so far."""

    strength: float = 0.0
    ice_km2: float = 0.0
    bands: tuple[BandEffect, ...] = ()
    shapley: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    gradients_size: dict[str, float] = field(default_factory=dict)
    lime_r2: float | None = None
    sums: list[Sum] = field(default_factory=list)
    curves: tuple[Curves, ...] = ()
    randomised: Randomised | None = None
    region: RegionWorth | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)


class Explainer:
    """Explains one subject, method by method."""

    def __init__(
        self,
        subject: Subject,
        settings: Explain,
        classes: NDArray[np.uint8] | None = None,
        tested: Callable[[], Iterable[ImageTask]] = tuple,
    ) -> None:
        """Look at the map as it is.

        Args:
            subject: What is explained, of at least one seen pixel.
            settings: Which methods, and how.
            classes: (H, W) codes of ``labels.Surface``, where they are known.
            tested: Gives the tested images of the region.
        """
        subject = subject.of_decision() if settings.of == "decision" else subject
        self.subject, self.settings = subject, settings
        self.classes, self.tested = classes, tested
        self.begun, self.found = time.perf_counter(), Findings()
        self.baseline = make_baseline(subject, settings.removal, settings.seed)
        self.whole_windows = sum(len(each.starts) for each in list_windows(subject))
        self.sample = spread_tiles(subject, settings.tiles)
        self.windows = list_windows(self.sample)
        self.count = sum(len(each.starts) for each in self.windows)
        self.whole = subject.look(subject.image)
        self.found.strength = self.whole.strength
        self.found.ice_km2 = float(self.whole.is_ice.sum() * subject.pixel_km2)
        self.window_s = self.time_window()
        self.layers = Layers(subject.image, self.whole.is_ice)

    def run(self) -> tuple[Findings, Layers]:
        """All methods, then the checks of those that draw."""
        bands, size = len(self.subject.bands), self.windows[0].share.shape[-1]
        settings = self.settings
        squares = (size // settings.patch_px + 1) ** 2
        tasks: dict[str, tuple[int, Callable[[], None]]] = {
            "bands": (bands * self.whole_windows, self.occlude_bands),
            "shapley": (2 ** min(bands, 30) * self.count, self.share_bands),
            "patches": (squares * self.count, self.occlude_squares),
            "gradients": (BACKWARD * settings.steps * self.count, self.integrate),
            "cam": (BACKWARD * self.count, self.activate),
            "shap": (settings.samples * self.count, self.share_patches),
            "lime": (settings.samples * self.count, self.fit_patches),
            "region": (
                settings.images * (bands + 1) * self.whole_windows, self.weigh_region
            ),
        }  # fmt: skip
        for method in settings.methods:
            self.try_method(method, *tasks[method])
        drawn = len(self.layers.values)
        self.try_method("curves", 2 * POINTS * (drawn + ORDERS) * self.count, self.walk)
        if "gradients" in self.layers.values:
            some = min(MOST_WINDOWS, self.count)
            cost = BACKWARD * STEPS * (STAGES + IGNORANT) * some
            self.try_method("randomised", cost, self.randomise)
        return self.found, self.layers

    def try_method(self, method: str, windows: int, work: Callable[[], None]) -> None:
        """Do the work of a method unless it would take too long; says so where it would."""
        spent = time.perf_counter() - self.begun
        need = windows * self.window_s
        if spent + need > self.settings.at_most_s:
            self.found.late[method] = (
                f"some {need:.0f} s were foreseen, with {spent:.0f} of {self.settings.at_most_s:g} "
                "s spent: raise explain.at_most_s, or give a smaller place"
            )
            return
        work()

    def time_window(self) -> float:
        """Seconds that a window takes, once the network has warmed up."""
        begun = time.perf_counter()
        measure_strength(self.windows, self.image)
        return (time.perf_counter() - begun) / self.count

    def occlude_bands(self) -> None:
        """Each band replaced alone, over the whole place."""
        looks = [self.whole, *look_without_bands(self.subject, self.baseline)]
        effects = occlude_bands(self.subject, looks, self.classes)
        self.found.bands = tuple(effects)
        for name, look in zip(self.subject.bands, looks[1:], strict=True):
            self.layers.without[name] = look.is_ice

    def share_bands(self) -> None:
        """Exact Shapley values of the bands."""
        names = self.subject.bands
        if len(names) > MOST_EXACT:
            self.found.left_out["shapley"] = (
                f"{len(names)} bands have too many sets; it takes {MOST_EXACT} at most"
            )
            return

        def value(there: NDArray[np.bool_]) -> float:
            gone = np.flatnonzero(~there)
            return measure_strength(self.windows, replace_bands(self.image, self.baseline, gone))

        shares = share_exactly(value, len(names))
        self.found.shapley = dict(zip(names, shares.values.tolist(), strict=True))
        self.note_sum("shapley", shares.everybody - shares.nobody, shares.gap)

    def occlude_squares(self) -> None:
        """Each square replaced alone."""
        drops = occlude_patches(self.windows, self.image, self.baseline, self.squares)
        self.layers.values["patches"] = paint_patches(drops, self.squares)

    def integrate(self) -> None:
        """Integrated gradients, and whether they add up."""
        found = integrate_gradients(self.windows, self.image, self.baseline, self.settings.steps)
        names = self.subject.bands
        sums, sizes = (each.sum(axis=(1, 2)).tolist() for each in (found.values, abs(found.values)))
        self.found.gradients = dict(zip(names, sums, strict=True))
        self.found.gradients_size = dict(zip(names, sizes, strict=True))
        self.note_sum("gradients", found.difference, found.gap)
        self.layers.values["gradients"] = np.where(self.looked, found.values.sum(axis=0), np.nan)

    def activate(self) -> None:
        """Grad-CAM."""
        found = map_activation(self.windows, self.image)
        self.layers.values["cam"] = np.where(self.looked, found, np.nan)

    def share_patches(self) -> None:
        """Shapley values of superpixels, fitted."""
        count, settings = int(self.patches.max()) + 1, self.settings
        shares = share_fitted(self.value_patches, count, settings.samples, settings.seed)
        self.layers.values["shap"] = paint_patches(shares.values, self.patches)
        self.note_sum("shap", shares.everybody - shares.nobody, shares.gap)

    def fit_patches(self) -> None:
        """LIME on superpixels."""
        count, settings = int(self.patches.max()) + 1, self.settings
        line = fit_line(self.value_patches, count, settings.samples, settings.seed)
        self.layers.values["lime"] = paint_patches(line.values, self.patches)
        self.found.lime_r2 = line.r2

    def weigh_region(self) -> None:
        """What the bands are worth for the tested images of the region."""
        self.found.region = weigh_bands(self.tested(), self.settings.seed)
        if self.found.region is None:
            self.found.left_out["region"] = "no tested image of the region has labels"

    def walk(self) -> None:
        """Deletion and insertion by every method that has a picture."""
        values = {name: self.pool(layer) for name, layer in self.layers.values.items()}
        if values:
            curves = draw_curves(
                self.windows, self.image, self.baseline, self.squares, values, self.settings.seed
            )
            self.found.curves = tuple(curves)

    def randomise(self) -> None:
        """Whether the picture of the gradients hangs on the weights; of the first network."""
        self.found.randomised = judge_weights(
            self.windows[0], self.image, self.baseline, self.settings.seed
        )

    def value_patches(self, there: NDArray[np.bool_]) -> float:
        """The strength with some superpixels alone."""
        gone = (self.patches >= 0) & ~there[np.maximum(self.patches, 0)]
        return measure_strength(self.windows, replace_pixels(self.image, self.baseline, gone))

    def pool(self, layer: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of a picture over each square, NaN where it says nothing."""
        known = np.isfinite(layer)
        count = np.bincount(self.squares[known], minlength=int(self.squares.max()) + 1)
        total = np.bincount(self.squares[known], layer[known], len(count))
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def note_sum(self, method: str, whole: float, gap: float) -> None:
        """Keep whether the parts of a method add up."""
        self.found.sums.append(Sum(method=method, whole=whole, gap=gap))

    @property
    def image(self) -> NDArray[np.float32]:
        """The image that is explained."""
        return self.subject.image

    @cached_property
    def looked(self) -> NDArray[np.bool_]:
        """(H, W) the pixels of all windows of the slower methods."""
        looked = np.zeros(self.subject.wanted.shape, bool)
        for each in self.windows:
            size = each.share.shape[-1]
            for row, col in each.starts:
                looked[row : row + size, col : col + size] = True
        return np.asarray(looked & np.isfinite(self.image[0]))

    @cached_property
    def squares(self) -> NDArray[np.int32]:
        """Squares over the image."""
        return cut_squares(self.subject.wanted.shape, self.settings.patch_px)

    @cached_property
    def patches(self) -> NDArray[np.int32]:
        """Superpixels of what the windows see."""
        return cut_superpixels(self.image, self.looked, self.settings.patch_px)
