"""What a network makes of a month: the same windows, and changes that no histogram shows."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch

from glacier import seals, store
from glacier.landsat import BAND_OF, digital_number
from glacier.mapping.maps import MapRecord, map_address
from glacier.monitoring.features import choose_windows, encode_month
from glacier.monitoring.sketch import SketchTask, choose_places, sketch_month
from glacier.monitoring.traits import compare_month, list_traits
from glacier.training.encoding import WindowEncoder, load_encoder
from glacier.training.model_files import load_model, save_model
from glacier.training.unet import build_unet
from tests.support.finished_runs import MONTHS, REGION, make_run
from tests.support.model_cards import make_card
from tests.support.shuffled import shuffle_squares
from tests.support.sketches import make_sketch
from tests.support.tiny import ENCODER

COLOURS = ("nir", "red", "green")
SIZE, STRIDE = 32, 16


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> WindowEncoder:
    """A network that learned nothing: already its first layers tell edges from flat ground."""
    return load_encoder(*save_network(tmp_path_factory.mktemp("model")))


def save_network(folder: Path, **changes: object) -> tuple[str, str]:
    """Address and checksum of a stored network."""
    torch.manual_seed(3)
    look = {"size_px": SIZE, "stride_px": STRIDE, "mean": (0.3,) * 3, "std": (0.2,) * 3}
    card = make_card(encoder=ENCODER, inference=look, **changes)
    save_model(str(folder), build_unet(ENCODER, 3).state_dict(), card)
    return str(folder), load_model(str(folder))[1].sha256


def make_bands(year: int, shape: tuple[int, int] = (96, 112)) -> dict[str, np.ndarray]:
    """Reflectance of ice beside rock with soft edges, a little other each year."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    ice = 1 / (1 + np.exp((np.hypot(rows - 40, columns - 50) - 30) / 3))
    rng = np.random.default_rng(year)
    bright = {"nir": 0.5, "red": 0.6, "green": 0.65}
    return {
        colour: (0.15 + ice * (top - 0.15) * (1 + rng.normal(0, 0.01))).astype(np.float32)
        + rng.normal(0, 0.005, shape).astype(np.float32)
        for colour, top in bright.items()
    }


def number(bands: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {BAND_OF[colour]: digital_number(band) for colour, band in bands.items()}


def test_pixels_shuffled_within_windows_are_seen_by_the_network_and_by_no_histogram(
    encoder: WindowEncoder,
) -> None:
    def look(bands: dict[str, np.ndarray], year: int):  # type: ignore[no-untyped-def]
        values = np.stack([choose_places(band).ravel() for band in bands.values()])
        blank = np.ones(values.shape[1], np.float32)
        return replace(
            make_sketch(date(year, 8, 1)), bands=COLOURS, values=values, glacier=blank,
            confidence=blank, features=encode_month(number(bands), encoder),
        )  # fmt: skip

    years = [look(make_bands(year), year) for year in range(2011, 2019)]
    plain = make_bands(2020)
    mixed = {colour: shuffle_squares(band, 16) for colour, band in plain.items()}
    for colour in COLOURS:
        np.testing.assert_array_equal(np.sort(plain[colour], None), np.sort(mixed[colour], None))
    names = [trait.name for trait in list_traits(COLOURS)]
    before, after = (
        dict(zip(names, compare_month(look(bands, 2020), years), strict=True))  # type: ignore[arg-type]
        for bands in (plain, mixed)
    )
    assert after["features"] > 50 * before["features"]
    assert after["histogram"] < 0.05 + before["histogram"]


def test_windows_are_those_of_a_map_and_the_same_in_every_month() -> None:
    starts = choose_windows((500, 300), 128, 64)
    assert len(starts) == 16 and starts[0] == (0, 0) and starts[-1] == (372, 172)
    assert {row for row, _ in starts} == {0, 128, 256, 372}
    assert {col for _, col in starts} == {0, 64, 128, 172}
    assert choose_windows((128, 128), 128, 64) == [(0, 0)]


def test_a_window_that_was_hardly_seen_has_no_features(encoder: WindowEncoder) -> None:
    bands = number(make_bands(2020, (32, 64)))
    whole = encode_month(bands, encoder)
    assert whole.shape == (3, 64) and np.isfinite(whole).all()
    for band in bands.values():
        band[:, :20] = 0
    hidden = encode_month(bands, encoder)
    assert np.isnan(hidden[0]).all() and np.isfinite(hidden[1:]).all()
    np.testing.assert_array_equal(hidden[2], whole[2])
    assert not np.allclose(hidden[1], whole[1])  # a fourth of a half of it is filled


def test_an_image_smaller_than_a_window_has_one(encoder: WindowEncoder) -> None:
    assert np.isfinite(encode_month(number(make_bands(2020, (24, 30))), encoder)).all()


def test_what_the_network_saw_resized_as_a_whole_is_one_window(tmp_path: Path) -> None:
    whole = load_encoder(*save_network(tmp_path, resize=(32, 32), pixel_m=(90, 90)))
    found = encode_month(number(make_bands(2020)), whole)
    assert found.shape == (1, 64) and np.isfinite(found).all()


def test_unseen_ground_is_filled_as_the_network_was_tested(tmp_path: Path) -> None:
    bands = number(make_bands(2020, (32, 32)))
    for band in bands.values():
        band[:8] = 0
    mean, other = (
        encode_month(bands, load_encoder(*save_network(tmp_path / name, **changes)))
        for name, changes in (("mean", {}), ("zero", {"fill": (0.0,) * 3}))
    )
    assert not np.allclose(mean, other)


def test_a_month_is_looked_at_by_the_network_that_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    record = seals.read_model(map_address(run.maps, REGION, MONTHS[0]), MapRecord)
    place, image = store.join(run.maps, REGION), run.images[REGION][MONTHS[0]]
    task = SketchTask(record, place, image, (), *save_network(tmp_path / "model"))
    features = sketch_month(task).features
    assert features.shape == (16, 64) and np.isfinite(features).all()
    assert sketch_month(replace(task, network="")).features.shape == (0, 0)
