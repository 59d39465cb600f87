"""What a summary was made from: whether it is current, and what becomes of earlier ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from glacier import seals
from glacier.config import Config
from glacier.errors import Occupied, StoreError
from glacier.studies import stamp
from glacier.studies.stamp import is_current, keep_earlier
from glacier.studies.summary import SCHEMA, StudySummary
from tests.support.occupied import impatient, occupy
from tests.support.sweeps import make_config
from tests.support.trees import list_files
from tests.support.variants import make_variant, summarise_study

VARIANTS = [make_variant(), make_variant("b", changes={"sweep.epochs": 60})]


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A study of the variants that has been written."""
    found = str(tmp_path / "study.json")
    seals.write_model(found, summarise_study(*VARIANTS))
    return found


def test_a_study_stands_for_its_own_sweeps_alone(address, tmp_path):
    assert is_current(address, VARIANTS, SCHEMA, owned=True)
    assert not is_current(address, VARIANTS, SCHEMA + 1, owned=True)
    assert not is_current(address, VARIANTS[::-1], SCHEMA, owned=True)
    assert not is_current(
        address, [VARIANTS[0], replace(VARIANTS[1], sha256="other")], SCHEMA, owned=True
    )
    assert not is_current(str(tmp_path / "nothing.json"), VARIANTS, SCHEMA, owned=True)


def test_a_study_without_the_repeats_that_are_there_is_not_current(address):
    again = {"plain": {42: VARIANTS[0], 43: replace(VARIANTS[0], sha256="of seed 43")}}
    assert not is_current(address, VARIANTS, SCHEMA, owned=True, repeats=again)
    seals.write_model(address, summarise_study(*VARIANTS, repeats=again))
    assert is_current(address, VARIANTS, SCHEMA, owned=True, repeats=again)
    assert not is_current(address, VARIANTS, SCHEMA, owned=True)


def test_a_study_of_another_version_is_not_current_and_no_error(tmp_path):
    address = str(tmp_path / "study.json")
    seals.write_json(address, {"schema": SCHEMA - 1, "arms": [], "sweeps": [["plain", "a"]]})
    assert not is_current(address, VARIANTS, SCHEMA, owned=True)
    with pytest.raises(StoreError, match="no StudySummary of this version"):
        seals.read_model(address, StudySummary)


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The folder of a study with a report of its first variant."""
    place = tmp_path / "made"
    seals.write_whole(str(place / "plain/summary.json"), seals.Manifest(), {"report.html": b"page"})
    seals.write_model(str(place / "study.json"), summarise_study(*VARIANTS))
    return place


@pytest.fixture
def config() -> Config:
    """A run of other settings, which leaves where another works."""
    return impatient(make_config(["net"], variants={"plain": {}, "b": {"sweep.epochs": 90}}))


def read_all(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in list_files(place)}


def test_a_study_of_other_settings_goes_aside_whole(
    earlier: Path, config: Config, capsys: pytest.CaptureFixture
) -> None:
    before = read_all(earlier)
    keep_earlier(str(earlier / "study.json"), config, "study")
    (aside,) = earlier.parent.glob("made-*")
    assert read_all(aside) == before and read_all(earlier) == {}
    assert f"held a study of other settings, which is in {aside} now" in capsys.readouterr().out


@pytest.mark.parametrize("inner", ["", "plain"])
@pytest.mark.parametrize("spoil", [bytes, lambda data: data[:-9]], ids=["whole", "damaged"])
def test_what_another_run_is_writing_is_left_where_it_lies(
    earlier: Path, config: Config, inner: str, spoil: Callable[[bytes], bytes]
) -> None:
    address = earlier / "study.json"
    address.write_bytes(spoil(address.read_bytes()))
    occupy(str(earlier / inner))
    before = read_all(earlier.parent)
    with suppress(Occupied):
        keep_earlier(str(address), config, "study")
    assert {k: v for k, v in read_all(earlier.parent).items() if k in before} == before


def test_a_study_that_another_run_made_anew_meanwhile_stays(
    earlier: Path,
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    made = summarise_study(VARIANTS[0], make_variant("b", changes={"sweep.epochs": 90}))

    @contextmanager
    def wait_for_another(*_: object) -> Iterator[None]:
        seals.write_model(str(earlier / "study.json"), made)
        yield

    monkeypatch.setattr(stamp, "hold", wait_for_another)
    keep_earlier(str(earlier / "study.json"), config, "study")
    assert seals.read_model(str(earlier / "study.json"), StudySummary) == made
    assert (earlier / "plain/report.html").exists() and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"sweeps": [["../../outside", "0"]]},
        {"sweeps": [["/outside", "0"]]},
        {"config_sha256": "/../../x" + "0" * 56},
    ],
    ids=str,
)
def test_a_study_names_its_own_folders_alone(
    tmp_path: Path, config: Config, changes: dict[str, object]
) -> None:
    place, outside = tmp_path / "results/made", tmp_path / "outside/summary.json"
    seals.write_whole(str(outside), seals.Manifest(), {"report.html": b"page"})
    seals.write_json(
        str(place / "study.json"),
        {"schema": SCHEMA, "config_sha256": "1" * 64, "sweeps": []} | changes,
    )
    before = read_all(tmp_path)
    keep_earlier(str(place / "study.json"), config, "study")
    assert read_all(tmp_path) == before


def test_a_damaged_report_does_not_keep_a_study_from_going_aside(
    earlier: Path, config: Config, capsys: pytest.CaptureFixture
) -> None:
    (earlier / "plain/summary.json").write_bytes(b"{")
    keep_earlier(str(earlier / "study.json"), config, "study")
    (aside,) = earlier.parent.glob("made-*")
    assert list(read_all(aside)) == ["study.json"]
    assert (earlier / "plain/.damaged/summary.json").read_bytes() == b"{"
    assert "summary.json is damaged" in capsys.readouterr().out
