"""Scenes of a catalogue: searched once, equal to the same scenes as files, and what goes wrong."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio.shutil

from glacier import store
from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.composite import Composite, Empty
from glacier.config import PLANETARY_COMPUTER, Config
from glacier.errors import ConfigError, SourceError
from glacier.sources import stac
from glacier.sources.factory import open_source
from glacier.sources.limiter import Limiter
from glacier.sources.stac import StacSource, name_scene, pick_items
from tests.support.fake_stac import FakeStac, serve_stac
from tests.support.landsat_files import product_name, scenes_of, synthetic, write_scene
from tests.support.tiny import VALUES, tiny_config

JULY = date(2014, 7, 1)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStac]:
    """A catalogue with the scenes of a synthetic July."""
    for name in ("GDAL_HTTP_RETRY_DELAY", "GDAL_HTTP_MAX_RETRY"):
        monkeypatch.setitem(stac.GDAL, name, {"GDAL_HTTP_RETRY_DELAY": 0.01}.get(name, 3))
    stac.configure_reading.cache_clear()
    with serve_stac(FakeStac()) as server:
        config = stac_config(tmp_path, server)
        for scene in scenes_of(config, JULY):
            server.add(scene, write_scene(tmp_path / "scenes", config, scene))
        yield server


def stac_config(place: Path, server: FakeStac, **ingest: Any) -> Config:
    few = {"synthetic": {"scenes_per_month": [2, 2]}}
    settings = {"source": "stac", "stac": {"url": server.url}} | few | ingest
    regions = [VALUES["regions"][0] | {"pixel_m": 300}]
    return tiny_config(place, regions=regions, ingest=settings, prepare={"label": {"kind": "ndsi"}})


def fetch(config: Config, month: date = JULY) -> Composite | Empty:
    return open_source(config).fetch_month(config.regions[0], month)


def kept_search(config: Config) -> Path:
    (path,) = (Path(config.storage) / "catalogue").glob("*.json")
    return path


def test_the_catalogue_gives_the_composite_of_its_scenes(fake: FakeStac, tmp_path: Path) -> None:
    config = stac_config(tmp_path, fake)
    found, expected = fetch(config), synthetic(config).fetch_month(config.regions[0], JULY)
    assert isinstance(found, Composite) and len(found.scene_ids) >= 2
    for name, values in expected.bands.items():
        np.testing.assert_array_equal(found.bands[name], values)
    np.testing.assert_array_equal(found.n_obs, expected.n_obs)
    assert found.saturated_share == expected.saturated_share


def test_the_same_scenes_as_files_and_from_a_catalogue_give_equal_bytes(
    fake: FakeStac, tmp_path: Path
) -> None:
    folder = {"path": str(tmp_path / "scenes"), "holds": "scenes"}
    configs = [
        stac_config(tmp_path / "a", fake),
        stac_config(tmp_path / "b", fake, source="folder", folder=folder),
    ]
    images, records = [], []
    for config in configs:
        (target,) = [t for t in list_months(config, open_source(config)) if t.month == JULY]
        records.append(ingest_month(config, target))
        images.append(Path(f"{target.stem}.tif").read_bytes())
    assert images[0] == images[1]
    first, second = ((r.sha256, r.scene_ids, r.n_obs, r.valid_share) for r in records)
    assert first == second


def test_the_catalogue_is_searched_once_for_all_months(fake: FakeStac, tmp_path: Path) -> None:
    config = stac_config(tmp_path, fake)
    open_source(config).survey(config.regions[0])
    pages = fake.asked["search"]
    assert pages == -(-len(fake.items) // fake.page)  # every page, once
    fetch(config)
    assert fetch(config, date(2014, 6, 1)).reason.startswith("no_scene")
    assert fake.asked["search"] == pages
    fake.url = "gone"
    assert isinstance(fetch(config), Composite)


def test_months_without_sun_ask_nobody(fake: FakeStac, tmp_path: Path) -> None:
    assert fetch(stac_config(tmp_path, fake), date(2014, 12, 1)).reason.startswith("solar_zenith")
    assert not fake.asked


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_catalogue_is_asked_again(fake: FakeStac, tmp_path: Path, status: int) -> None:
    fake.search_faults.extend([status] * 2)
    assert isinstance(fetch(stac_config(tmp_path, fake)), Composite)
    assert fake.asked["search"] >= 3


def test_a_catalogue_that_does_not_answer_is_named(fake: FakeStac, tmp_path: Path) -> None:
    fake.search_faults.extend([404] * 9)
    with pytest.raises(SourceError, match=rf"the catalogue {fake.url} cannot be searched"):
        fetch(stac_config(tmp_path, fake))
    assert not list(tmp_path.glob("data/catalogue/*"))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_file_server_is_asked_again(fake: FakeStac, tmp_path: Path, status: int) -> None:
    config = stac_config(tmp_path, fake)
    fake.read_faults.extend([status] * 2)
    found = fetch(config)
    assert isinstance(found, Composite) and not found.skipped
    assert len(found.scene_ids) == len(fake.items)


def test_a_signature_that_runs_out_in_mid_read_is_renewed(
    fake: FakeStac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = []

    def sign(item: pystac.Item, url: str) -> pystac.Item:
        signed.append(fake.signature)
        copy = item.clone()
        for asset in copy.assets.values():
            asset.href = f"{asset.href}?sig={fake.signature}"
        return copy

    monkeypatch.setattr(stac, "sign_item", sign)
    fake.signature, fake.reads_until_expiry = "first", 5
    config = stac_config(tmp_path, fake)
    found = fetch(config)
    assert isinstance(found, Composite) and not found.skipped
    assert "first" in signed and signed[-1] == "second"
    assert "sig=" not in kept_search(config).read_text()


def test_planetary_computers_items_are_signed_and_no_one_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stac.planetary_computer, "sign", lambda item: f"signed {item}")
    assert stac.sign_item("x", PLANETARY_COMPUTER) == "signed x"
    assert stac.sign_item("x", "https://example.org/stac") == "x"


def test_a_corrupt_scene_is_left_out_and_named(fake: FakeStac, tmp_path: Path) -> None:
    path = next(p for name, p in sorted(fake.files.items()) if name.endswith("SR_B4.TIF"))
    path.write_bytes(path.read_bytes()[:2000])
    found = fetch(stac_config(tmp_path, fake))
    assert isinstance(found, Composite) and len(found.scene_ids) == len(fake.items) - 1
    assert path.name[:25] in found.skipped[0]


def test_a_file_that_would_open_others_is_not_followed(fake: FakeStac, tmp_path: Path) -> None:
    """A virtual raster under a scene's name, made of a file of this machine."""
    path = next(p for name, p in sorted(fake.files.items()) if name.endswith("SR_B4.TIF"))
    ours = tmp_path / "ours.tif"
    ours.write_bytes(path.read_bytes())
    rasterio.shutil.copy(ours, tmp_path / "a.vrt", driver="VRT")
    text = (
        (tmp_path / "a.vrt")
        .read_text()
        .replace('relativeToVRT="1">', f'relativeToVRT="0">{tmp_path}/')
    )
    path.write_text(text)
    with rasterio.open(path, driver="VRT") as source:
        assert source.read(1).any()  # it would work, if it were let
    found = fetch(stac_config(tmp_path, fake))
    assert isinstance(found, Composite) and len(found.scene_ids) == len(fake.items) - 1
    assert "RasterError" in found.skipped[0]


def test_a_signature_stands_in_no_record(
    fake: FakeStac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign(item: pystac.Item, url: str) -> pystac.Item:
        copy = item.clone()
        for asset in copy.assets.values():
            asset.href = f"{asset.href}?sig=SECRET"
        return copy

    monkeypatch.setattr(stac, "sign_item", sign)
    fake.signature = "SECRET"
    gone = next(name for name in sorted(fake.files) if name.endswith("SR_B4.TIF"))
    del fake.files[gone]
    found = fetch(stac_config(tmp_path, fake))
    assert gone.rpartition("/")[2] in found.skipped[0] and "SECRET" not in found.skipped[0]


def test_a_band_that_a_scene_lacks_comes_from_the_others(fake: FakeStac, tmp_path: Path) -> None:
    del fake.items[0]["assets"]["lwir11"], fake.items[0]["assets"]["swir16"]
    config = stac_config(tmp_path, fake)
    found = fetch(config)
    whole = synthetic(config).fetch_month(config.regions[0], JULY)
    assert len(found.scene_ids) == len(fake.items) and not found.skipped
    np.testing.assert_array_equal(found.bands["SR_B3"], whole.bands["SR_B3"])
    assert (found.bands["SR_B6"] > 0).sum() <= (whole.bands["SR_B6"] > 0).sum()


@pytest.mark.parametrize(
    "href", ["s3://usgs-landsat/x.TIF", "/vsicurl/http://a/b.TIF", "file:///x"]
)
def test_addresses_that_are_not_on_the_web_are_refused(
    fake: FakeStac, tmp_path: Path, href: str
) -> None:
    fake.items[0]["assets"]["red"]["href"] = href
    with pytest.raises(ConfigError, match=r"its pixels lie at .*not on the web"):
        fetch(stac_config(tmp_path, fake))


def item_of(name: str, when: str, **properties: Any) -> pystac.Item:
    return pystac.Item.from_dict({
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [],
        "assets": {}, "properties": {"datetime": when, "platform": "landsat-8"} | properties,
    })  # fmt: skip


def test_a_month_is_half_open_in_utc() -> None:
    times = ("2014-06-30T23:59:59Z", "2014-07-01T00:00:00Z", "2014-07-31T23:59:59.9Z",
             "2014-08-01T00:00:00Z")  # fmt: skip
    items = tuple(item_of(f"s{k}", when) for k, when in enumerate(times))
    assert list(pick_items(items, JULY, (8,), ("T1",))) == ["s1", "s2"]


def test_platform_tier_and_version_are_chosen_here() -> None:
    def make(name: str, **properties: Any) -> pystac.Item:
        return item_of(name, "2014-07-05T20:00:00Z", **properties)

    scene = "LC08_L2SP_057019_20140705"
    items = (
        make(f"{scene}_20200912_02_T1", **{"landsat:collection_category": "T1"}),
        make(f"{scene}_20210101_02_T1", **{"landsat:collection_category": "T1"}),
        make("nine", platform="landsat-9"),
        make("usgs", platform="LANDSAT_8"),
        make("two", **{"landsat:collection_category": "T2"}),
    )
    found = pick_items(items, JULY, (8,), ("T1",))
    assert list(found) == [f"{scene}_02_T1", "usgs"]
    assert found[f"{scene}_02_T1"].id == f"{scene}_20210101_02_T1"
    assert len(pick_items(items, JULY, (8, 9), ("T1", "T2"))) == 4


def test_a_scene_has_one_name_in_files_and_catalogues() -> None:
    assert name_scene("LC08_L2SP_057019_20140705_20200912_02_T1_SR") == (
        "LC08_L2SP_057019_20140705_02_T1"
    )
    assert name_scene("LC08_L2SP_057019_20140705_02_T1") == "LC08_L2SP_057019_20140705_02_T1"


def test_every_scene_takes_a_place_within_the_limit(fake: FakeStac, tmp_path: Path) -> None:
    limiter = Limiter(3)
    config = stac_config(tmp_path, fake)
    StacSource(config, limiter).fetch_month(config.regions[0], JULY)
    assert limiter._issued == len(fake.items)
    assert limiter.state().peak_in_flight == 1


def test_a_search_of_months_that_may_still_gain_scenes_counts_for_its_day(
    fake: FakeStac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = stac_config(tmp_path, fake)
    (region,) = config.regions
    old = StacSource(config).address(region)
    this = config.model_copy(update={"months": config.months.model_copy(
        update={"last": f"{date.today():%Y-%m}"}
    )})  # fmt: skip

    class Tomorrow(date):
        @classmethod
        def today(cls) -> date:
            return date(2100, 1, 1)

    new = StacSource(this).address(region)
    monkeypatch.setattr(stac, "date", Tomorrow)
    assert StacSource(config).address(region) == old
    assert StacSource(this).address(region) != new


def test_a_damaged_search_says_what_to_remove(fake: FakeStac, tmp_path: Path) -> None:
    config = stac_config(tmp_path, fake)
    open_source(config).survey(config.regions[0])
    stac.read_items.cache_clear()
    kept_search(config).write_text(json.dumps({"features": [{}]}))
    with pytest.raises(store.StoreError, match=r"no kept search.*remove it"):
        fetch(config)


def test_items_are_kept_small_and_without_query(fake: FakeStac, tmp_path: Path) -> None:
    for item in fake.items:
        item["assets"]["red"]["href"] += "?sv=secret"
        item["properties"]["proj:geometry_of_everything"] = None
        item["assets"]["thumbnail"] = {"href": "x.jpg"}
    config = stac_config(tmp_path, fake)
    open_source(config).survey(config.regions[0])
    text = kept_search(config).read_text()
    assert "secret" not in text and "thumbnail" not in text
    assert product_name(scenes_of(config, JULY)[0]) in text
