"""Samples of a month against the month itself."""

import numpy as np

from glacier.samples.chips import resize_sample


def test_resizing_keeps_labels_whole_and_averages_what_is_seen() -> None:
    rng = np.random.default_rng(0)
    label = rng.choice(np.array([0, 1, 255], np.uint8), (90, 60))
    image = np.full((2, 90, 60), 0.25, np.float32)
    image[1] = 0.5
    image[:, label == 255] = np.nan
    small, small_label = resize_sample(image, label, 32)
    assert small.shape == (2, 32, 32)
    assert set(np.unique(small_label)) <= {0, 1, 255}
    seen = small_label != 255
    np.testing.assert_array_equal(np.isnan(small).any(axis=0), ~seen)
    np.testing.assert_allclose(small[0][seen], 0.25, rtol=1e-6)  # NaN never leaks into a mean
    np.testing.assert_allclose(small[1][seen], 0.5, rtol=1e-6)
