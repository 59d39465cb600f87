"""Items of models: valid, and what pystac's reader of the MLM extension finds in them."""

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from glacier import seals
from glacier.training.stac_model import encode_model_item, name_model
from tests.support.model_cards import make_card
from tests.support.stac import check_core, check_extensions

DATA = {"regions": ["ridge", "col"], "first": "2014-05", "last": "2016-09", "images": 21}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "with places": {"data": DATA | {"bounds": [(-135, 58, -134, 59), (179, 51, -179, 52)]}},
    "resized": {"resize": (224, 224)},
    "index": {"bands": ("green", "swir1", "ndsi")},
    "own maximum": {"image": {"bands": ("nir", "red", "green"), "scale": "own_maximum",
                              "range": (0, 1)}},
    "pretrained": {"training": {"encoder_weights": "imagenet"}},
    "other encoder": {"encoder": "tu-x+y.z_0"},
    "hostile weights": {"training": {"encoder_weights": '<b>"$(rm)'}},
}  # fmt: skip


def make_item(**changes: Any) -> dict[str, Any]:
    data = encode_model_item(make_card(sha256="5a" * 32, **changes), 97_000_000)
    assert seals.break_seal("x", data)
    return json.loads(data)


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def test_every_item_is_valid_and_comes_back_from_pystac(case: dict[str, Any]) -> None:
    plain = make_item(**case)
    check_core(plain)
    back = pystac.Item.from_dict(plain, migrate=False)
    assert (
        back.to_dict(include_self_link=False, transform_hrefs=False).items()
        >= {
            key: plain[key] for key in ("id", "properties", "assets", "geometry", "stac_extensions")
        }.items()
    )


def test_every_item_is_valid_by_the_schemas_of_its_extensions(
    case: dict[str, Any], stac_schemas: Path
) -> None:
    check_extensions(make_item(**case), stac_schemas)


def test_a_reader_finds_what_is_needed_to_apply_it() -> None:
    card = make_card(sha256="5a" * 32)
    item = pystac.Item.from_dict(make_item())
    mlm = item.ext.mlm
    assert (mlm.mlm_name, mlm.architecture) == (name_model("resnet34", 2), "U-Net")
    assert (mlm.tasks, mlm.total_parameters) == (["semantic-segmentation"], 24_400_000)
    assert not mlm.pretrained and mlm.pretrained_source is None
    (seen,), (given,) = mlm.input, mlm.output
    assert seen.bands == list(card.bands)
    assert seen.input.shape == [-1, 3, 128, 128] and given.result.shape == [-1, 1, 128, 128]
    scales = item.properties["mlm:input"][0]["value_scaling"]  # pystac takes it for a single one
    pairs = [(scale["mean"], scale["stddev"]) for scale in scales]
    assert pairs == list(zip(card.inference.mean, card.inference.std, strict=True))
    settings = mlm.hyperparameters.to_dict()
    assert (settings["threshold"], settings["temperature"]) == (0.43, 1.25)
    assert settings["stride_px"] == 64 and settings["fill"] == [0.3] * 3
    weights = item.assets["model"]
    assert weights.ext.file.checksum == "1220" + "5a" * 32 and weights.ext.file.size == 97_000_000
    assert "mlm:model" in (weights.roles or ())


def test_time_and_place_are_those_of_the_images() -> None:
    plain = make_item(**CASES["with places"])
    times = plain["properties"]
    assert times["datetime"] is None
    assert times["start_datetime"] == "2014-05-01T00:00:00Z"
    assert times["end_datetime"] == "2016-09-30T23:59:59Z"
    assert plain["bbox"] == [-180, 51, 180, 59] and plain["geometry"]["type"] == "MultiPolygon"
    assert make_item()["geometry"] is None
