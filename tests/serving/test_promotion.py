"""The choice of a model, shared by the processes of a service and kept for the next."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from glacier.config import Config
from glacier.registry.ledger import Ledger
from glacier.serving import registered
from glacier.serving.promotion import Promotion
from glacier.serving.registered import RegistryWatch
from tests.support.stand_in_mapper import StandInMapper, make_model
from tests.support.tiny import tiny_config
from tests.support.versions import make_version

NONE = RegistryWatch(tiny_config(Path("nowhere")))
"""Of a run that names no registry."""


def test_another_process_follows_and_so_does_the_next(tmp_path: Path) -> None:
    mappers = [StandInMapper() for _ in range(2)]
    first, second = (Promotion(tmp_path, mapper, NONE) for mapper in mappers)
    asyncio.run(second.follow_once())
    assert mappers[1].model.id == "tiny+first"
    first.write("tiny+another")
    asyncio.run(second.follow_once())
    assert mappers[1].model.id == "tiny+another"
    later = StandInMapper()
    asyncio.run(Promotion(tmp_path, later, NONE).follow_once())
    assert later.model.id == "tiny+another"


@pytest.mark.parametrize("text", ["", "{", '{"id": "tiny+gone"}'])
def test_a_choice_that_cannot_be_followed_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    mapper = StandInMapper()
    asyncio.run(Promotion(tmp_path, mapper, NONE).follow_once())
    assert mapper.model.id == "tiny+first"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A registry whose first version serves."""
    ledger = Ledger(str(tmp_path / "data"), "tiny")
    ledger.begin(make_version(1), "nothing served before")
    return ledger


@pytest.fixture
def config(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A run that maps by it; its first version is the first model of a stand-in mapper."""

    def choose(config: Config, number: int) -> SimpleNamespace:
        return SimpleNamespace(served=make_model("tiny+first" if number == 1 else "tiny+another"))

    monkeypatch.setattr(registered, "LOOK_S", 0.0)
    monkeypatch.setattr(registered, "find_mapping_sweep", lambda _: ledger.read().serving.id)
    monkeypatch.setattr(registered, "choose_candidate", choose)
    return tiny_config(tmp_path, predict={"registry": "tiny"})


def look(promotion: Promotion) -> str:
    """What answers after one more look."""
    asyncio.run(promotion.follow_once())
    return promotion.mapper.model.id


def test_a_service_follows_what_the_registry_lets_serve(
    tmp_path: Path, config: Config, ledger: Ledger
) -> None:
    promotion = Promotion(tmp_path, StandInMapper(), RegistryWatch(config))
    assert look(promotion) == "tiny+first"
    ledger.record(make_version(2, "refused"))
    assert look(promotion) == "tiny+first"
    ledger.record(make_version(3, "promoted"))
    assert look(promotion) == "tiny+another"
    ledger.roll_back("Ann")
    assert look(promotion) == "tiny+first"


def test_who_chose_last_decides(tmp_path: Path, config: Config, ledger: Ledger) -> None:
    promotion = Promotion(tmp_path, StandInMapper(), RegistryWatch(config))
    look(promotion)
    asyncio.run(promotion.mapper.promote("tiny+another"))
    promotion.write("tiny+another")  # somebody, on the page
    assert look(promotion) == "tiny+another"
    later = Promotion(tmp_path, StandInMapper(), RegistryWatch(config))
    assert look(later) == "tiny+another"  # a service that was started anew
    ledger.record(make_version(2, "promoted"))
    ledger.roll_back("Ann")
    assert look(later) == look(promotion) == "tiny+first"


def test_a_registry_that_cannot_be_read_is_said_once_and_changes_nothing(
    tmp_path: Path, config: Config, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    promotion = Promotion(tmp_path, StandInMapper(), RegistryWatch(config))
    look(promotion)
    Path(ledger.address).write_text("{}")
    assert [look(promotion) for _ in range(3)] == 3 * ["tiny+first"]
    assert capsys.readouterr().out.count("serve: model of the registry cannot answer") == 1


def test_a_registry_is_not_looked_at_every_second(tmp_path: Path, ledger: Ledger) -> None:
    config = tiny_config(tmp_path, predict={"registry": "tiny"})
    watch = RegistryWatch(config)
    watch.due_s = time.monotonic() + 60
    assert watch.find_newer(0) is None
