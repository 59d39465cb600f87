"""One image -> its probability and class rasters, a strip of rows after the other. No Ray in here.

Memory holds a strip of the image, of each network's answers and of the map, whatever the height of
the image. Only a network that was trained on whole images in one size needs all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from glacier.errors import RasterError, WeightsError
from glacier.geo.raster import Grid
from glacier.geo.raster_rows import ByteBand, LandsatRows, RowWriter, write_cog
from glacier.indices import colour
from glacier.map_codes import STEPS, UNSEEN, encode_probability
from glacier.mapping.answers import Answers, LoadedModel, MapRows, Models, Tally, combine, lies_in
from glacier.mapping.assignment import ModelName, Part
from glacier.samples.chips import resize_sample
from glacier.samples.image import ImageRecipe, Maxima, find_maximum, make_image
from glacier.training.model_card import ModelCard
from glacier.training.model_files import fill_unseen
from glacier.windows import blend_strips, pad_to

SIDE_TOLERANCE = 0.01
"""Most by which a pixel's side may differ from those that a model was tested on."""

ROWS = 512
"""Rows that are read at once where an image is only looked through."""


def map_raster(
    image: LandsatRows, parts: Sequence[Part], models: Models, files: tuple[Path, Path]
) -> Tally:
    """Write the probability and class of every seen pixel.

    Args:
        image: The open raster.
        parts: Which models map which ground.
        models: The models of all parts.
        files: Local paths of the probability and the class raster.

    Raises:
        RasterError: The raster's pixels are of another size than those the models were tested on,
            or cannot be read.
        WeightsError: The models do not look at images in the same way.
    """
    card = check_models(list(models.values()), image)
    tally = Tally()
    strips = map_whole if card.resize else map_strips
    write_rasters(strips(image, parts, models, tally), image.grid, files, tally)
    return tally


def write_rasters(
    strips: Iterable[MapRows], grid: Grid, files: tuple[Path, Path], tally: Tally
) -> None:
    """Write the probability and the class raster of a map, and count its pixels.

    Args:
        strips: Rows of the map, from top to bottom.
        grid: Where its pixels lie.
        files: Local paths of the two.
        tally: What the rows are added to.
    """
    probability = ByteBand("probability", UNSEEN, 1 / STEPS, "average")
    with (
        write_cog(files[0], grid, probability, {}) as shades,
        write_cog(files[1], grid, ByteBand("glacier", UNSEEN), {}) as classes,
    ):
        for strip in strips:
            write_strip(strip, shades, classes, tally)


def write_strip(strip: MapRows, shades: RowWriter, classes: RowWriter, tally: Tally) -> None:
    """Write the next rows of both rasters, and count them."""
    called = np.where(np.isnan(strip.probability), UNSEEN, strip.is_glacier).astype(np.uint8)
    shades.write(encode_probability(strip.probability))
    classes.write(called)
    tally.add(strip.probability, called)


def check_models(models: Sequence[LoadedModel], image: LandsatRows) -> ModelCard:
    """Refuse models that look at images in different ways, or were tested on other pixels.

    Returns:
        The card of the first; what is the same in all is read there.

    Raises:
        RasterError: The pixels are of another size.
        WeightsError: The models differ in bands, scale, windows or size.
    """
    first, *others = [model.card for model in models]

    def way(card: ModelCard) -> tuple[object, ...]:
        windows = card.inference
        return card.image, card.resize, windows.size_px, windows.stride_px, card.fill

    for card in others:
        if way(card)[:-1] != way(first)[:-1]:
            raise WeightsError(
                f"the models {first.encoder}, fold {first.fold}, and {card.encoder}, fold "
                f"{card.fold}, look at images in different ways (bands, scale, size or windows): "
                "map with models of one run"
            )
    check_pixels(first, image.grid, image.source.name)
    return first


def check_pixels(card: ModelCard, grid: Grid, name: str) -> None:
    """Refuse a raster whose pixels are of another size than those that a model was tested on.

    Raises:
        RasterError: With both sizes and what to do.
    """
    high, wide = card.resize or grid.shape
    sides = grid.pixel_m * grid.height / high, grid.pixel_m * grid.width / wide
    low, most = card.pixel_m
    if low * (1 - SIDE_TOLERANCE) <= min(sides) and max(sides) <= most * (1 + SIDE_TOLERANCE):
        return
    tested = f"{low:.4g} m" if low == most else f"{low:.4g} to {most:.4g} m"
    if card.resize:
        raise RasterError(
            f"{name}: resized to {high} x {wide} px, as the model sees images, a pixel would be "
            f"{sides[0]:.4g} x {sides[1]:.4g} m; it was tested on {tested}. Map frames of the size "
            "that it was trained on, or train with prepare.layout chips"
        )
    raise RasterError(
        f"{name} has pixels of {grid.pixel_m:g} m; {card.encoder}, fold {card.fold}, was tested on "
        f"{tested}. Set predict.resample true, resample it first (gdalwarp -tr {low:g} {low:g} -r "
        "average), or map with a model of that pixel size"
    )


def map_strips(
    image: LandsatRows, parts: Sequence[Part], models: Models, tally: Tally
) -> Iterator[MapRows]:
    """Rows of the map of an image at its own resolution, from top to bottom."""
    card = next(iter(models.values())).card
    size, stride = card.inference.size_px, card.inference.stride_px
    height, width = image.grid.shape
    shape = max(height, size), max(width, size)
    rows = ImageRows(image, card.image, size)
    tasks = [(part, name) for part in parts for name in part.models]

    def blend(part: Part, name: ModelName) -> Iterator[NDArray[np.float32]]:
        """Logits of one model on the ground of one part, by strips."""
        viewer, own = models[name]

        def read(top: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
            pixels = rows.read(top)
            wanted = np.isfinite(pixels[0]) & lies_in(part.rectangles, top, pixels[0].shape)
            return fill_unseen(pixels, own), wanted

        return blend_strips(viewer.predict, read, shape, size, stride, viewer.batch)

    top = 0
    for answers in zip(*(blend(*task) for task in tasks), strict=True):
        count = min(len(answers[0]), height - top)
        seen = np.isfinite(rows.read(top)[0, :count, :width])
        logits = {task: answer[:count, :width] for task, answer in zip(tasks, answers, strict=True)}
        yield combine(Answers(top, seen, logits), parts, models, tally)
        top += count


class ImageRows:
    """The image that networks see, by rows as many as a window has."""

    def __init__(self, source: LandsatRows, recipe: ImageRecipe, size: int) -> None:
        """Look through the raster once where its maxima are needed."""
        self.source, self.recipe, self.size = source, recipe, size
        self.maxima = find_maxima(source, recipe) if recipe.scale == "own_maximum" else None
        self.read = lru_cache(maxsize=1)(self.make)  # every network asks for the same rows

    def make(self, top: int) -> NDArray[np.float32]:
        """(B, size, W) float32 from a row on, NaN where unseen and beyond the edges."""
        rows = min(self.size, self.source.grid.height - top)
        pixels = make_image(self.source.read(top, rows), self.recipe, self.maxima)
        return pad_to(pixels, self.size, np.nan)


def find_maxima(source: LandsatRows, recipe: ImageRecipe) -> Maxima:
    """The highest value of each band of an image."""
    maxima = dict.fromkeys(recipe.bands, 0.0)
    for top in range(0, source.grid.height, ROWS):
        bands = source.read(top, min(ROWS, source.grid.height - top))
        for name in recipe.bands:
            maxima[name] = max(maxima[name], find_maximum(colour(bands, name)))
    return maxima


def map_whole(
    image: LandsatRows, parts: Sequence[Part], models: Models, tally: Tally
) -> Iterator[MapRows]:
    """The map of an image that networks see resized: between their pixels it is interpolated.

    So a glacier's edge runs where the probability passes the threshold, not in steps of the
    resized pixels.
    """
    card = next(iter(models.values())).card
    assert card.resize is not None
    pixels = make_image(image.read(0, image.grid.height), card.image)
    seen = np.isfinite(pixels[0])
    small = resize_image(pixels, card)
    wanted = np.isfinite(small[0])
    logits = {
        (part, name): models[name].viewer.logits(fill_unseen(small, models[name].card), wanted)
        for part in parts
        for name in part.models
    }
    found = combine(Answers(0, wanted, logits), parts, models, tally)
    between = interpolate(found.probability, seen.shape)
    probability = np.where(seen, between, np.float32(np.nan))
    threshold = enlarge(found.threshold, seen.shape)
    yield MapRows(probability, threshold, probability >= threshold)


def resize_image(pixels: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """An image, (B, H, W), in the one size that a model sees: (B, h, w) float32, NaN unseen."""
    assert card.resize is not None
    seen = np.isfinite(pixels[0])
    small, _ = resize_sample(pixels, seen.astype(np.uint8), card.resize[0])
    return card.image.coding.decode(card.image.coding.encode(small))  # as samples hold them


def interpolate(values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """A small image at another height x width, pixels: bilinear between the middles of its pixels.

    Args:
        values: (h, w) float32, NaN where unseen: those count for nothing.
        shape: Height x width of the result.

    Returns:
        float32, NaN where the nearest pixel is unseen.
    """
    known = np.isfinite(values)
    total, weight = (
        cv2.resize(layer, shape[::-1], interpolation=cv2.INTER_LINEAR)
        for layer in (np.where(known, values, np.float32(0)), known.astype(np.float32))
    )
    unseen = enlarge(known.view(np.uint8), shape) == 0
    return np.where(unseen, np.float32(np.nan), total / np.where(unseen, np.float32(1), weight))


def enlarge(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """A small image at another height x width, pixels; each has the value of the nearest."""
    return np.asarray(cv2.resize(values, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
