"""Truths that were planted are found; twenty seeds of each are in ``results/explain``."""

import numpy as np
import pytest

from glacier.explaining.explain_map import Explainer
from glacier.explaining.region_worth import ImageTask, weigh_bands
from glacier.settings.explain import Explain
from tests.support.planted import (
    BANDS,
    CARRIER,
    SIDE,
    corner_of,
    make_subject,
    plant_band,
    plant_corner,
    train_tiny,
)

SEEDS = (0, 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_that_swir1_alone_carries_is_laid_to_swir1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model, (images, _) = train_tiny(*plant_band(rng, 12), seed), plant_band(rng, 1)
    settings = Explain(methods=("bands", "shapley", "gradients"), at_most_s=1e4)
    found, _ = Explainer(make_subject(model, images[0]), settings).run()
    for values in (
        {e.band: e.changed_km2 for e in found.bands},
        {e.band: e.strength_drop for e in found.bands},
        found.shapley,
        found.gradients,
        found.gradients_size,
    ):
        ranked = sorted(values.values(), reverse=True)
        assert values["swir1"] == ranked[0] > 3 * abs(ranked[1])
    for each in found.sums:
        assert abs(each.gap) < 0.01 * abs(each.whole)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_label_in_one_corner_is_laid_to_that_corner(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    model = train_tiny(*plant_corner(rng, 12), seed)
    images, _ = plant_corner(rng, 1, corner=seed)
    settings = Explain(methods=("patches", "gradients"), of="ice", patch_px=8, at_most_s=1e4)
    explainer = Explainer(make_subject(model, images[0]), settings)
    found, layers = explainer.run()
    mask = np.zeros((SIDE, SIDE), bool)
    mask[corner_of(seed)] = True
    for name, values in layers.values.items():
        assert int(np.nanargmax(explainer.pool(values))) == explainer.squares[mask][0], name
    for curve in found.curves:
        assert curve.beaten_deletion == curve.beaten_insertion == 1.0


def test_what_bands_are_worth_for_a_region_has_intervals() -> None:
    rng = np.random.default_rng(0)
    model, (images, labels) = train_tiny(*plant_band(rng, 12), 0), plant_band(rng, 6)

    def tasks(count: int):
        for k in range(count):
            label = labels[k].astype(np.uint8)
            label[:3] = 255
            yield ImageTask(f"ridge/{k}", make_subject(model, images[k]), label)

    for count, unit in ((6, "images"), (2, "blocks of images")):
        worth = weigh_bands(tasks(count), 0)
        assert worth is not None and worth.unit == unit and worth.iou > 0.8
        bands = {each.band: each for each in worth.bands}
        assert tuple(bands) == BANDS
        assert bands["swir1"].low > 0.2 and bands["swir1"].iou_drop <= bands["swir1"].high
        assert max(abs(bands[name].iou_drop) for name in BANDS[:CARRIER]) < 0.1
    assert weigh_bands((), 0) is None
