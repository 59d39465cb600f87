"""Images of one's own: which files are mapped, and under which names."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from glacier.errors import ConfigError
from glacier.mapping.images import find_images, name_files


def test_files_give_their_maps_their_names(tmp_path: Path) -> None:
    first, second = tmp_path / "b.TIF", tmp_path / "a.tif"
    first.write_bytes(b"II")
    second.write_bytes(b"II")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "c.tif").mkdir()
    assert find_images(str(tmp_path)) == [second, first]
    assert name_files([second, first]) == [("a", second), ("b", first)]
    assert find_images(str(first)) == [first]
    with pytest.raises(ConfigError, match=r"'a' is of two files"):
        name_files([second, tmp_path / "a.TIFF"])
    with pytest.raises(ConfigError, match=r"holds more than letters"):
        name_files([tmp_path / "..x y.tif"])
    with pytest.raises(ConfigError, match=r"'a\.item' ends with \.item, so its map could not"):
        name_files([tmp_path / "a.item.tif"])  # a.item.json is the item of a.tif
    with pytest.raises(ConfigError, match=r"predict.images = '.*none': no GeoTIFF is there"):
        find_images(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.symlink_to("/etc/hostname"), "leads out of the folder"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file: a device"),
        (lambda path: path.symlink_to(path), "not a regular file"),
        (os.mkfifo, "not a regular file: a pipe"),
        (lambda path: (path.touch(), os.truncate(path, 1 << 40)), "has 1099511627776 bytes"),
    ],
)
def test_a_file_whose_reading_would_not_end_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    (tmp_path / "a.tif").write_bytes(b"II")
    make(tmp_path / "b.tif")
    with pytest.raises(ConfigError, match=rf"predict.images: .*b\.tif .*{why}"):
        find_images(str(tmp_path))


@pytest.mark.parametrize("place", ["/vsicurl/http://127.0.0.1/a.tif", "http://127.0.0.1/a.tif"])
def test_an_address_is_no_image(place: str) -> None:
    with pytest.raises(ConfigError, match="no GeoTIFF is there"):
        find_images(place)
