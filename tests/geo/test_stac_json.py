"""Ways from one file to another, and what an item and a catalogue hold."""

import json
from datetime import date

from glacier import seals
from glacier.geo.footprints import Footprint, cover_bounds
from glacier.geo.stac_json import Asset, Item, Link, Period, encode_catalog, encode_item, lead


def make_item(footprint: Footprint | None, nominal: date | None = None) -> dict[str, object]:
    period = Period(date(2014, 7, 6), date(2014, 7, 22), nominal)
    asset = Asset("./a.tif", "A", "image/tiff", ("data",), {"file:size": 3})
    link = Link("derived_from", "../b.json")
    item = Item("a", footprint, period, ("file/v2.1.0",), {"gsd": 30}, {"a": asset}, [link])
    plain = json.loads(seals.break_seal("a", encode_item(item)))
    assert isinstance(plain, dict)
    return plain


def test_a_way_leads_from_a_folder_within_a_store() -> None:
    assert lead("s3://bucket/x/maps/m/r", "s3://bucket/x/models/n/model.json") == (
        "../../../models/n/model.json"
    )
    assert lead("/data/maps/r", "/data/maps/r/a.tif") == "./a.tif"
    assert lead("/data/maps/r", "/data/maps/r/b/a.tif") == "./b/a.tif"


def test_an_item_holds_what_it_was_made_of() -> None:
    assert make_item(cover_bounds([(6.0, 45.0, 8.0, 46.0)]), date(2014, 7, 14)) == {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/file/v2.1.0/schema.json"],
        "id": "a",
        "bbox": [6, 45, 8, 46],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[8, 45], [8, 46], [6, 46], [6, 45], [8, 45]]],
        },
        "properties": {
            "datetime": "2014-07-14T00:00:00Z",
            "start_datetime": "2014-07-06T00:00:00Z",
            "end_datetime": "2014-07-22T23:59:59Z",
            "gsd": 30,
        },
        "assets": {
            "a": {"href": "./a.tif", "title": "A", "type": "image/tiff", "roles": ["data"],
                  "file:size": 3},
        },
        "links": [{"rel": "derived_from", "href": "../b.json", "type": "application/geo+json"}],
    }  # fmt: skip


def test_without_a_place_there_is_no_box_and_without_a_day_no_day() -> None:
    plain = make_item(None)
    assert plain["geometry"] is None and "bbox" not in plain
    assert plain["properties"]["datetime"] is None  # type: ignore[index]


def test_a_catalogue_is_its_own_root() -> None:
    data = encode_catalog("maps", "Maps", [Link("item", "./r/a.item.json", "r/a")])
    assert [link["rel"] for link in json.loads(data)["links"]] == ["root", "item"]
