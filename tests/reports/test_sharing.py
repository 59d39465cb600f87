import json

import pytest

from glacier.config import Config
from glacier.reports.sharing import (
    share_changes,
    share_config,
    share_part,
    share_text,
    shorten_address,
)
from glacier.settings.labels import Label
from glacier.settings.model import STORED

SECRETS = (
    "icy-project",
    "robot@icy.example",
    "key-of-robot",
    "private-bucket",
    "alice",
    "10.0.0.7",
    "token",
    "internal.example",
)


def make_config(**changes):
    values = {
        "name": "run",
        "storage": "s3://private-bucket/alice/data",
        "results": "/home/alice/results",
        "regions": [{"name": "ridge", "polygon": [[8, 46], [8.1, 46], [8.1, 46.1]]}],
        "ingest": {
            "source": "earthengine",
            "earthengine": {
                "project": "icy-project",
                "service_account": "robot@icy.example",
                "key_file": "/home/alice/key-of-robot.json",
                "url": "https://internal.example/ee?token=1",
            },
            "folder": {"path": "/home/alice/scenes"},
            "stac": {"url": "https://internal.example/stac?token=1"},
        },
        "prepare": {
            "label": {"kind": "outlines", "outlines": "gs://private-bucket/alice/rgi.gpkg"}
        },
        "sweep": {"encoder_weights": "/home/alice/weights/net.pt"},
        "cluster": {"address": "ray://10.0.0.7:10001"},
    }
    return Config.model_validate(values | changes, context=STORED)


def test_a_shared_configuration_names_no_account_and_no_place():
    shared = share_config(make_config())
    text = json.dumps(shared)
    assert [secret for secret in SECRETS if secret in text] == []
    assert shared["prepare"]["label"]["outlines"] == "…/rgi.gpkg"
    assert shared["sweep"]["encoder_weights"] == "…/net.pt"
    assert shared["ingest"]["folder"]["path"] == "…/scenes"
    assert shared["name"] == "run" and shared["sweep"]["epochs"]


def test_what_everybody_has_stays():
    config = make_config(ingest={"source": "stac"})
    assert share_config(config)["ingest"]["stac"]["url"].startswith("https://planetarycomputer")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/home/alice/data/rgi.gpkg", "…/rgi.gpkg"),
        ("~/data/rgi.gpkg", "…/rgi.gpkg"),
        ("~alice/rgi.gpkg", "…"),
        (r"C:\Users\alice\rgi.gpkg", "…/rgi.gpkg"),
        ("https://alice:token@internal.example/a/rgi.gpkg?token=1", "…/rgi.gpkg"),
        ("https://internal.example", "…"),
        ("/alice", "…"),
        ("$GLACIER_REAL_DATA/everest", "$GLACIER_REAL_DATA/everest"),
        ("./data/rgi.gpkg", "./data/rgi.gpkg"),
        ("imagenet", "imagenet"),
    ],
)
def test_a_rooted_address_is_shown_by_its_last_part(address, shown):
    assert shorten_address(address) == shown


def test_a_message_gives_nobody_away():
    reason = (
        "RasterError: '/home/alice/my scenes/a.tif' is cut; see s3://private-bucket/x/b.tif, "
        "project icy-project of robot@icy.example (3/5 red/SWIR, 5 km²/a)"
    )
    shown = share_text(reason, make_config())
    assert [secret for secret in SECRETS if secret in shown] == []
    assert "…/a.tif is cut; see …/b.tif, project (hidden)" in shown
    assert "(3/5 red/SWIR, 5 km²/a)" in shown


def test_what_a_variant_changes_gives_nobody_away():
    config = make_config()
    shared = share_changes(
        {
            "ingest.earthengine.project": "icy-project",
            "ingest.earthengine": {"service_account": "robot@icy.example", "in_flight": 4},
            "ingest.stac.url": type(config.ingest.stac).model_fields["url"].default,
            "ingest.folder.path": "/home/alice/scenes",
            "prepare.label": {"kind": "outlines", "outlines": "gs://private-bucket/rgi.gpkg"},
            "regions": [{"file": "/home/alice/rgi.gpkg", "ids": [7]}],
            "storage": "s3://private-bucket/data",
            "sweep.epochs": 3,
        },
        config,
    )
    text = json.dumps(shared, ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in text] == []
    assert shared["ingest.earthengine"] == {"service_account": "(hidden)", "in_flight": 4}
    assert shared["ingest.stac.url"].startswith("https://planetarycomputer")  # everybody's
    assert shared["ingest.folder.path"] == "…/scenes"
    assert shared["prepare.label"] == {"kind": "outlines", "outlines": "…/rgi.gpkg"}
    assert shared["regions"] == [{"file": "…/rgi.gpkg", "ids": [7]}]
    assert (shared["storage"], shared["sweep.epochs"]) == ("(hidden)", 3)


def test_a_part_keeps_all_but_its_addresses():
    label = Label(kind="outlines", outlines="/home/alice/rgi.gpkg", margin_m=30)
    assert share_part(label).outlines == "…/rgi.gpkg"
    assert share_part(label).margin_m == 30
