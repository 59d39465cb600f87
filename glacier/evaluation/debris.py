"""Which glacier of an image lies under debris: what all methods find hardest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glacier.labels import Surface, label_ndsi, surface_of
from glacier.samples.month_images import MonthImage, find_reflectance
from glacier.samples.sample_set import SampleSet
from glacier.settings.labels import NDSI_ABOVE, NIR_ABOVE


def find_debris(image: MonthImage, samples: SampleSet) -> NDArray[np.bool_] | None:
    """Ice under debris, (H, W) bool: as its label says, else glacier where no ice is to be seen.

    Args:
        image: With its label and classes.
        samples: Description of the samples.

    Returns:
        None where neither is known.
    """
    if image.surface is not None:
        return np.asarray(surface_of(image.surface) == Surface.DEBRIS_ICE)
    green, nir, swir1 = (find_reflectance(image, samples, n) for n in ("green", "nir", "swir1"))
    if green is None or nir is None or swir1 is None:
        return None
    seen_ice = label_ndsi(green, nir, swir1, NDSI_ABOVE, NIR_ABOVE)
    return np.asarray((image.label == 1) & (seen_ice == 0))
