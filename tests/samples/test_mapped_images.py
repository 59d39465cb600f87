"""Files of this machine that hold a set's month images: made once, shared, and removed."""

import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from glacier.errors import DamagedError, StoreError
from glacier.geo.raster import Grid
from glacier.samples import mapped_images
from glacier.samples.chips import cut_rows
from glacier.samples.coding import REFLECTANCE, Coding
from glacier.samples.mapped_images import open_images
from glacier.samples.month_images import MonthImage, read_images
from glacier.samples.rows import rows_address, write_rows
from glacier.samples.sample_set import Frame, SampleMonth, SampleSet
from glacier.settings.prepare import Prepare
from tests.support.discs import make_samples
from tests.support.months import make_month

SHAPES = {"a": (40, 70), "b": (20, 33)}
SIZE = 32


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def draw_image(region: str, month: date, extras: int) -> MonthImage:
    """Noise, a tenth of it unseen."""
    rng, shape = np.random.default_rng([month.month, len(region)]), SHAPES[region]
    image, extra = (rng.random((bands, *shape), np.float32) for bands in (3, extras))
    image[:, rng.random(shape) < 0.1] = np.nan
    label = rng.choice([0, 1, 255], shape).astype(np.uint8)
    classes = rng.integers(0, 3, shape) * (region == "b")
    return make_month(region, month, image, label, extra, classes.astype(np.uint8))


def make_set(folder: Path, months: int = 3, extras: int = 1) -> SampleSet:
    """Samples of two regions of different sizes, month by month, and one that has none."""
    found = []
    for month in (date(2020, k + 1, 1) for k in range(months)):
        for region in SHAPES:
            rows = cut_rows(draw_image(region, month, extras), Prepare(size_px=SIZE))
            made = SampleMonth(region=region, month=month, status="ok", rows=len(rows))
            found.append(write_rows(str(folder), rows, made))
        found.append(SampleMonth(region="c", month=month, status="empty", reason="polar night"))
    return make_samples(
        size_px=SIZE,
        layout="chips",
        resize=None,
        coding=(REFLECTANCE,) * 3,
        extra_bands=("swir1",) * extras,
        months=found,
        regions={
            name: Frame(grid=Grid("EPSG:32608", 0.0, 0.0, 30.0, *shape[::-1]), shape=shape)
            for name, shape in SHAPES.items()
        },
    )


def compare(found: Sequence[MonthImage], wanted: Sequence[MonthImage]) -> None:
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert (one.key, one.coding) == (other.key, other.coding)
        for name in ("numbers", "extra_numbers", "label", "classes"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("extras", [0, 1])
def test_images_are_those_that_were_written_in_the_order_of_the_set(
    tmp_path: Path, extras: int
) -> None:
    samples = make_set(tmp_path, extras=extras)
    wanted = [draw_image(m.region, m.month, extras) for m in samples.usable]
    compare(read_images(str(tmp_path), samples), wanted)
    with open_images(str(tmp_path), samples) as images:
        compare(images, wanted)
        compare(images[1:3], wanted[1:3])
        assert not images[0].numbers.flags.writeable
        assert images[-1].key == wanted[-1].key


def test_windows_are_cut_without_the_rest_and_padded_with_the_unknown() -> None:
    image = draw_image("b", date(2020, 1, 1), 0)
    window, label = image.window(0, 1, SIZE)
    np.testing.assert_array_equal(window[:, :20], image.image[:, :, 1:])
    assert np.isnan(window[:, 20:]).all() and (label[20:] == 255).all()
    np.testing.assert_array_equal(image.band(1), image.image[1])
    np.testing.assert_array_equal(image.seen, np.isfinite(image.image).all(axis=0))


def test_files_are_made_once_and_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = make_set(tmp_path)
    with open_images(str(tmp_path), samples) as first:
        monkeypatch.setattr(mapped_images, "read_image", None)  # nothing is read a second time
        with open_images(str(tmp_path), samples) as second:
            compare(second, first)


def test_what_nobody_uses_goes_when_another_set_is_opened(tmp_path: Path) -> None:
    first, second = make_set(tmp_path / "a"), make_set(tmp_path / "b", months=2)
    base = mapped_images.own_base()
    with open_images(str(tmp_path / "a"), first):
        with open_images(str(tmp_path / "b"), second):
            assert len(list(base.iterdir())) == 2  # the first is in use
    with open_images(str(tmp_path / "b"), second):
        assert len(list(base.iterdir())) == 1
    mapped_images.remove_unused()
    assert not base.exists()


def test_months_made_anew_are_other_files(tmp_path: Path) -> None:
    samples = make_set(tmp_path)
    name = mapped_images.name_content(samples)
    months = [m.model_copy(update={"sha256": "f" * 64}) for m in samples.months]
    changed = samples.model_copy(update={"months": tuple(months)})
    assert mapped_images.name_content(changed) != name


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_damaged_samples_are_named_and_leave_nothing(tmp_path: Path, harm: str) -> None:
    samples = make_set(tmp_path)
    path = Path(rows_address(str(tmp_path), "b", date(2020, 2, 1)))
    path.write_bytes(b"?") if harm == "damaged" else path.unlink()
    with pytest.raises(DamagedError, match="b_2020-02"), open_images(str(tmp_path), samples):
        pass
    (place,) = mapped_images.own_base().iterdir()
    assert not list(place.glob("b*/")) and not list(place.glob("*.new"))


def test_what_a_killed_process_left_is_made_anew(tmp_path: Path) -> None:
    samples, base = make_set(tmp_path), mapped_images.own_base()
    left = base / f"{tmp_path.name}-{mapped_images.name_content(samples)}" / "a.new"
    left.mkdir(parents=True)
    (left / "numbers.npy").write_bytes(b"half")
    with open_images(str(tmp_path), samples) as images:
        compare(images, read_images(str(tmp_path), samples))
    assert not left.exists()


def look(folder: str, temporary: str, samples: SampleSet, queue: "multiprocessing.Queue") -> None:
    tempfile.tempdir = temporary
    with open_images(folder, samples) as images:
        queue.put([int(image.numbers.sum()) for image in images])


def test_processes_that_begin_together_see_the_same(tmp_path: Path) -> None:
    samples, context = make_set(tmp_path), multiprocessing.get_context("fork")
    queue = context.Queue()
    given = (str(tmp_path), tempfile.gettempdir(), samples, queue)
    workers = [context.Process(target=look, args=given) for _ in range(4)]
    for worker in workers:
        worker.start()
    found = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    wanted = [int(image.numbers.sum()) for image in read_images(str(tmp_path), samples)]
    assert found == [wanted] * 4


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    base = Path(tempfile.gettempdir()) / f"glacier-images-{os.getuid()}"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(StoreError, match=r"not this user's alone.*TMPDIR"):
        mapped_images.own_base()


def test_a_full_disk_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = make_set(tmp_path)

    def refuse(*given: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with (
        pytest.raises(StoreError, match="No space left on device; free room there, or set TMPDIR"),
        open_images(str(tmp_path), samples),
    ):
        pass


def test_a_coding_stands_in_the_description_of_a_set(tmp_path: Path) -> None:
    samples = make_set(tmp_path)
    again = SampleSet.model_validate_json(samples.model_dump_json())
    assert Coding(again.coding) == Coding.plain(3)
