"""Scenes of a catalogue: searched once, equal to the same scenes as files, and what goes wrong."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.shutil

from glacier.archive.ingest import ingest_month
from glacier.archive.records import list_months
from glacier.composite import Composite, Empty, Scene
from glacier.config import Config
from glacier.errors import ConfigError, SourceError
from glacier.geo.raster import Grid, encode_cog
from glacier.landsat import reflectance
from glacier.settings.ingest import Ingest
from glacier.settings.regions import Region
from glacier.settings.stac import PLANETARY_COMPUTER
from glacier.sources import stac
from glacier.sources.factory import open_source
from glacier.sources.limiter import Limiter
from glacier.sources.passes import group_passes
from glacier.sources.scenes import SceneFiles
from glacier.sources.stac import StacSource, frame_degrees, split_frame
from glacier.sources.stac_items import (
    ListedScene,
    keep_item,
    list_item,
    name_scene,
    pick_items,
)
from tests.support.fake_stac import FakeStac, serve_stac
from tests.support.landsat_files import product_name, scenes_of, synthetic, write_scene
from tests.support.scene_grids import CLOUDS, grid_over, make_scene, share_off, write_own
from tests.support.tile_files import write_tile
from tests.support.tiny import VALUES, tiny_config

JULY = date(2014, 7, 1)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStac]:
    """A catalogue with the scenes of a synthetic July."""
    for name in ("GDAL_HTTP_RETRY_DELAY", "GDAL_HTTP_MAX_RETRY"):
        monkeypatch.setitem(stac.GDAL, name, {"GDAL_HTTP_RETRY_DELAY": 0.01}.get(name, 3))
    with serve_stac(FakeStac()) as server:
        config = stac_config(tmp_path, server)
        for scene in scenes_of(config, JULY):
            server.add(scene, write_scene(tmp_path / "scenes", config, scene))
        yield server


def stac_config(place: Path, server: FakeStac, **ingest: Any) -> Config:
    settings = {"source": "stac", "stac": {"url": server.url}} | ingest
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
        stac_config(tmp_path / "b", fake, source="folder", folder=folder, stac={}),
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


def with_signature(scene: SceneFiles, signature: str) -> SceneFiles:
    signed = {name: f"{at}?sig={signature}" for name, at in scene.addresses.items()}
    return dataclasses.replace(scene, addresses=signed)


def test_a_signature_that_runs_out_in_mid_read_is_renewed(
    fake: FakeStac, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = []

    def sign(scene: SceneFiles, url: str) -> SceneFiles:
        signed.append(fake.signature)
        return with_signature(scene, str(fake.signature))

    monkeypatch.setattr(stac, "sign_scene", sign)
    fake.signature, fake.reads_until_expiry = "first", 5
    config = stac_config(tmp_path, fake)
    found = fetch(config)
    assert isinstance(found, Composite) and not found.skipped
    assert "first" in signed and signed[-1] == "second"
    assert "sig=" not in kept_search(config).read_text()


def test_planetary_computers_items_are_signed_and_no_one_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stac.planetary_computer, "sign", lambda address: f"signed {address}")
    scene = SceneFiles("x", {"red": "a"}, JULY)
    assert stac.sign_scene(scene, PLANETARY_COMPUTER).addresses == {"red": "signed a"}
    assert stac.sign_scene(scene, "https://example.org/stac") is scene


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
    monkeypatch.setattr(stac, "sign_scene", lambda scene, _: with_signature(scene, "SECRET"))
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


def test_landsats_own_scale_in_an_item_changes_nothing(fake: FakeStac, tmp_path: Path) -> None:
    for item in fake.items:
        item["assets"]["red"]["raster:bands"] = [{"scale": 2.75e-05, "offset": -0.2, "nodata": 0}]
        item["assets"]["lwir11"]["raster:bands"] = [{"scale": 0.00341802, "offset": 149.0}]
        item["assets"]["qa_pixel"]["raster:bands"] = [{"data_type": "uint16", "nodata": 1}]
    assert not fetch(stac_config(tmp_path, fake)).skipped


@pytest.mark.parametrize("sun", [None, "low", 400.0])
def test_an_item_without_sun_elevation_has_that_of_its_time(
    fake: FakeStac, tmp_path: Path, sun: object
) -> None:
    for item in fake.items:
        item["properties"]["view:sun_elevation"] = sun
    config = stac_config(tmp_path, fake)
    found, expected = fetch(config), synthetic(config).fetch_month(config.regions[0], JULY)
    assert not found.skipped
    assert found.sun_elevation_deg == pytest.approx(expected.sun_elevation_deg, abs=0.5)


def elsewhere(item: dict) -> None:
    item["assets"]["red"]["href"] = "s3://usgs-landsat/x.TIF"


def of_another_scale(item: dict) -> None:
    item["assets"]["red"]["raster:bands"] = [{"scale": 0.0001, "offset": 0, "nodata": 0}]


def without_bands(item: dict) -> None:
    item["assets"] = {}


def without_assets(item: dict) -> None:
    del item["assets"]


def with_text_for_assets(item: dict) -> None:
    item["assets"]["red"] = "nothing"


@pytest.mark.parametrize(
    "spoil", [elsewhere, of_another_scale, without_bands, without_assets, with_text_for_assets]
)
def test_a_faulty_item_costs_itself_alone_and_is_named(
    fake: FakeStac, tmp_path: Path, spoil: Callable[[dict], None]
) -> None:
    spoil(fake.items[0])
    found = fetch(stac_config(tmp_path, fake))
    assert isinstance(found, Composite) and len(found.scene_ids) == len(fake.items) - 1
    (skipped,) = found.skipped
    assert skipped.startswith(fake.items[0]["id"])


def test_an_item_without_an_instant_belongs_to_its_start_or_is_named_by_its_day() -> None:
    scene, day = "LC08_L2SP_057019_20140705_02_T1", "2014-07-05T20:00:00Z"
    started = item_of("s", None, start_datetime=day, end_datetime=day)
    chosen, faults = pick_items((item_of(scene, None), started), JULY, Ingest(source="stac"))
    assert [found.name for found in chosen] == ["s"]
    assert faults[scene].startswith("no usable item: ")


def test_an_item_without_any_time_is_said_and_left_out(
    fake: FakeStac, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = json.loads(json.dumps(fake.items[0])) | {"id": "lost"}
    lost["properties"]["datetime"] = None
    features = [*fake.items, lost]
    fake.search = lambda _: {"type": "FeatureCollection", "features": features, "links": []}
    found = fetch(stac_config(tmp_path, fake))
    assert len(found.scene_ids) == len(fake.items)
    assert "left out without a time: lost" in capsys.readouterr().out


@pytest.mark.parametrize("pixel_m", [30, 60, 120, 240])
@pytest.mark.parametrize("zone", ["EPSG:32645", "EPSG:32644"])
@pytest.mark.parametrize("kind", CLOUDS)
def test_no_pixel_of_a_catalogue_mixes_cloud_or_fill(
    fake: FakeStac, tmp_path: Path, kind: str, zone: str, pixel_m: int
) -> None:
    own, name = make_scene(kind, zone), "LC08_L2SP_140041_20140705_20200909_02_T1"
    files = write_own(tmp_path / "own", own, name, ("SR_B3",))
    fake.items.clear()
    when = datetime(2014, 7, 5, 4, tzinfo=UTC)
    fake.add(Scene(name, when, {}, np.zeros((1, 1), np.uint16), 50.0), files)
    grid = grid_over(pixel_m)
    source = StacSource(stac_config(tmp_path, fake))
    source.grid = lambda _: grid
    found = source.fetch_month(Region(name="own"), JULY)
    assert isinstance(found, Composite)
    assert share_off(found.bands["SR_B3"], own, grid, most=2e-5) == 0


@pytest.mark.parametrize(
    "href", ["s3://usgs-landsat/x.TIF", "/vsicurl/http://a/b.TIF", "file:///x"]
)
def test_addresses_that_are_not_on_the_web_are_refused(
    fake: FakeStac, tmp_path: Path, href: str
) -> None:
    for item in fake.items:
        item["assets"]["red"]["href"] = href
    with pytest.raises(ConfigError, match=r"its pixels lie at .*not on the web"):
        fetch(stac_config(tmp_path, fake))


def across_the_line(folder: Path, fake: FakeStac) -> Region:
    """A scene over 180 degrees, one on either side of it, and the region that crosses it."""
    fake.items.clear()
    band = np.full((60, 60), 9000, np.uint16)
    for row, left in ((17, 612_015.0), (18, 620_015.0), (19, 628_015.0)):
        name = f"LC08_L2SP_0880{row}_20140705_20200912_02_T1"
        grid = Grid("EPSG:32660", left, 7_480_015.0, 150.0, 60, 60)
        qa = np.full(band.shape, 21824, np.uint16)
        when = datetime(2014, 7, 5, 4, tzinfo=UTC)
        scene = Scene(name, when, {"SR_B3": band, "QA_PIXEL": qa}, qa, 50.0)
        files = {}
        for layer, pixels in scene.bands.items():
            files[layer] = folder / f"{name}_{layer}.TIF"
            files[layer].write_bytes(encode_cog({layer: pixels}, grid, {}))
        item = fake.add(scene, files)
        item["id"] = name_scene(name)
    corners = ((179.7, 67.38), (-179.7, 67.38), (-179.7, 67.42), (179.7, 67.42))
    return Region(name="line", polygon=corners, pixel_m=150)


def test_a_region_across_180_degrees_is_searched_on_both_sides_of_it(
    fake: FakeStac, tmp_path: Path
) -> None:
    region = across_the_line(tmp_path, fake)
    source = StacSource(stac_config(tmp_path, fake))
    boxes = split_frame(frame_degrees(source.grid(region)))
    assert [box[0] < box[2] for box in boxes] == [True, True]
    assert (boxes[0][2], boxes[1][0]) == (180.0, -180.0)
    found = source.search(region)["features"]
    assert [item["id"] for item in found] == [item["id"] for item in fake.items]
    assert split_frame([8.0, 46.0, 8.2, 46.1]) == [[8.0, 46.0, 8.2, 46.1]]


def test_what_lets_somebody_in_stands_in_no_identity_and_no_message(
    fake: FakeStac, tmp_path: Path
) -> None:
    """A token changes every hour, and the archive with it would be made again."""
    plain = StacSource(stac_config(tmp_path, fake))
    url = fake.url.replace("http://", "http://me:word@") + "?token=secret"
    source = StacSource(stac_config(tmp_path, fake, stac={"url": url}))
    (region,) = stac_config(tmp_path, fake).regions
    assert source.identity(region) == plain.identity(region)
    assert source.address(region) == plain.address(region)
    fake.search_faults.extend([404] * 9)
    with pytest.raises(SourceError, match="cannot be searched") as caught:
        source.search(region)
    assert str(caught.value).startswith(f"the catalogue {fake.url} ")


def item_of(name: str, when: str | None, **properties: Any) -> ListedScene:
    return list_item(keep_item({
        "type": "Feature", "stac_version": "1.0.0", "id": name, "geometry": None, "links": [],
        "assets": {}, "properties": {"datetime": when, "platform": "landsat-8"} | properties,
    }))  # fmt: skip


def pick(items: tuple[ListedScene, ...], **settings: Any) -> list[str]:
    """Names of the items of July that are read."""
    return [scene.name for scene in pick_items(items, JULY, Ingest(source="stac", **settings))[0]]


def test_a_month_is_half_open_in_utc() -> None:
    times = ("2014-06-30T23:59:59Z", "2014-07-01T00:00:00Z", "2014-07-31T23:59:59.9Z",
             "2014-08-01T00:00:00Z")  # fmt: skip
    items = tuple(item_of(f"s{k}", when) for k, when in enumerate(times))
    assert pick(items) == ["s1", "s2"]


def test_platform_tier_and_version_are_chosen_here() -> None:
    def make(name: str, **properties: Any) -> ListedScene:
        return item_of(name, "2014-07-05T20:00:00Z", **properties)

    scene = "LC08_L2SP_057019_20140705"
    items = (
        make(f"{scene}_20200912_02_T1", **{"landsat:collection_category": "T1"}),
        make(f"{scene}_20210101_02_T1", **{"landsat:collection_category": "T1"}),
        make("nine", platform="landsat-9"),
        make("usgs", platform="LANDSAT_8"),
        make("two", **{"landsat:collection_category": "T2"}),
    )
    assert pick(items) == [f"{scene}_02_T1", "usgs"]
    assert len(pick(items, platforms=(8, 9), tiers=("T1", "T2"))) == 4


WRS = {"landsat:wrs_path": "057", "landsat:wrs_row": "019"}


def test_an_item_of_any_name_is_told_from_others_by_its_path_and_row() -> None:
    early, late = "2014-07-05T20:00:00Z", "2014-07-05T20:00:24Z"
    tier_2 = {"landsat:collection_category": "T2"}
    items = (
        item_of("a", early, **WRS, created="2020-09-12T00:00:00Z"),
        item_of("b", early, **WRS, created="2021-01-01T00:00:00Z"),
        item_of("c", early, **WRS, **tier_2, created="2022-01-01T00:00:00Z"),
        item_of("LC08_L2SP_057019_20140705_02_T1", early, created="2019-01-01T00:00:00Z"),
        item_of("d", late, **WRS | {"landsat:wrs_row": "020"}),
        item_of("e", early),
    )
    chosen = pick(items, tiers=("T1", "T2"))
    assert chosen == [f"LC08_L2SP_0570{row}_20140705_02_T1" for row in (19, 20)] + ["e"]
    assert items[1].product.made > items[0].product.made
    rows = [(item.product, item.files.acquired, item.files.name) for item in items[1:5:3]]
    assert group_passes(rows) == [chosen[:2]]  # one look at the ground


@pytest.mark.parametrize("wrong", [{"landsat:wrs_path": "x"}, {"landsat:wrs_row": None}])
def test_a_path_that_is_none_makes_an_item_a_scene_of_its_own(wrong: dict) -> None:
    item = item_of("a", "2014-07-05T20:00:00Z", **WRS | wrong)
    assert item.product is None and item.files.name == "a"


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


def test_a_damaged_search_is_said_and_made_again(
    fake: FakeStac, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, search = stac_config(tmp_path, fake), StacSource.search
    open_source(config).survey(config.regions[0])
    whole, asked = kept_search(config).read_bytes(), fake.asked["search"]
    kept_search(config).write_bytes(whole[:-9])

    def search_beside_another_run(source: StacSource, region: Region) -> dict[str, Any]:
        assert kept_search(config).exists()  # which may have made it anew meanwhile
        return search(source, region)

    monkeypatch.setattr(StacSource, "search", search_beside_another_run)
    open_source(config).survey(config.regions[0])
    assert "is damaged" in capsys.readouterr().out
    assert kept_search(config).read_bytes() == whole and fake.asked["search"] == 2 * asked


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


# Other products than Landsat's own.


def list_sentinel(fake: FakeStac, place: Path, config: Config) -> np.ndarray:
    """Put one scene of Sentinel-2 into a catalogue; returns its reflectance, (6, H, W) of 20 m."""
    region = open_source(config).grid(config.regions[0])
    side = round(region.pixel_m / 20)
    own = Grid(
        region.crs, region.left_m, region.top_m, 20, region.height * side, region.width * side
    )
    ground = np.rint(np.random.default_rng(1).uniform(0, 1, (6, *own.shape)) * 1e4) / 1e4
    names = ("blue", "green", "red", "nir08", "swir16", "swir22")
    quality = np.full(own.shape, 11, np.uint8)
    quality[: 2 * side] = 9  # two rows of the region under cloud
    files = write_tile(place, dict(zip(names, ground, strict=True)), quality, own, -0.1)
    fake.files = {f"/s2/{path.name}": path for path in files.values()}
    fake.items = [
        {
            "type": "Feature", "stac_version": "1.0.0", "links": [],
            "id": "S2A_T08VNM_20140718T200000_L2A", "collection": "sentinel-2-c1-l2a",
            "bbox": [-135, 58, -134, 59],
            "geometry": {"type": "Point", "coordinates": [-134.5, 58.5]},
            "properties": {
                "datetime": "2014-07-18T20:00:00Z", "platform": "sentinel-2a",
                "s2:processing_baseline": "05.00", "view:sun_elevation": 48.0,
            },
            "assets": {
                name: {
                    "href": f"{fake.url}/s2/{path.name}",
                    "raster:bands": [{"scale": 0.0001, "offset": -0.1}],
                }
                for name, path in files.items()
            },
        }
    ]  # fmt: skip
    return ground


def test_a_month_of_sentinel_2_has_the_reflectance_of_its_scene_and_names_the_satellite(
    fake: FakeStac, tmp_path: Path
) -> None:
    stac_settings = {"url": fake.url, "collection": "sentinel-2-c1-l2a"}
    config = stac_config(tmp_path, fake, stac=stac_settings)
    ground = list_sentinel(fake, tmp_path / "s2", config)
    (target,) = [t for t in list_months(config, open_source(config)) if t.month == JULY]
    record = ingest_month(config, target)
    assert (record.status, record.platforms) == ("ok", ("sentinel-2a",))
    assert record.sun_elevation_deg == 48
    found = fetch(config)
    assert isinstance(found, Composite)
    side = ground.shape[1] // found.n_obs.shape[0]
    height, width = found.n_obs.shape
    mean = ground.reshape(6, height, side, width, side).mean(axis=(2, 4))
    for k, numbers in enumerate(found.bands.values()):
        assert not numbers[:2].any()
        np.testing.assert_allclose(reflectance(numbers[2:]), mean[k][2:], atol=2.8e-5)


def test_searches_of_two_collections_are_kept_apart(fake: FakeStac, tmp_path: Path) -> None:
    config = stac_config(tmp_path, fake)
    other = stac_config(tmp_path, fake, stac={"url": fake.url, "collection": "sentinel-2-l2a"})
    region = config.regions[0]
    assert open_source(config).address(region) != open_source(other).address(region)
    assert open_source(config).identity(region) != open_source(other).identity(region)
