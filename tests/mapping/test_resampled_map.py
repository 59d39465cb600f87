"""Maps of images whose pixels are of another size than those that the model was tested on."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from glacier.errors import RasterError
from glacier.geo import resampling
from glacier.geo.raster import Grid, encode_cog
from glacier.geo.raster_rows import open_landsat
from glacier.landsat import digital_number
from glacier.mapping.answers import LoadedModel, Tally
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.resampled_map import find_tested_pixel, map_resampled
from glacier.training.inference import Viewer
from tests.support.model_cards import make_card

NAME = ModelName(encoder="resnet18", fold=0)
PARTS = (Part(rectangles=None, models=(NAME,)),)
PLACES = {"SR_B4", "SR_B5"}


def load(**changes) -> LoadedModel:
    """A model tested on 30 m whose probability is the near infrared itself."""
    values = {
        "encoder": "resnet18", "fold": 0, "temperature": 1.0, "threshold": 0.5,
        "inference": {"size_px": 32, "stride_px": 16, "mean": (0, 0), "std": (1, 1)},
    } | changes  # fmt: skip
    card = make_card(("nir", "red"), **values)

    def network(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        nir = np.clip(np.nan_to_num(windows[:, 0]), 1e-4, 1 - 1e-4)
        return np.log(nir / (1 - nir))

    return LoadedModel(Viewer(network, card.inference, 3), card)


def write(path: Path, nir: NDArray[np.float64], pixel_m: float) -> Grid:
    grid = Grid("EPSG:32608", 500_000, 6_500_000, pixel_m, *nir.shape)
    bands = {"SR_B4": digital_number(np.where(np.isnan(nir), np.nan, 0.3)),
             "SR_B5": digital_number(nir)}  # fmt: skip
    path.write_bytes(encode_cog(bands, grid, {}))
    return grid


def map_file(path: Path, model: LoadedModel) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Tally]:
    """Probability and class as stored, and the tally."""
    files = path.with_name("p.tif"), path.with_name("c.tif")
    with open_landsat(path, PLACES) as image:
        pixel_m = find_tested_pixel({NAME: model}, image)
        assert pixel_m is not None
        tally = map_resampled(image, PARTS, {NAME: model}, files, pixel_m)
        read = []
        for file in files:
            with rasterio.open(file) as source:
                assert source.shape == image.grid.shape and source.nodata == 255
                assert source.transform == image.grid.transform
                read.append(source.read(1))
    return read[0], read[1], tally


def test_a_finer_image_is_seen_by_the_mean_and_its_map_comes_back(tmp_path: Path) -> None:
    nir = np.full((96, 120), 0.2)
    nir[:, 60:] = 0.9
    nir[30:50, 20:40] = np.nan
    nir[3, 3] = np.nan  # too little to hide what the model sees
    write(tmp_path / "i.tif", nir, 10)
    probability, classes, tally = map_file(tmp_path / "i.tif", load())
    hidden = np.isnan(nir)
    assert ((probability == 255) == hidden).mean() > 0.99 and (probability[hidden] == 255).all()
    assert (classes == 255).sum() == tally.pixels.unseen == (probability == 255).sum()
    assert probability[80, :57] == pytest.approx(0.2 * 254, abs=1)
    assert probability[80, 63:] == pytest.approx(0.9 * 254, abs=1)
    between = 0.2 + 0.7 * np.array([0, 1 / 3, 2 / 3, 1])  # of the middles at 585 and 615 m
    assert probability[80, 58:62] == pytest.approx(between * 254, abs=1.5)
    assert (classes[80] == np.repeat([0, 1], 60)).all()
    assert tally.pixels.glacier == (classes == 1).sum()
    assert tally.mean_probability == pytest.approx(
        probability[probability != 255].mean() / 254, abs=1e-2
    )
    asked = tally.by_model[NAME][1]  # pixels of 30 m
    assert asked == pytest.approx((~hidden).sum() / 9, rel=0.05)


def test_a_coarser_image_is_interpolated_and_its_map_is_the_mean(tmp_path: Path) -> None:
    nir = np.full((50, 40), 0.3)
    nir[:, 20:] = 0.8
    write(tmp_path / "i.tif", nir, 60)
    probability, classes, _ = map_file(tmp_path / "i.tif", load())
    assert probability[:, :19] == pytest.approx(0.3 * 254, abs=1)
    assert probability[:, 21:] == pytest.approx(0.8 * 254, abs=1)
    assert (classes[:, :20] == 0).all() and (classes[:, 20:] == 1).all()


def test_a_map_does_not_depend_on_the_height_of_its_strips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    nir = rng.random((101, 77))
    nir[rng.random(nir.shape) < 0.2] = np.nan
    write(tmp_path / "i.tif", nir, 12.5)
    first, _, _ = map_file(tmp_path / "i.tif", load())
    monkeypatch.setattr(resampling, "ROWS", 5)
    again, _, _ = map_file(tmp_path / "i.tif", load())
    np.testing.assert_array_equal(again, first)


def test_what_fits_is_left_and_what_shows_too_little_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.tif"
    for own, tested, wanted in (
        (30, (30.0, 30.0), None), (30.2, (30.0, 30.0), None), (10, (30.0, 30.0), 30),
        (20, (10.0, 30.0), None), (60, (10.0, 30.0), 30), (5, (10.0, 30.0), 10),
    ):  # fmt: skip
        write(path, np.full((4, 4), 0.5), own)
        with open_landsat(path, PLACES) as image:
            assert find_tested_pixel({NAME: load(pixel_m=tested)}, image) == wanted
            assert find_tested_pixel({NAME: load(resize=(32, 32))}, image) is None
    write(path, np.full((4, 4), 0.5), 130)
    with (
        open_landsat(path, PLACES) as image,
        pytest.raises(RasterError, match=r"i\.tif has pixels of 130 m, which show too little"),
    ):
        find_tested_pixel({NAME: load()}, image)


def test_a_single_pixel_is_mapped(tmp_path: Path) -> None:
    write(tmp_path / "i.tif", np.full((1, 1), 0.9), 10)
    probability, classes, _ = map_file(tmp_path / "i.tif", load())
    assert classes.tolist() == [[1]] and probability[0, 0] == pytest.approx(0.9 * 254, abs=1)
