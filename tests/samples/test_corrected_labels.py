"""What people have corrected is what is learned from, whatever the other months have."""

from pathlib import Path

import numpy as np
import pytest

from glacier.config import Config
from glacier.labels import IGNORE
from glacier.samples.label_files import checksum_label
from glacier.samples.month import CORRECTED, make_label, prepare_month, read_archived
from glacier.samples.sample_set import samples_folder
from tests.support.tiny import make_task, tiny_config
from tests.support.user_files import GRID, write_image


def make_config(folder: Path, **label: object) -> Config:
    return tiny_config(
        folder,
        prepare={
            "quick_looks": False,
            "label": {"corrections": str(folder / "corrections")} | label,
        },
    )


def correct(folder: Path, month: str, value: int) -> None:
    """All of a month is glacier, or none of it."""
    _, grid = read_archived(make_task(make_config(folder), month))
    path = folder / "corrections/mendenhall" / f"{month}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full((1, *grid.shape), value, np.uint8), grid)


def read_label(folder: Path, month: str, **label: object) -> np.ndarray:
    task = make_task(make_config(folder, **label), month)
    bands, grid = read_archived(task)
    image = np.zeros((1, *grid.shape), np.float32)
    image[0, :2] = np.nan
    return make_label(task, bands, image, grid)


@pytest.mark.parametrize("kind", ["truth", "ndsi"])
def test_a_corrected_month_has_its_own_label_and_another_the_usual(
    tmp_path: Path, kind: str
) -> None:
    usual = read_label(tmp_path, "2014-07", kind=kind)
    correct(tmp_path, "2014-07", 1)
    found = read_label(tmp_path, "2014-07", kind=kind)
    assert (found[2:] == 1).all() and (found[:2] == IGNORE).all()  # unseen stays unknown
    assert 0 < (usual == 1).sum() < usual.size
    august = read_label(tmp_path, "2014-08", kind=kind)
    assert 0 < (august == 1).sum() < august.size


def test_samples_are_others_once_a_month_is_corrected_and_again_differently(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    addresses = [samples_folder(config, {})]
    for value in (1, 0):
        correct(tmp_path, "2014-07", value)
        addresses.append(samples_folder(config, {}))
    assert len(set(addresses)) == 3
    assert [name for name, _ in checksum_label(config)] == ["corrections.mendenhall.2014-07"]
    stray = tmp_path / "corrections/mendenhall/1999-01.tif"  # no month of the run
    write_image(stray, np.ones((1, *GRID.shape), np.uint8), GRID)
    assert samples_folder(config, {}) == addresses[-1]


def test_the_record_of_a_corrected_month_says_so(tmp_path: Path) -> None:
    correct(tmp_path, "2014-07", 1)
    months = [
        prepare_month(make_task(make_config(tmp_path), month)) for month in ("2014-07", "2014-08")
    ]
    assert [CORRECTED in month.notes for month in months] == [True, False]
