"""One image -> its rasters: by strips, by the models of each part, unseen where unseen."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from glacier.errors import RasterError, WeightsError
from glacier.evaluation.calibration import Calibration
from glacier.geo.raster import Grid, encode_cog
from glacier.geo.raster_rows import open_landsat
from glacier.landsat import digital_number
from glacier.map_codes import decode_probability
from glacier.mapping.answers import LoadedModel, Tally
from glacier.mapping.assignment import ModelName, Part
from glacier.mapping.raster_map import interpolate, map_raster
from glacier.samples.chips import resize_sample
from glacier.samples.image import make_image
from glacier.training.inference import Viewer
from glacier.training.model_card import ModelCard
from glacier.windows import predict_blended
from tests.support.model_cards import make_card

BANDS = ("nir", "red")
PLACES = {"SR_B4", "SR_B5"}
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def see_all(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """A network whose answer at a pixel hangs on its whole window."""
    filled = np.nan_to_num(windows)
    return (filled[:, 0] - 0.4) * 20 + filled[:, 1].mean(axis=(1, 2), keepdims=True)


def load(fold: int, network: Network = see_all, **changes) -> LoadedModel:
    """A model of 32 px windows, a third of a window apart."""
    values = {
        "encoder": "resnet18", "fold": fold, "temperature": 1.0, "threshold": 0.5,
        "inference": {"size_px": 32, "stride_px": 11, "mean": (0.3, 0.3), "std": (0.1, 0.1)},
    } | changes  # fmt: skip
    card = make_card(BANDS, **values)
    return LoadedModel(Viewer(network, card.inference, 3), card)


def write_image(path: Path, shape: tuple[int, int], pixel_m: float = 30, seed: int = 0) -> Path:
    """Two bands of noise, a tenth unseen."""
    rng = np.random.default_rng(seed)
    bands = {}
    for name in sorted(PLACES):
        values = rng.random(shape)
        values[rng.random(shape) < 0.05] = np.nan
        bands[name] = digital_number(values)
    grid = Grid("EPSG:32608", 500_000, 6_500_000, pixel_m, *shape)
    path.write_bytes(encode_cog(bands, grid, {}))
    return path


NAME = ModelName(encoder="resnet18", fold=0)
WHOLE = (Part(rectangles=None, models=(NAME,)),)


def map_file(
    path: Path, models: dict[ModelName, LoadedModel], parts: Sequence[Part] = WHOLE
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Tally]:
    """Probability and class as stored, and the tally."""
    files = path.with_name("p.tif"), path.with_name("c.tif")
    with open_landsat(path, PLACES) as image:
        tally = map_raster(image, parts, models, files)
    read = []
    for file in files:
        with rasterio.open(file) as source:
            assert source.nodata == 255 and source.shape == image.grid.shape
            assert source.transform == image.grid.transform and source.crs.to_epsg() == 32608
            read.append(source.read(1))
    return read[0], read[1], tally


def read_image(path: Path, card: ModelCard) -> NDArray[np.float32]:
    """The image that a network sees, all at once."""
    with open_landsat(path, PLACES) as image:
        return make_image(image.read(0, image.grid.height), card.image)


@pytest.mark.parametrize("shape", [(100, 70), (97, 33), (32, 32), (20, 90), (1, 1), (7, 5)])
def test_strips_are_the_whole_image(tmp_path: Path, shape: tuple[int, int]) -> None:
    path, model = write_image(tmp_path / "i.tif", shape), load(0)
    probability, classes, tally = map_file(path, {NAME: model})
    image = read_image(path, model.card)
    seen = np.isfinite(image[0])
    logits = predict_blended(see_all, image, seen, 32, 11, 7)
    expected = Calibration(1.0).probability(logits)
    np.testing.assert_array_equal(probability == 255, ~seen)
    np.testing.assert_array_equal(classes == 255, ~seen)
    np.testing.assert_array_equal(probability[seen], np.rint(expected[seen] * 254))
    np.testing.assert_array_equal(classes[seen] == 1, expected[seen] >= 0.5)
    counts = tally.pixels
    assert counts.glacier == (classes == 1).sum() and counts.unseen == (~seen).sum()
    assert counts.glacier + counts.ground + counts.unseen == seen.size
    assert tally.by_model == {NAME: (counts.glacier, seen.sum())}
    if seen.any():
        assert tally.mean_probability == pytest.approx(expected[seen].mean(), abs=1e-6)


def test_numbers_of_the_probability_raster_mean_what_it_declares(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.tif", (40, 40))
    probability, _, _ = map_file(path, {NAME: load(0)})
    with rasterio.open(tmp_path / "p.tif") as source:
        declared = source.read(1) * source.scales[0] + source.offsets[0]
    seen = probability != 255
    np.testing.assert_allclose(declared[seen], decode_probability(probability)[seen], atol=1e-6)
    assert np.isnan(decode_probability(probability)[~seen]).all()


def test_each_part_is_mapped_by_its_own_models_and_their_mean(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.tif", (60, 80))
    names = [ModelName(encoder="resnet18", fold=k) for k in range(3)]

    def constant(level: float) -> Network:
        return lambda windows: np.full(windows[:, 0].shape, np.log(level / (1 - level)))

    levels = (0.2, 0.8, 0.5)
    models = {n: load(k, constant(levels[k]), threshold=0.6) for k, n in enumerate(names)}
    parts = [
        Part(rectangles=((0, 60, 0, 30),), models=(names[0],)),
        Part(rectangles=((0, 60, 30, 80),), models=(names[1], names[2])),
    ]
    probability, classes, tally = map_file(path, models, parts)
    seen = probability != 255
    left, right = np.zeros((2, 60, 80), bool)
    left[:, :30], right[:, 30:] = True, True
    assert set(probability[seen & left]) == {round(0.2 * 254)}
    mean = (np.rint(0.8 * 255) + np.rint(0.5 * 255)) / 2 / 255
    assert set(probability[seen & right]) == {round(mean * 254)}
    assert not classes[seen & left].any() and classes[seen & right].all()  # 0.65 from 0.6 on
    asked = (seen & right).sum()
    assert tally.by_model == {names[0]: (0, (seen & left).sum()), names[1]: (asked, asked),
                              names[2]: (0, asked)}  # fmt: skip


def test_networks_are_asked_for_no_window_without_their_own_ground(tmp_path: Path) -> None:
    path, asked = write_image(tmp_path / "i.tif", (40, 200)), []

    def count(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        asked.append(len(windows))
        return windows[:, 0]

    part = Part(rectangles=((0, 40, 0, 5),), models=(NAME,))
    probability, _, _ = map_file(path, {NAME: load(0, count)}, [part])
    assert (probability[:, 5:] == 255).all() and (probability[:, :5] != 255).any()
    assert sum(asked) == 2  # one column of windows, in two rows


def test_between_the_pixels_of_a_resized_image_the_map_is_interpolated(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.tif", (90, 64))
    sides = {"pixel_m": (60.0, 84.375), "resize": (32, 32)}
    model = load(0, lambda windows: (windows[:, 0] - 0.5) * 10, **sides)
    probability, classes, _ = map_file(path, {NAME: model})
    image = read_image(path, model.card)
    small, _ = resize_sample(image, np.zeros(image.shape[1:], np.uint8), 32)
    expected = Calibration(1.0).probability((small[0] - 0.5) * 10)
    middles = [(np.arange(count) + 0.5) * 32 / count - 0.5 for count in (90, 64)]
    between = map_coordinates(
        expected, np.meshgrid(*middles, indexing="ij"), order=1, mode="nearest"
    )
    known = np.isfinite(between) & np.isfinite(image[0])
    assert known.sum() > 2000
    np.testing.assert_allclose(probability[known], between[known] * 254, atol=0.51)
    clear = known & (abs(between - 0.5) > 1e-6)
    assert (classes[clear] == (between[clear] >= 0.5)).all()


def test_what_was_not_seen_counts_for_nothing_between_pixels() -> None:
    small = np.array([[0.2, 0.8], [np.nan, 0.8]], np.float32)
    found = interpolate(small, (4, 4))
    assert np.isnan(found[2:, :2]).all() and np.isfinite(found[:2]).all()
    assert found[0].tolist() == pytest.approx([0.2, 0.35, 0.65, 0.8])
    assert found[3, 2:].tolist() == pytest.approx([0.8, 0.8])
    assert np.isnan(interpolate(np.full((2, 2), np.nan, np.float32), (5, 5))).all()


def test_an_image_is_filled_as_the_model_was_tested(tmp_path: Path) -> None:
    path, seen = write_image(tmp_path / "i.tif", (32, 32)), []

    def keep(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(windows)
        return windows[:, 0]

    map_file(path, {NAME: load(0, keep, fill=(0.0, 0.0))})
    assert (seen[0][0] == 0).any() and not np.isnan(seen[0][0]).any()
    map_file(path, {NAME: load(0, keep, fill=(0.3, 0.3))})
    assert np.isnan(seen[1][0]).any()  # the mean, as normalising makes of it


def test_pixels_of_another_size_are_refused_by_name(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.tif", (40, 40), pixel_m=10)
    with pytest.raises(RasterError, match=r"i\.tif has pixels of 10 m.*tested on 30 m.*gdalwarp"):
        map_file(path, {NAME: load(0)})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i.tif"]
    wide = load(0, pixel_m=(10.0, 30.0))
    map_file(path, {NAME: wide})
    whole = load(0, resize=(32, 32))
    with pytest.raises(RasterError, match=r"resized to 32 x 32 px.*12\.5 x 12\.5 m"):
        map_file(path, {NAME: whole})


def test_a_raster_that_lacks_a_band_is_refused_by_name(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.tif", (40, 40))
    with (
        pytest.raises(RasterError, match=r"lacks SR_B6.*SR_B4 at 1, SR_B5 at 2.*predict\.bands"),
        open_landsat(path, PLACES | {"SR_B6"}),
    ):
        pass
    with (
        open_landsat(path, PLACES, {"SR_B5": 1, "SR_B4": 2}) as swapped,
        open_landsat(path, PLACES) as plain,
    ):
        np.testing.assert_array_equal(swapped.read(3, 5)["SR_B5"], plain.read(3, 5)["SR_B4"])


def test_numbers_that_say_not_what_they_are_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.tif"
    grid = Grid("EPSG:32608", 500_000, 6_500_000, 30, 40, 40)
    profile = {"driver": "GTiff", "height": 40, "width": 40, "count": 2, "dtype": "float32",
               "crs": grid.crs, "transform": grid.transform}  # fmt: skip
    with rasterio.open(path, "w", **profile) as out:
        out.write(np.full((2, 40, 40), 0.3, np.float32))
        out.descriptions = ("SR_B4", "SR_B5")
    with pytest.raises(RasterError, match=r"band SR_B4 holds float32.*declare the scale"):
        map_file(path, {NAME: load(0)})


def test_models_that_look_in_different_ways_are_not_averaged(tmp_path: Path) -> None:
    path = write_image(tmp_path / "i.tif", (40, 40))
    other = ModelName(encoder="resnet18", fold=1)
    parts = [Part(rectangles=None, models=(NAME, other))]
    odd = load(1, inference={"size_px": 64, "stride_px": 32, "mean": (0, 0), "std": (1, 1)})
    with pytest.raises(WeightsError, match="look at images in different ways"):
        map_file(path, {NAME: load(0), other: odd}, parts)
