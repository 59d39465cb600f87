"""Vector files with their sidecars and journals, local and in an object store."""

import shutil
import sqlite3
from pathlib import Path

import fsspec
import geopandas
import pytest
from shapely.geometry import box

from glacier import checksums
from glacier.errors import VectorError
from glacier.geo.raster import Grid
from glacier.geo.vector_files import checksum_files, list_files, local_file
from glacier.geo.vector_formats import SHAPEFILE
from glacier.geo.vector_layers import VectorFile
from glacier.geo.vectors import burn_outlines, read_outlines
from tests.support.outlines import rasterise_outlines

GRID = Grid("EPSG:32608", 500025.0, 6500025.0, 30.0, 40, 50)
SHAPE = box(500025, 6499425, 500625, 6500025)
"""20 x 20 pixels."""


def write(path: Path, **columns: list) -> Path:
    table = geopandas.GeoDataFrame(columns or {"Name": ["å"]}, geometry=[SHAPE], crs=GRID.crs)
    table.to_file(path)
    return path


def upload(folder: Path, place: str) -> None:
    fs = fsspec.filesystem("memory")
    for path in folder.iterdir():
        fs.pipe_file(f"{place}/{path.name}", path.read_bytes())


def test_a_shapefile_in_an_object_store_comes_with_its_sidecars(tmp_path: Path) -> None:
    write(tmp_path / "a.shp", line_type=["glac_bound"])
    upload(tmp_path, "/vectors")
    assert rasterise_outlines("memory://vectors/a.shp", GRID).sum() == 400
    assert checksum_files("memory://vectors/a.shp") == checksum_files(str(tmp_path / "a.shp"))
    with local_file("memory://vectors/a.shp") as found:
        there = {place.suffix for place in found.path.parent.iterdir()}
        assert there == {".shp", ".shx", ".dbf", ".prj", ".cpg"} and found.format is SHAPEFILE
    assert not found.path.exists()


@pytest.mark.parametrize("ending", [".shp", ".shx", ".dbf", ".prj", ".cpg"])
@pytest.mark.parametrize("large", [False, True])
def test_every_part_of_a_shapefile_counts_in_its_hash(
    tmp_path: Path, ending: str, large: bool
) -> None:
    write(tmp_path / "a.shp")
    for path in list(tmp_path.iterdir()) if large else []:
        path.rename(path.with_suffix(path.suffix.upper()))
    main, part = (tmp_path / f"a{e.upper() if large else e}" for e in (".shp", ending))
    before = checksum_files(str(main))
    part.write_bytes(part.read_bytes() + b" ")
    assert checksum_files(str(main)) != before


def test_the_hash_is_of_bytes_and_not_of_a_place_or_of_other_files(tmp_path: Path) -> None:
    write(tmp_path / "a.shp")
    before = checksum_files(str(tmp_path / "a.shp"))
    (tmp_path / "a.qix").write_bytes(b"an index of somebody's")
    (tmp_path / "ab.dbf").write_bytes(b"another's")
    copied = shutil.copytree(tmp_path, tmp_path / "moved")
    assert (
        checksum_files(str(copied / "a.shp")) == checksum_files(str(tmp_path / "a.shp")) == before
    )


@pytest.mark.parametrize("ending", [".shx", ".dbf"])
@pytest.mark.parametrize("remote", [False, True])
def test_a_shapefile_that_is_not_whole_is_refused(
    tmp_path: Path, ending: str, remote: bool
) -> None:
    path = write(tmp_path / "a.shp")
    path.with_suffix(ending).unlink()
    fsspec.filesystem("memory").rm("/", recursive=True)
    upload(tmp_path, "/parts")
    with pytest.raises(VectorError, match=rf"a\.shp: no {ending} file of that name beside it"):
        rasterise_outlines("memory://parts/a.shp" if remote else str(path), GRID)


def test_without_its_prj_a_shapefile_has_no_crs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(VectorError, match=r"no CRS; assign one .* prepare\.label\.crs"):
        rasterise_outlines(str(path), GRID)
    assert rasterise_outlines(str(path), GRID, crs="EPSG:32608").sum() == 400


def test_a_database_that_is_open_elsewhere_is_read_as_it_is_now(tmp_path: Path) -> None:
    """Its journal holds a row that the file itself lacks; reading must not move it there."""
    path = write(tmp_path / "a.gpkg")
    empty = checksum_files(str(path))
    open_elsewhere = sqlite3.connect(path)
    open_elsewhere.execute("PRAGMA journal_mode = wal")
    open_elsewhere.execute("PRAGMA wal_autocheckpoint = 0")
    for trigger, *_ in open_elsewhere.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    ).fetchall():
        open_elsewhere.execute(f'DROP TRIGGER "{trigger}"')
    open_elsewhere.execute("INSERT INTO a (geom, Name) SELECT geom, 'twin' FROM a")
    open_elsewhere.execute("UPDATE gpkg_ogr_contents SET feature_count = 2")
    open_elsewhere.commit()
    assert [Path(name).name for name in list_files(str(path))] == ["a.gpkg", "a.gpkg-wal"]
    parts = {name: Path(name).read_bytes() for name in list_files(str(path))}
    assert checksum_files(str(path)) != empty
    outlines = read_outlines(VectorFile(str(path)))
    assert outlines.layers[0].rows == 2
    assert "open elsewhere" in burn_outlines(outlines, GRID).notes[0]
    assert parts == {name: Path(name).read_bytes() for name in list_files(str(path))}
    open_elsewhere.close()
    assert len(list_files(str(path))) == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match="a folder; give a file"):
        rasterise_outlines(str(tmp_path), GRID)


def test_a_file_that_has_not_changed_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.geojson"
    path.write_text("one")
    first = checksum_files(str(path))
    monkeypatch.setattr(checksums, "read_checksum", lambda _: pytest.fail("read again"))
    assert checksum_files(str(path)) == first


def test_a_file_that_is_gone_has_no_checksum(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"gone\.geojson: no such file"):
        checksum_files(str(tmp_path / "gone.geojson"))
