"""Vector files as pixels, in one step."""

import numpy as np
from numpy.typing import NDArray

from glacier.geo.raster import Grid
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import burn_outlines, read_outlines


def rasterise_outlines(
    address: str, grid: Grid, layer: str | None = None, crs: str | None = None
) -> NDArray[np.uint8]:
    """Pixels whose centre lies on a glacier of a vector file, (H, W) uint8."""
    return burn_outlines(read_outlines(VectorFile(address, layer, crs)), grid).mask
