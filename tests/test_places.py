"""``glacier places score``: masks of a folder on the frozen places."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from glacier import places
from glacier.archive.contents import read_outcomes
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.config import Config
from glacier.errors import ConfigError, RasterError
from glacier.flags import load_config
from glacier.geo.raster import read_named
from glacier.indices import normalised_difference
from glacier.landsat import reflectance
from glacier.places import make_scores, run_places
from glacier.samples.month import MonthTask, prepare_month
from glacier.samples.prepare import describe_set
from glacier.samples.sample_set import samples_folder, write_set
from glacier.sources.factory import open_source
from tests.support.tiny import tiny_config, write_tiny
from tests.support.user_files import write_image

ROOT = Path(__file__).parents[1]


def make_ground(config: Config) -> None:
    """What ingest and prepare make, here and now."""
    targets = list(list_months(config, open_source(config)))
    records = [ingest_month(config, target) for target in targets]
    folder = samples_folder(config, read_outcomes(config))
    months = [
        prepare_month(MonthTask(record, target.folder, folder, config.prepare))
        for record, target in zip(records, targets, strict=True)
    ]
    write_set(folder, describe_set(config, months))


def write_masks(config: Config, folder: Path, find: object) -> None:
    """A mask of each month of the archive that is there."""
    for target in list_months(config, open_source(config)):
        path = Path(target.folder) / f"{target.name}.tif"
        if path.exists():
            bands, grid = read_named(str(path))
            place = folder / target.region.name / f"{target.name}.tif"
            place.parent.mkdir(parents=True, exist_ok=True)
            write_image(place, find(bands)[None].astype(np.uint8), grid)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """Ground truth of a tiny run, and masks that call all of it ice."""
    folder = tmp_path_factory.mktemp("places")
    prepare = {"layout": "chips", "size_px": 32, "image": ["green", "nir", "swir1"],
               "blocks": [2, 2], "quick_looks": False}  # fmt: skip
    changes = {"prepare": prepare, "months": {"first": "2014-06", "last": "2014-08"}}
    config = tiny_config(folder, **changes)
    make_ground(config)
    write_masks(config, folder / "all", lambda bands: np.ones(bands["SR_B3"].shape))
    write_tiny(folder, **changes)
    return config, folder


def test_masks_are_scored_and_the_table_is_written(
    tiny: tuple[Config, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = tiny
    assert run_places(["score", str(folder / "all"), str(folder / "tiny.yaml")]) == 0
    said = capsys.readouterr().out
    assert "mendenhall" in said and "all: mean IoU over places" in said
    place = Path(config.results) / "tiny/scores/all"
    table = json.loads((place / "scores.json").read_text())
    (score,) = table["places"]
    assert score["recall"] == 1 and score["claimed_percent"] == 100
    assert score["precision"] == score["iou"] == pytest.approx(table["iou_mean"])
    assert len((place / "scores.csv").read_text().splitlines()) == 1 + 1 + len(table["images"])
    assert table["ground"] == samples_folder(config, read_outcomes(config)).rpartition("/")[2]


def test_masks_that_are_missing_are_named(tiny: tuple[Config, Path], tmp_path: Path) -> None:
    config, folder = tiny
    shutil.copytree(folder / "all", tmp_path / "some")
    (tmp_path / "some/mendenhall/2014-07.tif").rename(tmp_path / "some/mendenhall_2014-07.tif")
    make_scores(config, tmp_path / "some")
    (tmp_path / "some/mendenhall_2014-07.tif").unlink()
    with pytest.raises(
        ConfigError, match=r"1 of 3 masks .* missing in .*: mendenhall/2014-07\.tif"
    ):
        make_scores(config, tmp_path / "some")
    with pytest.raises(ConfigError, match="no such folder"):
        make_scores(config, tmp_path / "none")


def test_a_mask_of_half_an_image_is_refused(tiny: tuple[Config, Path], tmp_path: Path) -> None:
    config, folder = tiny
    shutil.copytree(folder / "all", tmp_path / "half")
    path = tmp_path / "half/mendenhall/2014-07.tif"
    with rasterio.open(path) as file:
        drawn, profile = file.read(), file.profile | {"width": file.width // 2}
    with rasterio.open(path, "w", **profile) as file:
        file.write(drawn[:, :, : drawn.shape[2] // 2])
    with pytest.raises(RasterError, match=r"2014-07\.tif covers \d+ % of the labelled ground"):
        make_scores(config, tmp_path / "half")


def test_without_the_ground_truth_it_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run glacier ingest and glacier prepare with the same"):
        make_scores(tiny_config(tmp_path), tmp_path)


@pytest.mark.parametrize("argv", [[], ["rank"], ["score"], ["score", "--help"]])
def test_how_it_is_typed_is_told(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    asked = "--help" in argv
    assert run_places(argv) == (0 if asked else 2)
    said = capsys.readouterr()
    assert "glacier places score FOLDER" in (said.out if asked else said.err)


def call_ice(bands: dict[str, np.ndarray]) -> np.ndarray:
    """NDSI > 0.4 and NIR > 0.11."""
    green, nir, swir1 = (reflectance(bands[name]) for name in ("SR_B3", "SR_B5", "SR_B6"))
    return (normalised_difference(green, swir1) > 0.4) & (nir > 0.11)


@pytest.mark.slow
def test_the_rule_has_the_published_numbers_on_the_real_places(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured apart on the images' own pixels of 10 to 27 m, here on those of 30 m."""
    monkeypatch.setenv("GLACIER_REAL_DATA", str(real_data))
    words = ["--storage", str(tmp_path / "data"), "--prepare.quick_looks", "false"]
    config = load_config([str(ROOT / "jobs" / places.SHIPPED), *words], "")
    make_ground(config)
    write_masks(config, tmp_path / "rule", call_ice)
    table = make_scores(config, tmp_path / "rule")
    found = {(score.region, score.month): score.iou for score in table.images}
    wanted = {
        ("mer-de-glace", "2020-07"): 0.557,
        ("vinciguerra", "2019-03"): 0.81, ("vinciguerra", "2020-03"): 0.77,
        ("vinciguerra", "2021-03"): 0.69, ("vinciguerra", "2022-03"): 0.86,
        ("khumbu", "2024-01"): 0.13, ("khumbu", "2024-07"): 0.09, ("khumbu", "2024-10"): 0.24,
    }  # fmt: skip
    for image, iou in wanted.items():
        assert found[image] == pytest.approx(iou, abs=0.02), image
    claimed = {s.region: s.claimed_percent for s in table.places if s.iou is None}
    assert claimed.keys() == {"liverpool-bay", "brumadinho"} and max(claimed.values()) < 0.4
    worst = table.places[0]
    assert worst.region.startswith("zanskar") and worst.debris_recall == 0
