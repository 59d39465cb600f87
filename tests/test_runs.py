"""What runs have left is listed, and removed by its name alone."""

from pathlib import Path

import pytest

from glacier import seals
from glacier.lock_file import create
from glacier.owner import Owner
from glacier.registry.ledger import Ledger
from glacier.runs import run_clean, run_list
from glacier.verbs import main
from tests.support.saved_sweeps import make_config, places_of, write_sweep
from tests.support.versions import DATA, make_version

FILES = (
    "data/archive/mendenhall-11111111/2014-07.tif",
    "data/samples/demo-22222222/summary.json",
    "data/trials/demo-33333333/resnet18/fold-0/done.json",
    "data/samples/demo-two-44444444/summary.json",
    "results/demo/report.html",
    "results/README.md",
    "results/demo-mountain/report.html",  # eight letters that are no hash
    "results/demo-deadbeef/report.html",  # a name that could be a hash
)


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1_000_000)
    return ["--storage", str(tmp_path / "data"), "--results", str(tmp_path / "results")]


def left(tmp_path: Path) -> set[str]:
    return {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}


def test_everything_is_listed_with_its_size(
    places: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert run_list(places) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == [
        "archive/mendenhall-11111111", "samples/demo-22222222", "samples/demo-two-44444444",
        "trials/demo-33333333", "results/demo-deadbeef", "results/demo-mountain", "results/demo",
    ]  # fmt: skip
    assert all("1 files        1.0 MB" in line for line in lines[:-1])
    assert lines[-1] == "7 in all, 7.0 MB"


def test_a_run_is_removed_with_all_of_its_own_and_nothing_else(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert run_clean(["demo", *places]) == 0
    assert left(tmp_path) == set(FILES)  # only said
    assert "would remove results/demo (1.0 MB)" in capsys.readouterr().out
    assert run_clean(["demo", "--yes", *places]) == 0
    assert left(tmp_path) == {FILES[0], FILES[3], *FILES[5:]}
    assert run_clean(["archive/mendenhall-11111111", "--yes", *places]) == 0
    assert left(tmp_path) == {FILES[3], *FILES[5:]}


@pytest.mark.parametrize(
    ("summary", "is_mine"),
    [
        (seals.encode_json({"config_sha256": "deadbeef" * 8}), True),
        (seals.encode_json({"config_sha256": "0123beef" * 8}), False),
        (b'{"config_sha256": "deadbeef"}', False),  # nothing vouches for it
    ],
)
def test_an_earlier_report_is_removed_with_its_run_where_it_says_whose_it_is(
    tmp_path: Path, places: list[str], summary: bytes, is_mine: bool
) -> None:
    (tmp_path / "results/demo-deadbeef/summary.json").write_bytes(summary)
    assert run_clean(["demo", "--yes", *places]) == 0
    assert (tmp_path / "results/demo-deadbeef").exists() != is_mine


def test_a_folder_in_which_a_run_works_is_not_removed(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    lock = tmp_path / "data/trials/demo-33333333/.lock"
    create(str(lock), Owner.of_this_process("demo"))
    assert run_clean(["demo", "--yes", *places]) == 1
    assert left(tmp_path) == {*FILES, "data/trials/demo-33333333/.lock"}
    assert "trials/demo-33333333 is worked on by run demo (process" in capsys.readouterr().out
    lock.write_bytes(
        Owner.of_this_process("demo").renew().encode().replace(b'"pid": ', b'"pid": 9')
    )
    assert run_clean(["demo", "--yes", *places]) == 0  # its owner is dead
    assert left(tmp_path) == {FILES[0], FILES[3], *FILES[5:]}


def test_what_a_registry_may_let_serve_is_not_removed(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    config = make_config(tmp_path)
    swept = write_sweep(config)
    folder = Path(places_of(config, swept).sweep).name
    data = DATA.model_copy(update={"samples": swept.samples})
    ledger = Ledger(config.storage, "alps")
    ledger.begin(make_version(model=f"sweeps/{folder}", data=data), "nothing served before")
    before = left(tmp_path)
    (tmp_path / f"data/models/{swept.models}").mkdir(parents=True)
    (tmp_path / f"data/models/{swept.models}/weights").touch()
    for name in (f"sweeps/{folder}", f"samples/{swept.samples}", f"models/{swept.models}", "tiny"):
        assert run_clean([name, "--yes", *places]) == 1
        assert f"is of a model that {ledger.address} may let serve" in capsys.readouterr().out
    assert left(tmp_path) == {*before, f"data/models/{swept.models}/weights"}
    assert run_clean(["demo", "--yes", *places]) == 0
    Path(ledger.address).unlink()
    assert run_clean(["tiny", "--yes", *places]) == 0
    assert not (tmp_path / f"data/sweeps/{folder}").exists()


def test_an_unknown_name_removes_nothing(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert run_clean(["demo", "nothing", "--yes", *places]) == 2
    assert left(tmp_path) == set(FILES)
    said = capsys.readouterr()
    assert "nothing is called 'nothing'" in said.err and not said.out


def test_where_nothing_was_run_nothing_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run_list(["--storage", str(tmp_path / "a"), "--results", str(tmp_path / "b")]) == 0
    assert capsys.readouterr().out == "0 in all, 0.0 MB\n"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("$GLACIER_NOT_SET/x", "the environment variable GLACIER_NOT_SET is not set"),
        ("nostore://x", "nostore:// is no store"),
    ],
)
@pytest.mark.parametrize("typed", [["list"], ["clean", "demo"]])
def test_a_bad_place_is_a_sentence(
    typed: list[str], place: str, words: str, capsys: pytest.CaptureFixture
) -> None:
    assert main([*typed, "--results", place]) == 2
    said = capsys.readouterr()
    assert said.out == "" and words in said.err and "Traceback" not in said.err
    assert said.err.startswith(f"{typed[0]}: --results {place}: ")
