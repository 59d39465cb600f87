"""Items of maps: valid, and what pystac reads in them."""

import json
from pathlib import Path
from typing import Any

import pystac
import pytest
import shapely

from glacier import seals, store
from glacier.geo.frames import find_corners
from glacier.geo.raster import Grid
from glacier.mapping.maps import MapRecord, map_address
from glacier.mapping.stac_items import (
    MapSources,
    catalog_address,
    encode_map_item,
    is_catalogued,
    write_catalog,
)
from glacier.training.stac_model import name_model
from tests.support.stac import check_core, check_extensions

GRID = Grid("EPSG:32608", 525_000, 6_480_000, 30, 400, 300)
OVER_THE_LINE = Grid("EPSG:32601", 300_000, 5_700_000, 30, 4000, 8000)
OWN_CRS = Grid(
    'PROJCS["own",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",-140],'
    'PARAMETER["scale_factor",1],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],'
    'UNIT["metre",1]]',
    525_000, 6_480_000, 30, 400, 300,
)  # fmt: skip
SCENES = ("LC08_L2SP_058019_20140722_20200911_02_T1", "LC08_L2SP_058019_20140706_20200911_02_T1",
          "LE07_058019_20140714")  # fmt: skip
EVIL = ('"><script>alert(1)</script>', "../../../etc/passwd", 'a"b\\c\n\u2028', "LC08_\U0001f600")
FOLDER = "s3://bucket/data/maps/demo-1a2b3c4d/mendenhall"
SOURCES = MapSources(
    "s3://bucket/data/models/demo-9f8e7d6c",
    "s3://bucket/data/archive/mendenhall-0a1b2c3d/2014-07.tif",
)


def make_record(**changes: Any) -> MapRecord:
    values = {
        "region": "mendenhall", "name": "2014-07", "month": "2014-07", "status": "ok",
        "scene_ids": SCENES, "grid": GRID, "probability": 0.25,
        "models": [
            {"encoder": "resnet18", "fold": fold, "sha256": "ab" * 32, "threshold": 0.5}
            for fold in range(2)
        ],
    }  # fmt: skip
    record = MapRecord(**(values | changes))
    ends = {".probability.tif": "0" * 64, ".class.tif": "1" * 64}
    files = {record.name + end: sha256 for end, sha256 in ends.items()}
    return record.model_copy(update={"files": files})


def make_item(**changes: Any) -> dict[str, Any]:
    record = make_record(**changes)
    sizes = {name: 1000 + k for k, name in enumerate(record.files)}
    data = encode_map_item(record, FOLDER, SOURCES, sizes)
    assert data == encode_map_item(record, FOLDER, SOURCES, sizes)
    plain = json.loads(data)
    assert {"seal": plain["seal"], **json.loads(seals.break_seal("x", data))} == plain
    return plain


CASES = {
    "month": {},
    "one scene": {"scene_ids": SCENES[:1]},
    "no date": {"region": "files", "name": "own", "month": None, "scene_ids": ()},
    "over the date line": {"grid": OVER_THE_LINE},
    "own CRS": {"grid": OWN_CRS},
    "hostile names": {"scene_ids": EVIL, "name": "a+b..c_-1", "region": "r_-"},
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_every_item_is_valid_and_comes_back_from_pystac(case: dict[str, Any]) -> None:
    plain = make_item(**case)
    check_core(plain)
    item = pystac.Item.from_dict(plain, migrate=False)
    back = item.to_dict(include_self_link=False, transform_hrefs=False)
    assert back == plain | {"seal": back.get("seal", plain["seal"])}
    ground = shapely.geometry.shape(plain["geometry"])
    for lon, lat in find_corners(make_record(**case).grid):
        corner = shapely.Point((lon + 180) % 360 - 180, lat)
        assert ground.distance(corner) < 1e-6
    assert not any(link["href"].startswith(("/", "s3:", "file:")) for link in plain["links"])


def test_every_item_is_valid_by_the_schemas_of_its_extensions(
    case: dict[str, Any], stac_schemas: Path
) -> None:
    check_extensions(make_item(**case), stac_schemas)


def test_a_reader_finds_the_grid_the_numbers_and_the_files() -> None:
    item = pystac.Item.from_dict(make_item())
    assert item.id == "mendenhall-2014-07"
    assert item.ext.proj.code == "EPSG:32608"
    assert item.ext.proj.shape == [400, 300]
    assert item.ext.proj.transform == [30, 0, 525_000, 0, -30, 6_480_000]
    assert item.ext.proj.bbox == [525_000, 6_468_000, 534_000, 6_480_000]
    probability, classes = item.assets["probability"], item.assets["class"]
    assert probability.media_type == classes.media_type == pystac.MediaType.COG
    assert probability.ext.file.size == 1000
    assert probability.ext.file.checksum == "1220" + "0" * 64
    told = probability.extra_fields
    assert told["nodata"] == 255 and 254 * told["raster:scale"] + told["raster:offset"] == 1
    found = [(c.value, c.name, c.nodata) for c in classes.ext.classification.classes]
    assert found == [(0, "ground", None), (1, "glacier", None), (255, "unseen", True)]
    assert item.properties["processing:level"] == "L4"


def test_times_are_those_of_the_scenes() -> None:
    times = make_item()["properties"]
    assert times["datetime"] == "2014-07-14T00:00:00Z"
    assert times["start_datetime"] == "2014-07-06T00:00:00Z"
    assert times["end_datetime"] == "2014-07-22T23:59:59Z"
    unknown = make_item(**CASES["no date"])["properties"]
    assert unknown["datetime"] is None and unknown["start_datetime"] == "1972-07-23T00:00:00Z"
    assert "not known" in unknown["processing:lineage"]


def test_links_lead_to_the_models_and_to_where_the_scenes_are_named() -> None:
    links = [link for link in make_item()["links"] if link["rel"] == "derived_from"]
    up = "../../.."
    models, scenes = links[:2], links[2:]
    assert [link["title"] for link in models] == [name_model("resnet18", fold) for fold in (0, 1)]
    assert [link["href"] for link in models] == [
        f"{up}/models/demo-9f8e7d6c/resnet18/fold-{fold}/model.item.json" for fold in (0, 1)
    ]
    assert tuple(link["title"] for link in scenes) == SCENES
    assert [link["href"] for link in scenes] == [
        f"{up}/archive/mendenhall-0a1b2c3d/2014-07.json#/scene_ids/{k}" for k in range(3)
    ]


def test_hostile_names_of_scenes_stay_titles() -> None:
    plain = make_item(scene_ids=EVIL)
    scenes = [link for link in plain["links"] if "scene_ids" in link["href"]]
    assert tuple(link["title"] for link in scenes) == EVIL
    said = json.dumps({**plain, "links": [link["href"] for link in plain["links"]]})
    assert not any(bad in said for bad in ("<script", "passwd", "\\u2028"))


def test_a_catalogue_names_the_maps_that_are_whole(tmp_path: Path) -> None:
    folder = str(tmp_path / "maps/demo-1a2b3c4d")
    assert not is_catalogued(folder)
    write_catalog(folder)
    assert is_catalogued(folder)
    for region, name in (("b", "2014-08"), ("a", "2014-07"), ("a", "own.item")):
        record = make_record(region=region, name=name)
        place = f"{folder}/{region}"
        item = encode_map_item(record, place, SOURCES, dict.fromkeys(record.files, 1))
        store.write_bytes(f"{place}/{name}.item.json", item)
        if name != "own.item":  # as if its run had been killed before the record
            seals.write_model(map_address(folder, region, name), record)
    assert not is_catalogued(folder)
    write_catalog(folder)
    assert is_catalogued(folder)
    plain = json.loads(Path(catalog_address(folder)).read_bytes())
    check_core(plain)
    catalog = pystac.Catalog.from_file(catalog_address(folder))
    assert [item.id for item in catalog.get_items()] == ["a-2014-07", "b-2014-08"]
