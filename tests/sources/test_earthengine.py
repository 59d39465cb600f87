"""Earth Engine through the unmodified client: what is asked, what comes back, what goes wrong."""

import dataclasses
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest

from glacier.composite import Composite, Empty, Scene
from glacier.config import Config, config_digest
from glacier.errors import ConfigError, SourceError
from glacier.geo.raster import Grid
from glacier.landsat import QA_MASK
from glacier.settings.earthengine import EarthEngine
from glacier.settings.ingest import Ingest
from glacier.sources import earthengine, ee_session
from glacier.sources.earthengine import EarthEngineSource, SceneRow
from glacier.sources.factory import open_source
from glacier.sources.passes import choose_versions, group_passes
from glacier.sources.scene_files import ASSET_OF_BAND
from glacier.sources.scenes import SceneFiles, compose_scenes, load_scene
from tests.support.earthengine_graphs import Evaluator
from tests.support.fake_earthengine import (
    BROKEN,
    DENIED,
    DROPPED,
    REFUSED,
    SHIPPED,
    TRUNCATED,
    WRONG_SIZE,
    FakeEarthEngine,
    Fault,
    ScenesOf,
    calls,
    constants,
    date_range,
    images_asked,
    month_asked,
    nodes,
    serve,
    synthetic_scenes,
    write_key,
)
from tests.support.scene_grids import (
    CLOUDS,
    SIDE_PX,
    OwnScene,
    grid_over,
    make_scene,
    share_off,
)
from tests.support.tiny import tiny_config
from tests.support.user_files import write_image

JULY, AUGUST, DECEMBER = (date(2014, month, 1) for month in (7, 8, 12))


@pytest.fixture(scope="module")
def scenes_of(tmp_path_factory: pytest.TempPathFactory) -> ScenesOf:
    """The tiny region's scenes, remembered from test to test."""
    return synthetic_scenes(tiny_config(tmp_path_factory.mktemp("scenes")))


@pytest.fixture
def fake(scenes_of: ScenesOf, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEarthEngine]:
    """A server, and a process that is not connected yet."""
    monkeypatch.setattr(ee_session, "_connection", None)
    with serve(FakeEarthEngine(scenes_of)) as fake:
        yield fake


@pytest.fixture
def config(fake: FakeEarthEngine, tmp_path: Path) -> Config:
    return with_account(tmp_path, fake)


def with_account(folder: Path, fake: FakeEarthEngine, **ingest: Any) -> Config:
    key = str(write_key(folder, fake))
    settings = {"project": "fake-project", "url": fake.url, "key_file": key, "backoff_s": 0.01}
    return tiny_config(
        folder,
        ingest={"source": "earthengine", "earthengine": settings, **ingest},
        prepare={"label": {"kind": "ndsi"}},
    )


def change(config: Config, **settings: Any) -> EarthEngineSource:
    """The source of a configuration with other settings of the account."""
    values = config.ingest.earthengine.model_dump() | settings
    ingest = config.ingest.model_copy(update={"earthengine": EarthEngine.model_validate(values)})
    return EarthEngineSource(ingest)


def fetch(config: Config, month: date = JULY, **settings: Any) -> Composite | Empty:
    return change(config, **settings).fetch_month(config.regions[0], month)


@lru_cache
def fetch_local(month: date = JULY, profile: str = "ice") -> Composite | Empty:
    """What the synthetic source makes of the same scenes; nothing is written."""
    config = tiny_config(Path("unused"), ingest={"cloud_profile": profile})
    return open_source(config).fetch_month(config.regions[0], month)


def assert_same(found: Composite | Empty, expected: Composite | Empty) -> None:
    assert isinstance(found, Composite) and isinstance(expected, Composite)
    assert list(found.bands) == list(expected.bands)
    for name, band in expected.bands.items():
        np.testing.assert_array_equal(found.bands[name], band)
    np.testing.assert_array_equal(found.n_obs, expected.n_obs)


# The product.


@pytest.mark.parametrize("month", [JULY, date(2014, 10, 1)])
def test_a_month_is_the_local_composite_pixel_by_pixel(config: Config, month: date) -> None:
    found, expected = fetch(config, month), fetch_local(month)
    assert_same(found, expected)
    assert found.scene_ids == expected.scene_ids  # oldest first, whatever order they came in
    assert found.sun_elevation_deg == pytest.approx(expected.sun_elevation_deg)
    assert found.repeats == 0
    assert {band.dtype for band in (*found.bands.values(), found.n_obs)} == {np.dtype(np.uint16)}


def test_a_month_takes_two_requests(config: Config, fake: FakeEarthEngine) -> None:
    fetch(config)
    assert [asked.path.rpartition("/")[2] for asked in fake.asked] == [
        "value:compute",
        "image:computePixels",
    ]


def test_saturated_looks_are_counted_and_not_masked(config: Config, fake: FakeEarthEngine) -> None:
    plain = fake.scenes_of
    rows = np.arange(plain("2014-07-01", "2014-08-01")[0].qa_pixel.shape[0])[:, None]

    def glaring(start: str, end: str) -> list[Scene]:
        """Band 2 is saturated in the upper rows, an unused bit is set in the others."""
        return [
            dataclasses.replace(
                scene,
                qa_radsat=np.broadcast_to(
                    np.where(rows < 40, 2, 1 << 11), scene.qa_pixel.shape
                ).astype(np.uint16),
            )
            for scene in plain(start, end)
        ]

    fake.scenes_of = glaring
    found = fetch(config)
    assert_same(found, fetch_local())
    seen = found.n_obs > 0
    assert found.saturated_share == pytest.approx(seen[:40].sum() / seen.sum())


def test_a_month_without_sun_costs_no_request(config: Config, fake: FakeEarthEngine) -> None:
    result = fetch(config, DECEMBER)
    assert isinstance(result, Empty) and result.reason.startswith("solar_zenith: sun at most 9.")
    assert not fake.asked and not fake.others


def test_a_month_without_a_scene_is_empty_after_one_request(
    config: Config, fake: FakeEarthEngine
) -> None:
    fake.scenes_of = lambda *_: []
    result = fetch(config)
    assert isinstance(result, Empty) and result.reason.startswith("no_scene")
    assert len(fake.asked) == 1


def test_a_month_under_cloud_is_empty(config: Config, fake: FakeEarthEngine) -> None:
    plain = fake.scenes_of

    def cloudy(start: str, end: str) -> list[Scene]:
        scenes = plain(start, end)
        return [dataclasses.replace(s, qa_pixel=np.full_like(s.qa_pixel, 8)) for s in scenes]

    fake.scenes_of = cloudy
    assert fetch(config) == Empty("all_masked")


def test_scenes_without_a_thermal_band_leave_it_out(config: Config, fake: FakeEarthEngine) -> None:
    plain = fake.scenes_of

    def optical(start: str, end: str) -> list[Scene]:
        return [
            dataclasses.replace(s, bands={n: b for n, b in s.bands.items() if n != "ST_B10"})
            for s in plain(start, end)
        ]

    fake.scenes_of = optical
    assert list(fetch(config).bands) == list(earthengine.OPTICAL)


# What is asked: the graphs.


def row_of(name: str, thermal: bool = True, crs: str = "EPSG:32608", **facts: Any) -> SceneRow:
    values = {"acquired_ms": 0, "collection": "LANDSAT/LC08/C02/T1_L2"} | facts
    return SceneRow(scene_id=name, sun_elevation_deg=40.0, has_thermal=thermal, crs=crs, **values)


def graphs(config: Config, fake: FakeEarthEngine, month: date = JULY) -> list[dict[str, Any]]:
    fetch(config, month)
    return [asked.body["expression"] for asked in fake.asked]


@pytest.mark.parametrize(
    "ingest", [{}, {"platforms": [9, 8]}, {"mask_saturated": True, "cloud_profile": "strict"}]
)
def test_every_function_of_the_graphs_exists_with_these_arguments(
    fake: FakeEarthEngine, tmp_path: Path, ingest: dict
) -> None:
    config = with_account(tmp_path, fake, **ingest)
    fetch(config)
    grid = open_source(config).grid(config.regions[0])
    both = Ingest(platforms=(8, 9), tiers=("T1", "T2"), source="earthengine")
    listed = earthengine.list_scenes(earthengine.select_scenes(both, grid, JULY))
    bands = ["SR_B4", "ST_B10"]
    rows = [row_of("LC08_057019_20140705", thermal) for thermal in (True, False)]
    images = [earthengine.place_scene(row, bands, 25, True, grid) for row in rows]
    look = earthengine.merge_rows(images, bands)
    composite = earthengine.composite_looks([look], bands)
    posted = [asked.body["expression"] for asked in fake.asked]
    posted += [json.loads(graph.serialize(for_cloud_api=True)) for graph in (listed, composite)]
    shipped = json.loads((SHIPPED / "algorithms.json").read_text())["algorithms"]
    known = {entry["name"].removeprefix("algorithms/"): entry for entry in shipped}
    for expression in posted:
        assert len(calls(expression)) > 5
        for call in calls(expression):
            arguments = known[call["functionName"]].get("arguments", [])
            names = {entry["argumentName"] for entry in arguments}
            needed = {entry["argumentName"] for entry in arguments if not entry.get("optional")}
            given = set(call.get("arguments", {}))
            assert needed <= given <= names, call["functionName"]


@pytest.mark.parametrize(
    ("month", "dates"),
    [(JULY, ("2014-07-01", "2014-08-01")), (date(2014, 10, 1), ("2014-10-01", "2014-11-01"))],
)
def test_a_month_is_half_open(
    config: Config, fake: FakeEarthEngine, month: date, dates: tuple[str, str]
) -> None:
    listing, pixels = graphs(config, fake, month)
    assert date_range(listing) == month_asked(pixels) == dates


def test_december_ends_with_the_year(config: Config, fake: FakeEarthEngine) -> None:
    fetch(config)  # the client knows its functions from now on
    grid = open_source(config).grid(config.regions[0])
    query = earthengine.list_scenes(earthengine.select_scenes(config.ingest, grid, DECEMBER))
    posted = json.loads(query.serialize(for_cloud_api=True))
    assert date_range(posted) == ("2014-12-01", "2015-01-01")


@pytest.mark.parametrize("profile", list(QA_MASK))
@pytest.mark.parametrize("mask_saturated", [False, True])
def test_the_quality_bits_are_those_of_the_profile(
    fake: FakeEarthEngine,
    tmp_path: Path,
    profile: str,
    mask_saturated: bool,
) -> None:
    config = with_account(tmp_path, fake, cloud_profile=profile, mask_saturated=mask_saturated)
    found = fetch(config)
    if not mask_saturated:
        assert_same(found, fetch_local(profile=profile))
    posted = fake.asked[1].body["expression"]
    # Bits 1..6 of QA_RADSAT are bands 2..7.
    assert set(constants(posted, "Image.bitwiseAnd")) == {QA_MASK[profile], 0b1111110}
    # A saturated observation is counted; to be left out, it must also be no good one.
    count = len(images_asked(posted))
    assert len(calls(posted, "Image.and")) == count * (1 + mask_saturated)


def test_the_grid_is_sent_as_it_is(config: Config, fake: FakeEarthEngine) -> None:
    fetch(config)
    grid = open_source(config).grid(config.regions[0])
    posted = fake.asked[1].body["grid"]
    assert posted["crsCode"] == grid.crs == "EPSG:32608"
    assert posted["dimensions"] == {"width": grid.width, "height": grid.height}
    assert posted["affineTransform"] == {
        "scaleX": 150, "shearX": 0, "translateX": grid.left_m,
        "shearY": 0, "scaleY": -150, "translateY": grid.top_m,
    }  # fmt: skip
    (frame,) = {
        tuple(call["arguments"]["coordinates"]["constantValue"])
        for call in calls(fake.asked[0].body["expression"], "GeometryConstructors.Rectangle")
    }
    right, bottom = grid.left_m + 150 * grid.width, grid.top_m - 150 * grid.height
    assert frame == (grid.left_m, bottom, right, grid.top_m)


@pytest.mark.parametrize(
    ("platforms", "names"),
    [
        ([8], ["LC08"]), ([9], ["LC09"]), ([9, 8, 8], ["LC08", "LC09"]), ([7, 5], ["LT05", "LE07"]),
        ([5, 7, 8], ["LC08"]),  # in 2014 the later generation is at work
    ],
)  # fmt: skip
@pytest.mark.parametrize("tiers", [["T1"], ["T2", "T1"]])
def test_the_collections_are_those_of_the_platforms_and_tiers(
    fake: FakeEarthEngine,
    tmp_path: Path,
    platforms: list[int],
    names: list[str],
    tiers: list[str],
) -> None:
    config = with_account(tmp_path, fake, platforms=platforms, tiers=tiers)
    listing, pixels = graphs(config, fake)
    found = {
        node["constantValue"]
        for node in nodes(listing)
        if str(node.get("constantValue")).startswith("LANDSAT/")
    }
    assert found == {f"LANDSAT/{name}/C02/{tier}_L2" for name in names for tier in tiers}
    assert images_asked(pixels) and all(
        name.startswith(fake.collection) for name in images_asked(pixels)
    )


# What goes wrong.


@pytest.mark.parametrize("fault", [REFUSED, BROKEN, DROPPED, TRUNCATED, WRONG_SIZE])
@pytest.mark.parametrize("request_number", [0, 1])
def test_a_fault_is_survived_and_counted(
    config: Config, fake: FakeEarthEngine, fault: Fault, request_number: int
) -> None:
    source = change(config)
    source.fetch_month(config.regions[0], AUGUST)  # connected
    fake.asked.clear()
    fake.faults.extend([Fault(429, "slow")] * request_number)  # met by the list of scenes
    fake.faults.append(fault)
    found = source.fetch_month(config.regions[0], JULY)
    assert_same(found, fetch_local())
    assert found.repeats == 1 + request_number
    assert len(fake.asked) == 3 + request_number  # the client itself repeats nothing


@pytest.mark.parametrize("fault", [BROKEN, TRUNCATED, WRONG_SIZE])
def test_pixels_that_never_come_right_fail_the_month(
    config: Config, fake: FakeEarthEngine, fault: Fault
) -> None:
    source = change(config, attempts=3)
    source.fetch_month(config.regions[0], AUGUST)
    fake.asked.clear()
    answer = fake.rows

    def rows_then_faults(body: dict[str, Any]) -> bytes:
        fake.faults.extend([fault] * 9)
        return answer(body)

    fake.rows = rows_then_faults
    with pytest.raises(SourceError, match=r"Earth Engine: .*gave up after 3 attempts") as caught:
        source.fetch_month(config.regions[0], JULY)
    assert caught.value.repeats == 2
    assert len(fake.asked) == 4


def test_no_admission_is_not_tried_again(config: Config, fake: FakeEarthEngine) -> None:
    fake.faults.extend([DENIED] * 9)
    with pytest.raises(ConfigError, match=r"permission to use project fake-project.*register"):
        fetch(config)
    assert len(fake.asked) == 1


def test_another_refusal_is_shown_and_not_tried_again(
    config: Config, fake: FakeEarthEngine
) -> None:
    fake.faults.append(Fault(400, "Image.select: Band pattern 'SR_B9' did not match any bands."))
    with pytest.raises(SourceError, match=r"Image\.select: Band pattern 'SR_B9'"):
        fetch(config)
    assert len(fake.asked) == 1


def test_a_quota_per_minute_is_waited_for(config: Config, fake: FakeEarthEngine) -> None:
    fake.faults.append(Fault(403, "Quota exceeded: userRateLimitExceeded"))
    assert fetch(config).repeats == 1


def test_an_answer_that_does_not_come_is_given_up(config: Config, fake: FakeEarthEngine) -> None:
    source = change(config, deadline_s=0.5, attempts=2)
    source.fetch_month(config.regions[0], AUGUST)
    fake.latency_s = 1.0
    with pytest.raises(SourceError, match=r"no answer within 0.5 s; gave up after 2 attempts"):
        source.fetch_month(config.regions[0], JULY)


def test_a_request_that_is_too_large_comes_in_parts(config: Config, fake: FakeEarthEngine) -> None:
    grid = open_source(config).grid(config.regions[0])
    fake.top_m, fake.most_pixels = grid.top_m, grid.width * grid.height // 3
    found = fetch(config)
    assert_same(found, fetch_local())
    heights = [a.body["grid"]["dimensions"]["height"] for a in fake.asked[1:] if a.answered]
    assert len(heights) == 4 and sum(heights) == grid.height


def test_a_request_that_is_known_to_be_too_large_is_not_sent(
    config: Config, fake: FakeEarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = open_source(config).grid(config.regions[0])
    fake.top_m = grid.top_m
    row_bytes = grid.width * 9 * 3  # seven bands and two counts
    monkeypatch.setattr(earthengine, "MAX_REQUEST_BYTES", 50 * row_bytes)
    assert_same(fetch(config), fetch_local())
    heights = [asked.body["grid"]["dimensions"]["height"] for asked in fake.asked[1:]]
    assert heights == [32, 32, 32, 31]


def test_one_row_that_is_too_large_fails_the_month(config: Config, fake: FakeEarthEngine) -> None:
    fake.most_pixels = 0
    with pytest.raises(SourceError, match="Total request size"):
        fetch(config)


def test_requests_in_flight_stay_within_the_limit(config: Config, fake: FakeEarthEngine) -> None:
    source = change(config, in_flight=3)
    source.fetch_month(config.regions[0], JULY)
    fake.latency_s = 0.03
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: source.fetch_month(config.regions[0], JULY), range(20)))
    assert fake.most_in_flight == 3


def test_restricted_mode_leaves_one_request_at_a_time(
    config: Config, fake: FakeEarthEngine
) -> None:
    source = change(config, in_flight=8)
    source.fetch_month(config.regions[0], JULY)
    assert not source.limiter.restricted
    fake.quota_header = "tier=community; parallelism_restricted=true"
    source.fetch_month(config.regions[0], JULY)
    assert source.limiter.restricted
    fake.latency_s, fake.most_in_flight = 0.02, 0
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: source.fetch_month(config.regions[0], JULY), range(6)))
    assert fake.most_in_flight == 1


# Who asks.


def test_a_service_account_asks_with_its_token(config: Config, fake: FakeEarthEngine) -> None:
    fetch(config)
    assert fake.others["/token"] == 1
    for asked in fake.asked:
        assert asked.headers["authorization"] == "Bearer fake-token"
        assert asked.headers["X-Goog-User-Project"] == "fake-project"


def test_the_client_is_set_up_once(config: Config, fake: FakeEarthEngine) -> None:
    region = config.regions[0]
    sources = [change(config) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda source: source.fetch_month(region, JULY), sources))
    algorithms = "/v1/projects/fake-project/algorithms"
    assert fake.others[algorithms] == 1 and fake.others["/$discovery/rest"] == 2


def test_nothing_but_the_endpoint_is_asked(
    config: Config, fake: FakeEarthEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the client fetched its list of old assets")

    monkeypatch.setattr(ee.deprecation, "_FetchDataCatalogStac", refuse)
    assert isinstance(fetch(config), Composite)


def test_a_login_that_fails_says_so(config: Config, fake: FakeEarthEngine) -> None:
    fake.fail_login = True
    with pytest.raises(ConfigError, match="Invalid JWT Signature"):
        fetch(config)


@pytest.mark.parametrize("content", [None, "not json", "{}"])
def test_a_key_that_cannot_be_used_is_named(
    config: Config, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"key_file = .*other.json.*JSON key of a service"):
        fetch(config, key_file=str(path))


def test_without_credentials_it_says_what_to_run(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(ConfigError, match="run `earthengine authenticate`"):
        fetch(config, key_file=None)


def test_a_file_of_credentials_that_is_not_there_is_named(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    with pytest.raises(ConfigError, match=r"GOOGLE_APPLICATION_CREDENTIALS = .*gone\.json"):
        fetch(config, key_file=None)


def test_without_a_project_it_says_so(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {
        "type": "authorized_user", "client_id": "764086051850-x.apps.googleusercontent.com",
        "client_secret": "s", "refresh_token": "r",
    }  # fmt: skip
    path = tmp_path / "login.json"
    path.write_text(json.dumps(login))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    with pytest.raises(ConfigError, match=r"ingest\.earthengine\.project is not set"):
        fetch(config, key_file=None, project=None)


def test_who_asks_and_how_fast_changes_no_archive(config: Config) -> None:
    other = change(config, project="another", in_flight=2, key_file="/elsewhere")
    region = config.regions[0]
    assert open_source(config).identity(region) == other.identity(region)
    changed = config.model_copy(update={"ingest": other.ingest})
    assert config_digest(config) == config_digest(changed)
    nine = config.ingest.model_copy(update={"platforms": (9,)})
    assert EarthEngineSource(nine).identity(region) != other.identity(region)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"url": "http://example.org"}, "url"),
        ({"service_account": "robot@x.iam"}, "needs key_file"),
        ({"in_flight": 41}, "in_flight"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        EarthEngine.model_validate(settings)


# What the graphs make of scenes on pixels of their own.


def evaluate(rows: list[SceneRow], scenes: dict, grid: Grid, saturated: bool = False) -> dict:
    """What the service makes of these scenes, in one pass or several."""
    bands = ["SR_B3", "ST_B10"]
    passes = group_passes((row.product, row.acquired, row) for row in rows)
    looks = [
        earthengine.merge_rows(
            [earthengine.place_scene(r, bands, QA_MASK["ice"], saturated, grid) for r in rows],
            bands,
        )
        for rows in passes
    ]
    graph = earthengine.composite_looks(looks, bands).serialize(for_cloud_api=True)
    return Evaluator(scenes, grid).run(json.loads(graph))


def own_bands(scene: OwnScene) -> dict[str, np.ndarray]:
    glare = np.where(np.arange(SIDE_PX)[:, None] < 48, 2, 0) + np.zeros((SIDE_PX, SIDE_PX), int)
    both = dict.fromkeys(("SR_B3", "ST_B10"), scene.numbers)
    return both | {"QA_PIXEL": scene.qa_pixel, "QA_RADSAT": glare}


@pytest.fixture
def connected(config: Config) -> None:
    fetch(config)  # the client knows its functions from now on


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("pixel_m", [30, 60, 120, 240])
@pytest.mark.parametrize("zone", ["EPSG:32645", "EPSG:32644"])
@pytest.mark.parametrize("kind", CLOUDS)
def test_the_graph_masks_own_pixels_before_it_averages(kind: str, zone: str, pixel_m: int) -> None:
    scene, grid = make_scene(kind, zone), grid_over(pixel_m)
    row = row_of("LC08_140041_20150805", crs=zone)
    found = evaluate([row], {f"{row.collection}/{row.scene_id}": (scene, own_bands(scene))}, grid)
    for band in ("SR_B3", "ST_B10"):
        assert share_off(found[band].astype(np.uint16), scene, grid, most=2e-5) == 0
    np.testing.assert_array_equal(found["n_obs"], found["SR_B3"] > 0)


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("pixel_m", [30, 120])
@pytest.mark.parametrize("mask_saturated", [False, True])
def test_the_graph_makes_the_composite_of_the_same_scenes_as_files(
    tmp_path: Path, pixel_m: int, mask_saturated: bool
) -> None:
    """Two rows of a pass, one without thermal band, and another pass; also what is saturated."""
    names = ("140041_20150805", "140042_20150805", "141041_20150812")
    grid, rows, scenes, loads = grid_over(pixel_m), [], {}, []
    ingest = Ingest(source="earthengine", mask_saturated=mask_saturated)
    for k, name in enumerate(names):
        scene = make_scene("patchy", "EPSG:32645", seed=k)
        when = datetime(2015, 8, int(name[-2:]), 4, k, tzinfo=UTC)
        row = row_of(f"LC08_{name}", k != 1, "EPSG:32645", acquired_ms=when.timestamp() * 1000)
        bands = own_bands(scene)
        if k == 1:
            del bands["ST_B10"]
        rows.append(row)
        scenes[f"{row.collection}/{row.scene_id}"] = scene, bands
        layers = {n: b for n, b in bands.items() if n != "SR_B3"} | {"SR_B3": scene.numbers}
        short = f"LC08_L2SP_{name}_02_T1"
        files = write_layers(tmp_path, scene, short, layers)
        found = SceneFiles(short, files, when.date(), when, 40.0)
        loads.append((short, lambda f=found: load_scene(f, grid, ingest)))
    expected = compose_scenes(loads, ingest)
    found = evaluate(rows, scenes, grid, mask_saturated)
    assert isinstance(expected, Composite) and expected.n_obs.max() == 2
    for band, values in expected.bands.items():
        np.testing.assert_array_equal(found[band], values)
    np.testing.assert_array_equal(found["n_obs"], expected.n_obs)
    seen = expected.n_obs > 0
    share = (found["saturated"][seen] > 0).mean()
    assert share == pytest.approx(expected.saturated_share)
    assert bool(share) is not mask_saturated


def write_layers(folder: Path, scene: OwnScene, name: str, layers: dict) -> dict[str, str]:
    """A scene's own layers as files, by asset."""
    grid = Grid(scene.crs, scene.left_m, scene.top_m, 30.0, SIDE_PX, SIDE_PX)
    files = {}
    for band, pixels in layers.items():
        path = folder / f"{name}_{band}.TIF"
        write_image(path, pixels.astype(np.uint16)[None], grid)
        files[ASSET_OF_BAND[band]] = str(path)
    return files


def test_of_a_scene_in_two_tiers_the_better_is_asked_for() -> None:
    rows = [
        row_of("LC08_140041_20150805", collection=f"LANDSAT/LC08/C02/{tier}_L2")
        for tier in ("T2", "T1")
    ]
    (chosen,) = choose_versions((row.product, row) for row in rows)
    assert chosen.collection.endswith("T1_L2")
