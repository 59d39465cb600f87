"""The file of 8 bits: on which ground its ranges are found, and when it is kept."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from glacier.errors import ExportError
from glacier.mapping import small_export
from glacier.mapping.assignment import ModelName
from glacier.mapping.export import ExportRecord, describe_int8, is_made
from glacier.mapping.small_export import (
    Int8Outcome,
    choose_training_windows,
    make_int8,
    read_tested,
)
from glacier.samples.folds import FoldMasks, Split
from glacier.samples.month_images import MonthImage
from glacier.settings.export import Export
from glacier.training.int8 import Int8Score
from tests.support.model_cards import make_card
from tests.support.months import make_month

SIDE, SIZE = 64, 32
SPLIT = Split(0, ("ridge/r0c0",), (), ("ridge/r0c1", "ridge/r1c0", "ridge/r1c1"))
MASKS = FoldMasks("by_block", (2, 2))
NAME = ModelName(encoder="resnet34", fold=0)


def draw_month(month: int) -> MonthImage:
    """A month whose test quarter is brighter than all else."""
    image = np.full((3, SIDE, SIDE), 0.1 * month / 12, np.float32)
    image[:, :SIZE, :SIZE] = 0.9
    label = np.zeros((SIDE, SIDE), np.uint8)
    label[:8] = 1
    return make_month("ridge", date(2020, month, 1), image, label)


class Sweep:
    """Twenty months of which all blocks but one train."""

    def __init__(self, months: int = 12) -> None:
        self.images = {image.key: image for image in map(draw_month, range(1, months + 1))}
        self.samples = SimpleNamespace(usable=list(self.images.values()))
        self.result = SimpleNamespace(masks=MASKS)

    def read_images(self, keys: set[str]) -> Any:
        return (image for key, image in self.images.items() if key in keys)

    def test_mask(self, image: MonthImage, fold: int) -> Any:
        return MASKS.mask(image, SPLIT.test)


def card(**changes: Any) -> Any:
    windows = {"size_px": SIZE, "stride_px": 16, "mean": (0.3,) * 3, "std": (0.1,) * 3}
    return make_card(**{"fold": 0, "split": SPLIT, "inference": windows} | changes)


def score(lost: float) -> Int8Score:
    return Int8Score(images=1, pixels=9, iou_float32=0.8, iou=0.8 - lost, same_class=0.99)


def test_ranges_are_found_on_training_ground_alone() -> None:
    windows = choose_training_windows(Sweep(), card())
    assert windows is not None and windows.shape[1:] == (3, SIZE, SIZE)
    assert len(windows) >= small_export.WINDOWS and np.nanmax(windows) < 0.5
    assert np.isfinite(windows).all()  # whole windows are there, so no other is taken


def test_there_may_be_no_training_ground() -> None:
    nowhere = Split(0, ("ridge/r0c0",), (), ("elsewhere/r0c0",))
    assert choose_training_windows(Sweep(), card(split=nowhere)) is None
    made = make_int8(Sweep(), card(split=nowhere), b"")
    assert made.content is None and "no training ground" in made.outcome.reason


def test_it_is_tested_where_the_model_was_and_on_a_few_images() -> None:
    tested = [
        {"region": "ridge", "month": f"2020-{m:02}-01", "counts": {"tn": 9}} for m in range(1, 13)
    ]
    scores = {"epoch_kept": 1, "was_chosen": True, "tested": tested}
    grounds = list(read_tested(Sweep(), card(scores=scores)))
    assert len(grounds) == small_export.TESTED
    for ground in grounds:
        assert ground.mask.sum() == SIZE**2 and (ground.image[:, ground.mask] > 0.8).all()


@pytest.mark.parametrize(("lost", "is_kept"), [(-0.01, True), (0.019, True), (0.021, False)])
def test_a_file_that_loses_much_is_not_kept_and_says_so(
    monkeypatch: pytest.MonkeyPatch, lost: float, is_kept: bool
) -> None:
    monkeypatch.setattr(small_export, "quantise", lambda data, windows: b"small")
    monkeypatch.setattr(small_export, "score_int8", lambda *_: score(lost))
    made = make_int8(Sweep(), card(), b"exact")
    assert (made.content == b"small") == is_kept and made.outcome.score == score(lost)
    assert ("it loses 0.021 of an IoU of 0.800" in made.outcome.reason) != is_kept


def test_a_network_that_cannot_be_had_in_8_bits_is_a_reason_and_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> bytes:
        raise ExportError("it cannot be computed in 8 bits: odd")

    monkeypatch.setattr(small_export, "quantise", refuse)
    made = make_int8(Sweep(), card(), b"exact")
    assert made.content is None and made.outcome.reason == "it cannot be computed in 8 bits: odd"


def test_a_record_without_what_is_asked_for_is_made_again() -> None:
    plain = ExportRecord(
        encoder="resnet34", fold=0, model_sha256="a" * 64, months=(), differences={}, files={}
    )
    whole = plain.model_copy(update={"int8": Int8Outcome(reason="none")})
    assert not is_made(None, Export(int8=False))
    assert is_made(plain, Export(int8=False)) and not is_made(plain, Export())
    assert is_made(whole, Export(int8=False)) and is_made(whole, Export())


def test_a_line_says_what_it_costs_or_why_there_is_none() -> None:
    line = describe_int8(NAME, Int8Outcome(score=score(0.01)))
    assert "IoU 0.790, in float32 0.800, on 1 images" in line and "99.00 %" in line
    assert "no file, since odd" in describe_int8(NAME, Int8Outcome(reason="odd"))
    assert "is not known" in describe_int8(NAME, Int8Outcome())
