"""New months that wait until somebody has looked. No Ray in here."""

from dataclasses import replace
from pathlib import Path

import pytest

from glacier.archive.records import MonthRecord
from glacier.config import Config
from glacier.mapping.added_months import AddedMonth, AddedMonths, HeldMonth, leave_held
from glacier.monitoring import held
from glacier.monitoring.held import find_held, keep_held, list_new
from tests.support.tiny import tiny_config

FOLDER, NAME = "data/archive/mendenhall-01234567", "mendenhall-01234567"
ALARM = {("mendenhall", "2015-02"): "the image is unlike its season"}


def make_config(folder: Path, **monitor: object) -> Config:
    return tiny_config(folder, monitor={"hold": True} | monitor)


def make_record(month: str, sha256: str = "a") -> MonthRecord:
    return MonthRecord("mendenhall", month, "ok", sha256=64 * sha256)


def wait(month: str = "2015-02", sha256: str = "a") -> dict[str, tuple[HeldMonth, ...]]:
    return {
        NAME: (HeldMonth(month=month, image_sha256=64 * sha256, why=ALARM["mendenhall", month]),)
    }


LATER = {FOLDER: [make_record("2015-02"), make_record("2015-03")]}


def find(config: Config, before: AddedMonths, monkeypatch: pytest.MonkeyPatch) -> dict:
    """What waits, where February is an alarm."""

    def judge(config: Config, *_: object) -> dict[tuple[str, str], str]:
        looked = config.monitor.looked
        return {key: why for key, why in ALARM.items() if "/".join(key) not in looked}

    monkeypatch.setattr(held, "find_alarms", judge)
    return find_held(config, None, [], LATER, before)  # type: ignore[arg-type]


def test_an_alarm_waits_and_the_other_months_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = find(make_config(tmp_path), AddedMonths(), monkeypatch)
    assert waits == wait()
    assert [record.month for record in leave_held(LATER, waits)[FOLDER]] == ["2015-03"]


def test_who_has_looked_lets_it_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = make_config(tmp_path, looked={"mendenhall/2015-02": "Ann"})
    assert keep_held(looked, AddedMonths(held=wait())) == {}
    assert find(looked, AddedMonths(held=wait()), monkeypatch) == {}
    off = make_config(tmp_path, hold=False)
    assert keep_held(off, AddedMonths(held=wait())) == find(off, AddedMonths(), monkeypatch) == {}


def test_what_waits_is_not_judged_again_until_its_image_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(tmp_path)
    march = AddedMonth(month="2015-03", image_sha256=64 * "a")
    before = AddedMonths(archives={NAME: (march,)}, held=wait())
    monkeypatch.setattr(held, "find_alarms", lambda *_: pytest.fail("it was judged again"))
    assert find_held(config, None, [], LATER, before) == wait()  # type: ignore[arg-type]
    other = {FOLDER: [replace(LATER[FOLDER][0], sha256=64 * "b"), LATER[FOLDER][1]]}
    assert [record.month for record in list_new(other, before, keep_held(config, before))] == [
        "2015-02"
    ]


def test_a_month_that_is_kept_no_longer_waits_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty month came, which nothing is judged for, and moved the first that is kept."""
    march = AddedMonth(month="2015-03", image_sha256=64 * "a")
    before = AddedMonths(archives={NAME: (march,)}, held=wait())
    later = {FOLDER: [LATER[FOLDER][1], MonthRecord("mendenhall", "2015-04", "empty")]}
    monkeypatch.setattr(held, "find_alarms", lambda *_: pytest.fail("nothing is new"))
    assert find_held(make_config(tmp_path), None, [], later, before) == {}  # type: ignore[arg-type]


def test_what_was_published_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    february = AddedMonth(month="2015-02", image_sha256=64 * "a")
    before = AddedMonths(archives={NAME: (february,)})
    assert find(make_config(tmp_path), before, monkeypatch) == {}


@pytest.mark.parametrize("key", ["2015-02", "mendenhall/2015-13", "/2015-02"])
def test_a_month_to_be_let_pass_is_named_with_its_region(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=r"looked"):
        make_config(tmp_path, looked={key: "Ann"})
