"""The choice of a model, shared by the processes of a service and kept for the next."""

import asyncio
from pathlib import Path

import pytest

from glacier.serving.promotion import Promotion
from tests.support.stand_in_mapper import StandInMapper


def test_another_process_follows_and_so_does_the_next(tmp_path: Path) -> None:
    mappers = [StandInMapper() for _ in range(2)]
    first, second = (Promotion(tmp_path, mapper) for mapper in mappers)
    asyncio.run(second.follow_once())
    assert mappers[1].model.id == "tiny+first"
    first.write("tiny+another")
    asyncio.run(second.follow_once())
    assert mappers[1].model.id == "tiny+another"
    later = StandInMapper()
    asyncio.run(Promotion(tmp_path, later).follow_once())
    assert later.model.id == "tiny+another"


@pytest.mark.parametrize("text", ["", "{", '{"id": "tiny+gone"}'])
def test_a_choice_that_cannot_be_followed_changes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text)
    mapper = StandInMapper()
    asyncio.run(Promotion(tmp_path, mapper).follow_once())
    assert mapper.model.id == "tiny+first"
