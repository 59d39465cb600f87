"""Shapefiles in zip files: found wherever they lie in them, within bounds."""

import zipfile
from pathlib import Path

import geopandas
import pytest
from shapely.geometry import box

from glacier.errors import VectorError
from glacier.geo import zipped
from glacier.geo.zipped import unpack_shapefile


def pack(folder: Path, under: str = "", upper: bool = False, leave_out: str = "") -> Path:
    parts = folder / "parts"
    parts.mkdir()
    table = geopandas.GeoDataFrame({"n": [1]}, geometry=[box(0, 0, 1, 1)], crs=4326)
    table.to_file(parts / "a.shp")
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr(f"{under}readme.txt", "of the inventory")
        archive.writestr(f"__MACOSX/{under}._a.shp", "what macOS keeps")
        for part in parts.iterdir():
            if part.suffix != leave_out:
                name = part.name.upper() if upper else part.name
                archive.write(part, f"{under}{name}")
    return folder / "a.zip"


@pytest.mark.parametrize("under", ["", "RGI/region/"])
@pytest.mark.parametrize("upper", [False, True])
def test_the_one_shapefile_and_its_parts_are_unpacked(
    tmp_path: Path, under: str, upper: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    path = unpack_shapefile(pack(tmp_path, under, upper), place, "a.zip")
    assert {part.suffix for part in place.iterdir()} == {".shp", ".shx", ".dbf", ".prj", ".cpg"}
    assert path.parent == place and len(geopandas.read_file(path)) == 1


def test_a_part_that_is_not_there_is_missed_by_name(tmp_path: Path) -> None:
    from glacier.geo.vector_files import local_file

    path = pack(tmp_path, leave_out=".dbf")
    with pytest.raises(VectorError, match=r"no \.dbf file"), local_file(str(path)):
        pytest.fail("half a Shapefile was read")


def test_bounds_are_those_that_are_stated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, place = pack(tmp_path), tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(zipped, "MAX_MEMBERS", 6)
    with pytest.raises(VectorError, match=r"a\.zip: the zip file has 7 members .* zip the Shape"):
        unpack_shapefile(path, place, "a.zip")
    assert list(place.iterdir()) == []
    monkeypatch.setattr(zipped, "MAX_MEMBERS", 7)
    assert unpack_shapefile(path, place, "a.zip").exists()
