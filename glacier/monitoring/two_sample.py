"""How far two samples lie apart, by a kernel: whether both may be of one distribution.

Source: Gretton et al. 2012, A kernel two-sample test, JMLR 13.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

Sample = NDArray[np.float32]
"""(N, D) members and their features."""


def find_bandwidth(sample: Sample) -> float:
    """Median distance between members of a sample: the width of a kernel that sees them.

    Source: Gretton et al. 2012, section 8.

    Returns:
        NaN where there are no two members, or most of them are the same.
    """
    distances = pdist(sample)
    middle = float(np.median(distances)) if distances.size else 0.0
    return middle if middle > 0 else float("nan")


def measure_discrepancy(one: Sample, other: Sample, bandwidth: float) -> float:
    """Squared maximum mean discrepancy of two samples, with a Gaussian kernel.

    The biased estimate: 0 for a sample and itself, however often each member is repeated. That
    of a month and its season is what counts here, whose members show the same ground and are not
    independent.

    Args:
        one: (N, D), all finite.
        other: (M, D), likewise.
        bandwidth: Of the kernel, in the features' unit.

    Returns:
        0..2.

    Source: Gretton et al. 2012, equation 5.
    """
    near = [
        float(np.exp(-cdist(a, b, "sqeuclidean") / (2 * bandwidth**2)).mean())
        for a, b in ((one, one), (other, other), (one, other))
    ]
    return max(0.0, near[0] + near[1] - 2 * near[2])
