"""Labels of many places: polygons or masks by region, masks of each image where there are such."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.warp
from shapely.geometry import box

from glacier.checks import refuse_masks
from glacier.config import Config
from glacier.errors import RasterError, SampleError
from glacier.geo.raster import Grid, grid_of_region, read_named
from glacier.labels import Surface
from glacier.samples.image import ImageRecipe, make_image
from glacier.samples.month import (
    find_snow,
    make_label,
    make_surface,
    measure_snow,
    prepare_month,
    read_archived,
)
from glacier.samples.outlines import glacier_file, glacier_on, read_mask
from glacier.samples.sample_set import samples_folder
from glacier.settings.labels import Label
from glacier.settings.prepare import Prepare
from glacier.settings.regions import Region
from tests.support.tiny import make_task, tiny_config
from tests.support.user_files import GRID, write_image

JULY, AUGUST = date(2014, 7, 1), date(2014, 8, 1)


def write_outline(path: Path) -> str:
    """All of ``GRID`` is glacier."""
    table = geopandas.GeoDataFrame({"a": [1]}, geometry=[box(*GRID.bounds)], crs=GRID.crs)
    table.to_file(path)
    return str(path)


def write_mask(path: Path, drawn: np.ndarray, grid: Grid = GRID) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, drawn[None].astype(np.uint8), grid)
    return str(path)


def test_a_mask_on_the_grid_comes_as_it_was_drawn(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).choice([0, 1, 255, 7], GRID.shape)
    found = read_mask(write_mask(tmp_path / "a.tif", drawn), GRID)
    np.testing.assert_array_equal(found, np.where(drawn > 1, 255, drawn))


def test_what_a_mask_hides_is_unknown(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).choice([0, 1], GRID.shape)
    path = write_mask(tmp_path / "a.tif", drawn)
    with rasterio.open(path, "r+") as file:
        file.nodata = 0
    found = read_mask(path, GRID)
    np.testing.assert_array_equal(found, np.where(drawn == 1, 1, 255))


def test_on_larger_pixels_the_larger_part_of_the_known_area_counts(tmp_path: Path) -> None:
    """Three by three pixels each, counted; half and half is unknown."""
    fine = Grid(GRID.crs, GRID.left_m, GRID.top_m, 10.0, 36, 30)
    drawn = np.random.default_rng(1).choice([0, 1, 255], (36, 30), p=[0.4, 0.4, 0.2])
    cells = drawn.reshape(12, 3, 10, 3).swapaxes(1, 2).reshape(12, 10, 9)
    ice, known = (cells == 1).sum(axis=2), (cells != 255).sum(axis=2)
    most = np.where(2 * ice == known, 255, 2 * ice > known)
    wanted = np.where(known >= 4.5, most, 255)
    found = read_mask(write_mask(tmp_path / "a.tif", drawn, fine), GRID)
    np.testing.assert_array_equal(found, wanted)
    assert set(np.unique(found)) == {0, 1, 255}


def test_a_mask_that_is_not_there_is_missed_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match=r"masks: .*none\.tif is not there; correct the path"):
        read_mask(str(tmp_path / "none.tif"), GRID)
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(RasterError, match=r"text\.tif"):
        read_mask(str(tmp_path / "text.tif"), GRID)


def test_each_region_has_its_own_files(tmp_path: Path) -> None:
    here = write_outline(tmp_path / "a.gpkg")
    july, august = np.zeros(GRID.shape, int), np.ones(GRID.shape, int)
    write_mask(tmp_path / "b/2014-07.tif", july)
    write_mask(tmp_path / "b/2014-08.tif", august)
    label = Label(
        kind="outlines", outlines={"a": here, "c": "/c.gpkg"}, debris={"c": "/d.gpkg"},
        masks={"b": f"{tmp_path}/b/{{year}}-{{month}}.tif"},
    )  # fmt: skip
    assert glacier_on(label, "a", JULY, GRID, "s").all()
    assert not glacier_on(label, "b", JULY, GRID, "s").any()
    assert glacier_on(label, "b", AUGUST, GRID, "s").all()
    assert glacier_file(label.of("b")) is None and glacier_file(label.of("c")).name == "c.gpkg"
    assert label.of("a").debris is None and label.of("c").debris == "/d.gpkg"
    kept = label.effective()
    assert kept.outlines == {"a": "a.gpkg", "c": "c.gpkg"}
    assert kept.masks == {"b": "{year}-{month}.tif"}


def masked(folder: Path, config: Config, path: str) -> Config:
    name = config.regions[0].name
    label = {"kind": "outlines", "masks": {name: path}, "max_snow_outside": 1}
    settings = Prepare(layout="chips", size_px=32, blocks=[2, 2], label=label)
    return config.model_copy(update={"prepare": settings})


def test_a_month_is_labelled_by_its_mask_and_follows_a_change_of_it(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    task = make_task(config)
    _, grid = read_named(f"{task.archive}/2014-07.tif")
    asked = masked(tmp_path, config, f"{tmp_path}/{{year}}-{{month}}.tif")
    drawn, places = np.zeros(grid.shape, int), set()
    for columns in (10, 20):
        drawn[:, :columns] = 1
        write_mask(tmp_path / "2014-07.tif", drawn, grid)
        samples = samples_folder(asked, {task.archive: [task.record]})
        month = prepare_month(replace(task, settings=asked.prepare, samples=samples))
        assert month.status == "ok" and month.label_pixels
        assert 0 < month.label_pixels.glacier <= columns * grid.height
        places.add(samples)
    assert len(places) == 2


def test_a_region_without_any_file_is_refused(tmp_path: Path) -> None:
    label = {"kind": "outlines", "masks": {"elsewhere": "a.tif"}}
    with pytest.raises(ValueError, match=r"no file of region .*: name one in prepare\.label"):
        tiny_config(tmp_path, prepare={"label": label})
    with pytest.raises(ValueError, match="masks act on labels of kind outlines alone, not on ndsi"):
        Label(kind="ndsi", masks={"a": "a.tif"})


def test_masks_of_no_month_are_refused_before_any_work(tmp_path: Path) -> None:
    config = tiny_config(tmp_path)
    asked = masked(tmp_path, config, f"{tmp_path}/{{year}}.tif")
    (reason,) = refuse_masks(asked)
    assert "there is no such file for any month" in reason
    (tmp_path / "2014.tif").touch()
    assert not list(refuse_masks(asked))


def test_hand_masks_of_a_real_glacier_keep_their_area(real_data: Path, tmp_path: Path) -> None:
    """Vinciguerra, 2019 to 2022: 10 m onto 30 m, whose edges halve pixels; halves are unknown."""
    label = Label(kind="outlines", masks={"v": f"{real_data}/vinciguerra_s2/label_{{year}}.tif"})
    with rasterio.open(real_data / "vinciguerra_s2/label_2019.tif") as file:
        west, south, east, north = rasterio.warp.transform_bounds(
            file.crs, "EPSG:4326", *file.bounds
        )
        with rasterio.open(tmp_path / "bare.tif", "w", **file.profile) as bare:
            bare.write(np.zeros(file.shape, np.uint8), 1)
    corners = ((west, south), (east, south), (east, north), (west, north))
    grid = grid_of_region(Region(name="v", polygon=corners))
    drawn = read_mask(str(tmp_path / "bare.tif"), grid) == 0
    assert not drawn.all()  # beside the raster nobody drew
    for year in range(2019, 2023):
        with rasterio.open(real_data / f"vinciguerra_s2/label_{year}.tif") as file:
            area_km2 = (file.read(1) == 1).sum() * 1e-4
        found = glacier_on(label, "v", date(year, 3, 1), grid, "")
        assert (found[~drawn] == 255).all()
        ice, halves = ((found[drawn] == code).sum() * grid.pixel_km2 for code in (1, 255))
        assert ice <= area_km2 <= ice + halves
        assert ice + halves / 2 == pytest.approx(area_km2, rel=0.02)


def test_beside_debris_alone_ice_is_unknown_and_the_mask_is_scored_as_debris(
    tmp_path: Path,
) -> None:
    config = tiny_config(tmp_path)
    task = make_task(config)
    bands, grid = read_archived(task)
    name = config.regions[0].name
    drawn = np.zeros(grid.shape, int)
    drawn[:, :20] = 1
    path = write_mask(tmp_path / "debris.tif", drawn, grid)
    label = {"kind": "outlines", "masks": {name: path}, "debris_alone": [name]}
    made = replace(task, settings=Prepare(layout="chips", size_px=32, blocks=[2, 2], label=label))
    image = make_image(bands, ImageRecipe.of(made.settings))
    seen, ice = np.isfinite(image[0]), find_snow(made.label, bands)
    found = make_label(made, bands, image, grid)
    assert (found[seen & (drawn == 1)] == 1).all() and not seen.all()
    beside = seen & (drawn == 0)
    assert {0, 1} <= set(ice[beside])
    np.testing.assert_array_equal(found[beside] == 255, ice[beside] != 0)
    surface = make_surface(made, bands, found, grid)
    assert set(surface[found == 1]) == {Surface.DEBRIS_ICE} and not surface[found != 1].any()
    assert measure_snow(made, bands, grid) is None  # ice beside debris is no sign of a snowy month


def test_a_region_without_ice_needs_no_file() -> None:
    label = Label(kind="outlines", bare=("a",))
    assert not glacier_on(label, "a", JULY, GRID, "s").any()
    assert label.of("a").bare == ("a",) and label.of("b").bare == ()
    with pytest.raises(ValueError, match="bare act on labels of kind outlines alone"):
        Label(kind="ndsi", bare=("a",))
    with pytest.raises(ValueError, match="debris_alone b: masks names no file of it"):
        Label(kind="outlines", masks={"a": "a.tif"}, debris_alone=("b",))
