"""Images of one's own: which files are mapped, and under which names."""

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
