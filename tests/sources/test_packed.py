"""Rasters in archives, and such that do not say where they lie."""

import io
import tarfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier.composite import Composite
from glacier.errors import SourceError
from glacier.settings.folder import FilePlace, Folder, Image
from glacier.sources import packed
from glacier.sources.images import ImagesSource
from glacier.sources.packed import open_placed, read_member
from tests.support.user_files import GRID, REGION, coordinates, write_image

PLACE = FilePlace(crs=GRID.crs, left_m=GRID.left_m, top_m=GRID.top_m, pixel_m=30)
OCTOBER = date(2000, 10, 1)


def pack(folder: Path, place: bool = True, name: str = "scene.tar.gz") -> np.ndarray:
    """An archive of a text and a band; without a place it has no georeference."""
    numbers = coordinates()["SR_B3"]
    if place:
        write_image(folder / "b3.tif", numbers[None])
    else:
        with rasterio.open(
            folder / "b3.tif", "w", driver="GTiff", height=GRID.height, width=GRID.width, count=1,
            dtype="uint16",
        ) as out:  # fmt: skip
            out.write(numbers, 1)
    (folder / "MTL.txt").write_text("facts")
    with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as archive:
        for file in ("MTL.txt", "b3.tif"):
            archive.add(folder / file, file)
            (folder / file).unlink()
    return numbers


def source_of(folder: Path, file: str, **settings: object) -> ImagesSource:
    values = {"month": "2000-10", "bands": {"SR_B3": {"file": file}}, **settings}
    return ImagesSource(Folder(path=str(folder), images=(Image.model_validate(values),)))


@pytest.mark.parametrize("name", ["scene.tar.gz", "scene.tar"])
@pytest.mark.parametrize("place", [True, False])
def test_a_band_in_an_archive_is_read_as_if_it_lay_beside_it(
    tmp_path: Path, name: str, place: bool
) -> None:
    numbers = pack(tmp_path, place, name)
    settings = {} if place else {"place": PLACE}
    source = source_of(tmp_path, f"{name}/b3.tif", **settings)
    assert source.grid(REGION) == GRID
    month = source.fetch_month(REGION, OCTOBER)
    assert isinstance(month, Composite)
    np.testing.assert_array_equal(month.bands["SR_B3"], numbers)
    assert [file for file, _ in source.identity(REGION)["files"]] == [name]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_an_archive_lacks_is_named_with_what_it_has(tmp_path: Path) -> None:
    pack(tmp_path)
    source = source_of(tmp_path, "scene.tar.gz/b4.tif")
    with pytest.raises(SourceError, match=r"has no file b4\.tif; there are MTL\.txt, b3\.tif"):
        source.fetch_month(REGION, OCTOBER)


def test_a_file_that_says_where_it_lies_is_not_put_elsewhere(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", coordinates()["SR_B3"][None])
    with (
        pytest.raises(SourceError, match=r"a\.tif says itself that it lies in EPSG:32608: leave"),
        open_placed(tmp_path / "a.tif", tmp_path, PLACE),
    ):
        pass


def test_a_damaged_archive_is_a_sentence(tmp_path: Path) -> None:
    pack(tmp_path)
    whole = (tmp_path / "scene.tar.gz").read_bytes()
    (tmp_path / "scene.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"scene\.tar\.gz cannot be read"):
        read_member(tmp_path / "scene.tar.gz", "b3.tif")


def test_an_archive_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MAX_FILE_BYTES", 1000)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name in ("zeros", "b3.tif"):
            info = tarfile.TarInfo(name)
            info.size = 900
            archive.addfile(info, io.BytesIO(bytes(900)))
    with pytest.raises(SourceError, match="more than 1000 files or 1000 bytes: unpack it"):
        read_member(tmp_path / "a.tar.gz", "b3.tif")


def test_links_in_an_archive_and_archives_elsewhere_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    with tarfile.open(tmp_path / "in/a.tar", "w") as archive:
        link = tarfile.TarInfo("b3.tif")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        archive.addfile(link)
    with pytest.raises(SourceError, match=r"has no file b3\.tif"):
        read_member(tmp_path / "in/a.tar", "b3.tif")
    pack(tmp_path)
    (tmp_path / "in/out.tar.gz").symlink_to(tmp_path / "scene.tar.gz")
    with (
        pytest.raises(SourceError, match="leads out of the folder"),
        open_placed(tmp_path / "in/out.tar.gz/b3.tif", tmp_path / "in", None),
    ):
        pass
