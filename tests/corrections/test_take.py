"""Edited outlines -> masks that are learned from, each with who, when and what."""

from datetime import UTC, date, datetime
from pathlib import Path

import geopandas
import numpy as np
import pytest

from glacier import seals, store
from glacier.config import Config
from glacier.corrections.export import offer_month, weigh_map, write_offers
from glacier.corrections.records import Correction, Offers, corrections_folder, offers_folder
from glacier.corrections.take import import_package
from glacier.errors import StoreError, VectorError
from glacier.geo.correction_files import GLACIER, MONTHS
from glacier.mapping.maps import MapRecord, PixelCounts, UsedModel, map_address
from glacier.samples.outlines import read_mask
from tests.support.finished_runs import GRID, REGION, make_run
from tests.support.finished_runs import MONTHS as MAPPED

VALUES = {
    "regions": [{"name": REGION, "title": "Ridge"}],
    "ingest": {"source": "folder"},
    "prepare": {"label": {"kind": "ndsi"}},
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A run with maps, two of whose months were offered."""
    config = Config.model_validate(
        {
            "name": "tiny", "storage": str(tmp_path), "results": str(tmp_path / "results"),
            **VALUES,
        }
    )  # fmt: skip
    maps = make_run(tmp_path).maps
    chosen = []
    for rank, month in enumerate(MAPPED[:2], 1):
        record = seals.read_model(map_address(maps, REGION, month), MapRecord)
        chosen.append(offer_month(record, maps, rank, "doubt"))
    write_offers(config, {REGION: chosen}, Offers(way="entropy", maps="tiny-1"))
    return config


def open_package(config: Config) -> Path:
    return Path(offers_folder(config), f"{REGION}.gpkg")


def mark_looked(config: Config, month: str, minutes: float) -> None:
    path = open_package(config)
    table = geopandas.read_file(path, layer=MONTHS)
    table.loc[table["month"] == month, ["looked", "minutes"]] = [True, minutes]
    table.to_file(path, layer=MONTHS, driver="GPKG")


def remove_patch(config: Config, month: str) -> None:
    """The smaller of the two glaciers of a month, 10 x 20 px, is none."""
    path = open_package(config)
    table = geopandas.read_file(path, layer=GLACIER)
    small = table[table["month"] == month].geometry.area.idxmin()
    table.drop(index=small).to_file(path, layer=GLACIER, driver="GPKG")


def test_what_was_edited_is_a_mask_with_who_and_what(config: Config) -> None:
    remove_patch(config, "2019-08")
    mark_looked(config, "2019-08", 12.5)
    began = datetime.now(UTC)
    taken = import_package(config, str(open_package(config)), "Ann Lee")
    (found,) = taken.months
    assert taken.untouched == ("2020-08",)
    assert (found.by, found.minutes, found.added_px, found.removed_px) == ("Ann Lee", 12.5, 0, 200)
    assert found.removed_km2 == pytest.approx(200 * 0.0009) and began <= found.at
    folder = Path(corrections_folder(config), REGION)
    assert seals.read_whole(str(folder / "2019-08.json"), Correction, owned=False) == found
    mask = read_mask(str(folder / "2019-08.tif"), GRID)
    assert (mask[:10, :10] == 255).all() and (mask == 1).sum() == 50 * 100
    assert not (mask[80:90, 100:120] == 1).any()


def test_a_look_that_changes_nothing_is_a_label_too(config: Config) -> None:
    mark_looked(config, "2020-08", 3)
    (found,) = import_package(config, str(open_package(config)), "Ann Lee").months
    assert (found.month, found.added_px, found.removed_px) == ("2020-08", 0, 0)
    assert import_package(config, str(open_package(config)), "Bo").months[0].by == "Bo"  # anew


def test_a_file_that_nobody_touched_leaves_nothing(config: Config) -> None:
    taken = import_package(config, str(open_package(config)), "Ann Lee")
    assert (
        taken.months == () and not Path(corrections_folder(config), REGION, "2019-08.tif").exists()
    )


def test_an_export_writes_over_nobodys_work(config: Config) -> None:
    remove_patch(config, "2019-08")
    before = open_package(config).read_bytes()
    maps = store.join(config.storage, "maps", "tiny-1")
    record = seals.read_model(map_address(maps, REGION, "2019-08"), MapRecord)
    with pytest.raises(StoreError, match=r"ridge\.gpkg is there and is another: somebody may"):
        write_offers(
            config,
            {REGION: [offer_month(record, maps, 1, "")]},
            Offers(way="random", maps="tiny-1"),
        )
    assert open_package(config).read_bytes() == before


def test_a_map_that_was_made_again_is_refused_and_nothing_is_taken(config: Config) -> None:
    mark_looked(config, "2019-08", 1)
    maps = store.join(config.storage, "maps", "tiny-1")
    address = map_address(maps, REGION, "2020-08")
    record = seals.read_model(address, MapRecord)
    files = record.files | {"2020-08.class.tif": "b" * 64}
    seals.write_model(address, record.model_copy(update={"files": files}))
    with pytest.raises(StoreError, match=r"map of 2020-08 of region ridge .* made again since"):
        import_package(config, str(open_package(config)), "Ann Lee")
    assert not Path(corrections_folder(config), REGION, "2019-08.tif").exists()


def test_a_package_of_another_region_is_named(config: Config) -> None:
    path = open_package(config)
    table = geopandas.read_file(path, layer=MONTHS)
    table["region"] = "alps"
    table.to_file(path, layer=MONTHS, driver="GPKG")
    with pytest.raises(VectorError, match=r"is of region 'alps'; exported was ridge"):
        import_package(config, str(path), "Ann Lee")


def test_without_an_export_it_is_said_what_to_run_first(tmp_path: Path) -> None:
    config = Config.model_validate({"name": "x", "results": str(tmp_path)} | VALUES)
    with pytest.raises(StoreError, match=r"run `glacier corrections export` first"):
        import_package(config, "a.gpkg", "Ann Lee")


def test_doubt_is_of_ground(config: Config) -> None:
    maps = store.join(config.storage, "maps", "tiny-1")
    record = seals.read_model(map_address(maps, REGION, "2019-08"), MapRecord)
    models = [
        UsedModel(encoder="a", fold=k, sha256="a" * 64, threshold=0.5, glacier_px=px, asked_px=100)
        for k, px in enumerate((40, 60))
    ]
    doubt = weigh_map(record.model_copy(update={"models": tuple(models)}), maps)
    ice_px = 50 * 100 + 200
    seen_px = GRID.height * GRID.width - 100

    def bits(share: float) -> float:
        return float(-share * np.log2(share) - (1 - share) * np.log2(1 - share))

    wanted = ice_px * bits(230 / 254) + (seen_px - ice_px) * bits(20 / 254)
    assert doubt.doubtful_km2 == pytest.approx(wanted * 0.0009, rel=1e-6)
    counts = PixelCounts(glacier=ice_px, ground=seen_px - ice_px, unseen=100)
    counted = record.model_copy(update={"models": tuple(models), "pixels": counts})
    assert weigh_map(counted, maps).spread_km2 == pytest.approx(0.1 * seen_px * 0.0009)
    alone = counted.model_copy(update={"models": tuple(models[:1])})
    assert weigh_map(alone, maps).spread_km2 == 0
    assert date.fromisoformat(f"{doubt.month}-01") == date(2019, 8, 1)
