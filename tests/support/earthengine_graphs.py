"""Evaluates the posted graphs of Earth Engine's functions that we use, after their descriptions.

An image holds bands on pixels of their own until ``reduceResolution`` lays them onto the grid that
is asked for; those that come to the end on their own pixels must coincide with the grid, else Earth
Engine would take its pyramids, whose mixing is what must not be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from scipy import sparse

from glacier.geo.raster import Grid
from tests.support.fake_earthengine import resolve
from tests.support.scene_grids import SIDE_PX, OwnScene, pixel_corners

EDGE_PX = 40
"""Masked pixels that are put around a scene, since an image has no end."""


@dataclass(frozen=True)
class Band:
    """Values and mask (0..1), (H, W), on a scene's own pixels or, with none, on the grid."""

    values: np.ndarray
    mask: np.ndarray
    own: OwnScene | None


Image = dict[str, Band]


class Evaluator:
    """Graphs over given scenes and one grid."""

    def __init__(self, scenes: dict[str, tuple[OwnScene, dict]], grid: Grid) -> None:
        """Scenes and their bands, (H, W) on their own pixels, by address."""
        self.scenes, self.grid = scenes, grid
        self.weights: dict[int, sparse.csr_array] = {}

    def run(self, expression: dict[str, Any]) -> dict[str, np.ndarray]:
        """The image that a graph makes: band to (H, W)."""
        self.expression, self.known = expression, {}
        image = self.value({"valueReference": expression["result"]})
        return {name: self.on_grid(band).values for name, band in image.items()}

    def value(self, node: dict[str, Any]) -> Any:
        if "valueReference" in node:
            name = node["valueReference"]
            if name not in self.known:
                self.known[name] = self.value(self.expression["values"][name])
            return self.known[name]
        node = resolve(self.expression, node)
        if "constantValue" in node:
            return node["constantValue"]
        if "arrayValue" in node:
            return [self.value(inner) for inner in node["arrayValue"]["values"]]
        call = node["functionInvocationValue"]
        arguments = {k: self.value(v) for k, v in call.get("arguments", {}).items()}
        name = call["functionName"].replace(".", "_").replace("Image_not", "Image_not_")
        return getattr(self, name)(**arguments)

    def pair(self, first: Image, second: Image, what: Callable[..., Any]) -> Image:
        """A function of two images, band by band; a single band or constant serves all."""
        seconds = list(second.values()) * (len(first) if len(second) == 1 else 1)
        out = {}
        for (name, a), b in zip(first.items(), seconds, strict=True):
            if a.own is not b.own and np.ndim(b.values):
                a, b = self.on_grid(a), self.on_grid(b)
            values = np.asarray(what(a.values, b.values), float)
            out[name] = Band(values, a.mask * b.mask, a.own)
        return out

    def on_grid(self, band: Band) -> Band:
        """A band where the result is asked for: as it is, or cut from pixels that coincide."""
        if band.own is None:
            return band
        column = (self.grid.left_m - band.own.left_m) / 30 + EDGE_PX
        row = (band.own.top_m - self.grid.top_m) / 30 + EDGE_PX
        same = band.own.crs == self.grid.crs and self.grid.pixel_m == 30
        assert same and column % 1 == row % 1 == 0, "the pyramids would be read"
        rows, columns = (
            slice(int(row), int(row) + self.grid.height),
            slice(int(column), int(column) + self.grid.width),
        )
        return Band(band.values[rows, columns], band.mask[rows, columns], None)

    def share(self, own: OwnScene) -> sparse.csr_array:
        """(grid pixels, own pixels) share of the area, by cutting polygons."""
        if id(own) not in self.weights:
            edges = (np.arange(SIDE_PX + 2 * EDGE_PX) - EDGE_PX) * 30.0
            x, y = np.meshgrid(own.left_m + edges, own.top_m - edges)
            boxes = shapely.box(x, y - 30, x + 30, y).ravel()
            pixels = shapely.polygons(pixel_corners(self.grid, own.crs))
            first, second = shapely.STRtree(boxes).query(pixels, predicate="intersects")
            areas = shapely.area(shapely.intersection(pixels[first], boxes[second]))
            shares = areas / shapely.area(pixels)[first]
            whole = (len(pixels), len(boxes))
            self.weights[id(own)] = sparse.csr_array((shares, (first, second)), shape=whole)
        return self.weights[id(own)]

    def Image_load(self, id: str) -> Image:
        own, bands = self.scenes[id]
        inside = np.pad(np.ones((SIDE_PX, SIDE_PX)), EDGE_PX)
        return {n: Band(np.pad(b, EDGE_PX).astype(float), inside, own) for n, b in bands.items()}

    def Image_constant(self, value: float) -> Image:
        return {"constant": Band(np.float64(value), np.float64(1), None)}

    def Image_select(self, input: Image, bandSelectors: list[str]) -> Image:
        return {name: input[name] for name in bandSelectors}

    def Image_rename(self, input: Image, names: list[str]) -> Image:
        return dict(zip(names, input.values(), strict=True))

    def Image_addBands(self, dstImg: Image, srcImg: Image) -> Image:
        return dstImg | {n + "_1" * (n in dstImg): band for n, band in srcImg.items()}

    def Image_bitwiseAnd(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, lambda a, b: np.asarray(a).astype(int) & int(b))

    def Image_eq(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, np.equal)

    def Image_neq(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, np.not_equal)

    def Image_gt(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, np.greater)

    def Image_gte(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, lambda a, b: a >= b - 1e-9)

    def Image_and(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, lambda a, b: (a != 0) & (b != 0))

    def Image_add(self, image1: Image, image2: Image) -> Image:
        return self.pair(image1, image2, np.add)

    def each(self, image: Image, what: Callable[[Band], Band]) -> Image:
        return {name: what(band) for name, band in image.items()}

    def Image_not_(self, value: Image) -> Image:
        return self.each(value, lambda b: Band((b.values == 0) * 1.0, b.mask, b.own))

    def Image_floor(self, value: Image) -> Image:
        return self.each(value, lambda b: Band(np.floor(b.values), b.mask, b.own))

    def Image_toFloat(self, value: Image) -> Image:
        return self.each(value, lambda b: Band(b.values.astype(np.float32) * 1.0, b.mask, b.own))

    def Image_toUint16(self, value: Image) -> Image:
        return self.each(
            value, lambda b: Band(np.clip(np.trunc(b.values), 0, 65535), b.mask, b.own)
        )

    def Image_mask(self, image: Image) -> Image:
        return self.each(image, lambda b: Band(b.mask, np.ones_like(b.mask), b.own))

    def Image_updateMask(self, image: Image, mask: Image) -> Image:
        out = self.pair(image, mask, lambda a, b: a)
        shown = self.pair(image, mask, lambda a, b: np.broadcast_to(b, np.shape(a)))
        return {n: Band(b.values, b.mask * (shown[n].values != 0), b.own) for n, b in out.items()}

    def Image_unmask(self, input: Image, value: Image, sameFootprint: bool) -> Image:
        assert sameFootprint is False
        (filler,) = value.values()
        return self.each(
            input,
            lambda b: Band(
                np.where(b.mask > 0, b.values, filler.values), np.ones_like(b.mask), b.own
            ),
        )

    def Reducer_max(self) -> str:
        return "max"

    def Reducer_mean(self) -> str:
        return "mean"

    def Reducer_firstNonNull(self) -> str:
        return "first"

    def Image_reduce(self, image: Image, reducer: str) -> Image:
        bands = list(image.values())
        assert reducer == "max" and all(band.own is bands[0].own for band in bands)
        values = np.max([band.values for band in bands], axis=0)
        return {"max": Band(values, np.min([band.mask for band in bands], axis=0), bands[0].own)}

    def Image_reduceResolution(
        self, image: Image, reducer: str, bestEffort: bool, maxPixels: int
    ) -> Image:
        """The mean of own pixels, weighed with mask and shared area."""
        assert reducer == "mean" and bestEffort is False
        out = {}
        for name, band in image.items():
            assert band.own is not None, "only pixels of an image's own are reduced"
            weights = self.share(band.own)
            assert np.diff((weights > 0).indptr).max() <= maxPixels
            total = weights @ (band.values * band.mask).ravel()
            known = weights @ band.mask.ravel()
            with np.errstate(invalid="ignore"):
                mean = np.where(known > 0, total / known, 0)
            shape = self.grid.shape
            out[name] = Band(mean.reshape(shape), (known > 0).reshape(shape) * 1.0, None)
        return out

    def ImageCollection_fromImages(self, images: list[Image]) -> list[Image]:
        return [self.each(image, self.on_grid) for image in images]

    def over(self, collection: list[Image], what: Callable[[np.ndarray], np.ndarray]) -> Image:
        """A function along the images of a collection, masked values NaN."""
        out = {}
        for name in collection[0]:
            bands = [image[name] for image in collection]
            stack = np.stack([np.where(b.mask > 0, b.values, np.nan) for b in bands])
            known = np.isfinite(stack).any(axis=0)
            values = what(np.where(known, stack, 0))
            out[name] = Band(np.where(known, values, 0), known * 1.0, None)
        return out

    def ImageCollection_reduce(self, collection: list[Image], reducer: str) -> Image:
        assert reducer == "first"

        def first(stack: np.ndarray) -> np.ndarray:
            return np.take_along_axis(stack, np.isfinite(stack).argmax(axis=0)[None], axis=0)[0]

        return {f"{name}_first": band for name, band in self.over(collection, first).items()}

    def reduce_median(self, collection: list[Image]) -> Image:
        return self.over(collection, lambda stack: np.nanmedian(stack, axis=0))

    def reduce_sum(self, collection: list[Image]) -> Image:
        return self.over(collection, lambda stack: np.nansum(stack, axis=0))
