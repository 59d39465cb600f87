"""Made-up regions beside observed ones: who makes them, what labels them, which folds hold them."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from glacier.archive.records import archive_key, list_archives
from glacier.composite import Composite
from glacier.config import Config
from glacier.flags import overlay
from glacier.samples.folds import add_training, make_splits
from glacier.samples.month import MonthTask, make_label
from glacier.settings.folds import Folds
from glacier.sources.factory import open_source
from glacier.sources.images import ImagesSource
from glacier.sources.synthetic.source import SyntheticSource
from tests.support.tiny import VALUES, make_task
from tests.support.user_files import write_image

MADE_UP = {"name": "made-up", "polygon": VALUES["regions"][0]["polygon"], "pixel_m": 150}
OBSERVED = [{"name": name} for name in ("north", "south")]
JULY = date(2014, 7, 1)


def mixed_values(folder: Path, **changes: object) -> dict:
    """Two observed regions of one image each, and a made-up one, of July and August alone."""
    images = [
        {
            "region": region["name"], "month": "2014-05", "scale": 1 / 255, "offset": 0.0,
            "bands": {"SR_B3": {"file": "a.tif"}},
        }
        for region in OBSERVED
    ]  # fmt: skip
    mixed = {
        "storage": str(folder / "data"),
        "regions": [*OBSERVED, MADE_UP],
        "ingest": {
            "source": "folder",
            "folder": {"path": str(folder), "images": images},
            "synthetic_regions": ["made-up"],
            "synthetic_months": [7, 8],
        },
        "prepare": {"label": {"kind": "outlines", "bare": ["north", "south"]}},
        "sweep": {"folds": {"kind": "by_region", "count": 2, "validation_share": 0}},
    }
    return overlay(overlay(VALUES, mixed), changes)


def mixed_config(folder: Path, **changes: object) -> Config:
    return Config.model_validate(mixed_values(folder, **changes))


def test_each_region_comes_from_its_own_source(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.arange(1, 121, dtype=np.uint8).reshape(1, 12, 10))
    config = mixed_config(tmp_path)
    source = open_source(config)
    north, _, made_up = config.regions
    assert isinstance(source.of(north), ImagesSource)
    assert isinstance(source.of(made_up), SyntheticSource)
    months = {a.region.name: [m.name for m in a.list_targets()]
              for a in list_archives(config, source)}  # fmt: skip
    assert months == {
        "north": ["2014-05"], "south": ["2014-05"], "made-up": ["2014-07", "2014-08"],
    }  # fmt: skip
    found = source.fetch_month(made_up, JULY)
    assert isinstance(found, Composite) and found.truth is not None


def test_a_made_up_region_has_the_archive_of_a_synthetic_run(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.ones((1, 12, 10), np.uint8))
    mixed = mixed_config(tmp_path)
    alone = Config.model_validate(overlay(VALUES, {"regions": [MADE_UP]}))
    region = alone.regions[0]
    assert archive_key(mixed, region, open_source(mixed)) == archive_key(
        alone, region, open_source(alone)
    )


def test_its_truth_labels_it_where_nothing_is_drawn(tmp_path: Path) -> None:
    alone = Config.model_validate(
        overlay(VALUES, {"regions": [MADE_UP], "storage": str(tmp_path / "data")})
    )
    task = make_task(alone)
    drawn = mixed_config(tmp_path).prepare
    mixed = MonthTask(task.record, task.archive, task.samples, drawn)
    bands = {"surface": np.array([[0, 1], [2, 7]], np.uint8)}
    image = np.zeros((1, 2, 2), np.float32)
    labels = [make_label(each, bands, image, None) for each in (task, mixed)]
    np.testing.assert_array_equal(*labels)
    assert set(np.unique(labels[0])) >= {0, 1}


def test_every_fold_trains_on_it_and_none_tests_or_chooses_by_it() -> None:
    images = [(name, JULY) for name in "abcd"]
    settings = Folds(kind="by_region", count=2, validation_share=0.5)
    before, _ = make_splits(images, settings, (2, 2), seed=1)
    after = add_training(before, [("z", JULY), ("y", JULY)], "by_region", (2, 2))
    for old, new in zip(before, after, strict=True):
        assert (new.test, new.validation) == (old.test, old.validation)
        assert new.train == (*old.train, "y", "z")
    blocks, _ = make_splits(images, Folds(kind="by_block", count=2), (2, 2), seed=1)
    (first, _) = add_training(blocks, [("z", JULY)], "by_block", (2, 2))
    assert {unit for unit in first.train if unit.startswith("z/")} == {
        "z/r0c0", "z/r0c1", "z/r1c0", "z/r1c1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ingest": {"synthetic_regions": ["madeup"]}}, "names madeup, which is no region"),
        ({"ingest": {"synthetic_regions": ["made-up", "north", "south"]}}, "names all regions"),
        ({"ingest": {"synthetic_regions": []}}, "synthetic_months is of synthetic_regions"),
        ({"sweep": {"folds": {"kind": "by_year"}}}, "use by_region or by_block"),
        ({"prepare": {"label": {"bare": ["north"]}}}, "no file of region south"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        mixed_config(tmp_path, **changes)
