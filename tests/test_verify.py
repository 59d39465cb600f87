"""Everything that runs have left is held against its checksum."""

from pathlib import Path

import pytest

from glacier import seals, store
from glacier.verify import run_verify, verify_folder
from tests.support.occupied import occupy


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    """A storage with a unit of two files, and a report."""
    address = str(tmp_path / "data/trials/demo-1/net/done.json")
    seals.write_whole(address, seals.Manifest(), {"a.npz": b"a", "below/b.npz": b"b"})
    address = str(tmp_path / "results/demo/summary.json")
    seals.write_whole(address, seals.Manifest(), {"folds.csv": b"[]"})
    return ["--storage", str(tmp_path / "data"), "--results", str(tmp_path / "results")]


FILES = (
    "data/trials/demo-1/net/done.json",
    "data/trials/demo-1/net/a.npz",
    "data/trials/demo-1/net/below/b.npz",
    "results/demo/summary.json",
    "results/demo/folds.csv",
)


def test_what_is_whole_is_counted(places: list[str], capsys: pytest.CaptureFixture) -> None:
    assert run_verify(places) == 0
    out = capsys.readouterr().out
    assert "3 files whole, 0 damaged in" in out and "2 files whole, 0 damaged in" in out
    assert "vouches" not in out and "killed" not in out


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["flip", "cut", "empty", "longer"])
def test_every_damage_is_named_with_its_stage(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture, name: str, how: str
) -> None:
    path = tmp_path / name
    data = path.read_bytes()
    path.write_bytes(
        {"flip": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1], "empty": b"",
         "longer": data + b"\n"}[how]
    )  # fmt: skip
    assert run_verify(places) == 1
    out = capsys.readouterr().out
    stage = "trials" if name.startswith("data") else "demo"
    assert f"verify: {stage}: {path} is damaged" in out
    assert "1 files are damaged; the command that made them makes them again" in out


def test_a_file_that_is_gone_is_named(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / FILES[1]).unlink()
    assert run_verify(places) == 1
    assert "a.npz is damaged: it is gone" in capsys.readouterr().out


def test_what_nothing_vouches_for_and_what_a_killed_writer_left_is_told(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "data/trials/demo-1/net/epoch-1.pt").write_bytes(b"c")
    (tmp_path / "data/trials/demo-1/net/.a.npz.1f.tmp").write_bytes(b"a")
    found = verify_folder(str(tmp_path / "data"))
    assert [Path(at).name for at in found.unvouched] == ["epoch-1.pt"]
    assert [Path(at).name for at in found.unfinished] == [".a.npz.1f.tmp"]
    assert run_verify(places) == 0


def test_repair_sets_aside_what_is_damaged_and_removes_what_is_unfinished(
    tmp_path: Path, places: list[str]
) -> None:
    folder = tmp_path / "data/trials/demo-1/net"
    (folder / "a.npz").write_bytes(b"A")
    (folder / ".a.npz.1f.tmp").write_bytes(b"a")
    assert run_verify([*places, "--repair"]) == 1
    assert not (folder / "a.npz").exists() and not (folder / ".a.npz.1f.tmp").exists()
    assert (folder / ".damaged/a.npz").read_bytes() == b"A"


def test_repair_leaves_alone_what_a_run_works_on(
    tmp_path: Path, places: list[str], capsys: pytest.CaptureFixture
) -> None:
    """What it is writing looks unfinished, and may look damaged."""
    busy, free = tmp_path / "data/trials/demo-1", tmp_path / "results/demo"
    for path in (busy / "net/a.npz", free / "folds.csv"):
        path.write_bytes(b"A")
        path.with_name(f".{path.name}.1f.tmp").write_bytes(b"a")
    occupy(str(busy))
    assert run_verify([*places, "--repair"]) == 1
    assert (busy / "net/a.npz").read_bytes() == (free / ".damaged/folds.csv").read_bytes() == b"A"
    assert (busy / "net/.a.npz.1f.tmp").exists() and not (free / ".folds.csv.1f.tmp").exists()
    said = capsys.readouterr().out
    assert f"verify: {busy} is worked on by run other" in said and said.count("worked on") == 1


def test_nothing_at_all_is_no_damage(tmp_path: Path) -> None:
    assert run_verify(["--storage", str(tmp_path / "a"), "--results", str(tmp_path / "b")]) == 0


def test_notes_of_a_run_that_is_under_way_are_no_damage(tmp_path: Path, places: list[str]) -> None:
    """Ray Tune's JSON has no seal, and nothing reads it."""
    store.write_bytes(str(tmp_path / "data/sweeps/demo-1/.tune/state-2026.json"), b"{}")
    assert run_verify(places) == 0
