"""Names of encoders without torch."""

import pytest
import segmentation_models_pytorch as smp
import timm

from glacier.errors import ConfigError
from glacier.training import encoders
from glacier.training.encoders import check_encoder, list_encoders, list_timm


def test_the_sources_tell_all_names_that_the_libraries_know() -> None:
    assert list_encoders() == set(smp.encoders.get_encoder_names())
    assert list_timm() == {f"tu-{name}" for name in timm.list_models()}


@pytest.mark.parametrize(
    "name",
    ["resnet34", "efficientnet-b4", "tu-resnet18", "tu-resnet18.a1_in1k", "timm-skresnet18"],
)
def test_known_names_pass(name: str) -> None:
    check_encoder(name)


@pytest.mark.parametrize(
    ("name", "near"), [("resnet43", "resnet34"), ("tu-resnet81", "tu-resnet18"), ("", "resnet34")]
)
def test_unknown_names_are_answered_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"{name!r} is not an encoder.*{near}"):
        check_encoder(name)


def test_where_the_sources_tell_nothing_the_worker_will(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "list_encoders", frozenset)
    check_encoder("resnet43")
    with pytest.raises(ConfigError, match="is not an encoder"):
        check_encoder("hf-hub:a/b")
