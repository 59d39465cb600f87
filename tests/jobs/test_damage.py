"""Every file that a run leaves, damaged in every way: found, said, and made again by the command.

The files are found from the run's own tree, so that a new kind cannot be forgotten.
"""

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from glacier.config import Config
from glacier.pipeline import run_pipeline, run_stage
from glacier.samples.prepare import run_prepare
from glacier.training.sweep import run_sweep
from glacier.verify import verify_folder
from tests.support.tiny import tiny_config
from tests.support.trees import list_files, read_tree

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def change_digit(data: bytes, rng: random.Random) -> bytes:
    """Another digit, the kind of damage that leaves a JSON file readable."""
    digits = [match.start() for match in re.finditer(rb"[0-9]", data)]
    if not digits:
        return flip_bit(data, rng)
    at = rng.choice(digits)
    return data[:at] + (b"1" if data[at : at + 1] != b"1" else b"2") + data[at + 1 :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "flipped bit": flip_bit,
    "changed digit": change_digit,
    "cut short": lambda data, rng: data[: rng.randrange(1, len(data))],
    "emptied": lambda data, rng: b"",
    "gone": lambda data, rng: None,
}


def damage(path: Path, how: str, seed: int = 0) -> None:
    data = DAMAGES[how](path.read_bytes(), random.Random(f"{how} {seed} {path.name}"))
    path.unlink()
    if data is not None:
        path.write_bytes(data)


def name_kind(folder: Path, path: Path) -> tuple[str, str]:
    """The stage of a file, and what is the same in the names of its kind."""
    parts = path.relative_to(folder).parts
    stage = parts[1] if parts[0] == "data" else "results"
    name = re.sub(r"\d{4}-\d\d|mendenhall_", "", path.name)
    return stage, name if path.suffix == ".json" or stage != "results" else path.name


def one_of_each(folder: Path) -> dict[str, list[Path]]:
    """A file of every kind, by stage."""
    kinds = {name_kind(folder, path): path for path in list_files(folder)}
    stages: dict[str, list[Path]] = {}
    for (stage, _), path in sorted(kinds.items()):
        stages.setdefault(stage, []).append(path)
    return stages


def is_manifest(path: Path) -> bool:
    """Whether it vouches for others, and nothing for it."""
    return path.suffix == ".json" and path.name not in ("folds.json",)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, ray_local: None) -> tuple[Path, Config]:
    """A finished run, and its configuration."""
    folder = tmp_path_factory.mktemp("made")
    config = tiny_config(folder)
    assert run_pipeline(config) == 0
    return folder, config


@pytest.fixture
def run(made: tuple[Path, Config]) -> tuple[Path, Config, dict[str, object]]:
    """The finished run as it was made, whatever another test did to it, and its content."""
    folder, config = made
    kept = folder.with_name(f"{folder.name}-kept")
    if not kept.exists():
        shutil.copytree(folder, kept)
    for name in ("data", "results"):
        shutil.rmtree(folder / name)
        shutil.copytree(kept / name, folder / name)
    return folder, config, read_tree(folder)


@pytest.mark.parametrize("how", DAMAGES)
def test_damage_of_any_file_is_found(run: tuple[Path, Config, dict[str, object]], how: str) -> None:
    folder, *_ = run
    for path in list_files(folder):
        if how == "gone" and is_manifest(path):
            continue  # then its unit is not there at all, and is made again
        whole, place = path.read_bytes(), folder / path.relative_to(folder).parts[0]
        damage(path, how)
        named = {error.address for error in verify_folder(str(place)).damaged}
        path.write_bytes(whole)
        assert named == {str(path)}


def test_a_file_of_every_kind_at_once_is_said_and_made_again(
    run: tuple[Path, Config, dict[str, object]], capsys: pytest.CaptureFixture
) -> None:
    folder, _, before = run
    chosen = [path for paths in one_of_each(folder).values() for path in paths]
    check_mending(run, chosen, "changed digit", capsys)
    assert len(chosen) > 20 and before


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("stage", ["archive", "samples", "trials", "models", "sweeps", "results"])
def test_damage_in_one_stage_is_mended_by_the_same_command(
    run: tuple[Path, Config, dict[str, object]], stage: str, how: str,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    check_mending(run, one_of_each(run[0])[stage], how, capsys)


def check_mending(
    run: tuple[Path, Config, dict[str, object]],
    chosen: list[Path],
    how: str,
    capsys: pytest.CaptureFixture,
) -> None:
    """Damage files, run the same command, and hold what there is then against what was before."""
    folder, config, before = run
    for path in chosen:
        damage(path, how)
    capsys.readouterr()
    assert run_pipeline(config) == 0
    said = capsys.readouterr().out
    for path in chosen:
        # What only a damaged manifest vouched for is made again with it, unsaid.
        beside = any(is_manifest(other) and other.parent in path.parents for other in chosen)
        assert str(path) in said or beside or how == "gone", f"{path} was not named"
    for place in ("data", "results"):
        assert verify_folder(str(folder / place)).damaged == []
    assert read_tree(folder) == before
    assert run_pipeline(config) == 0  # and then there is nothing more to do
    assert "damaged" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("stage", [run_prepare, run_sweep])
def test_a_later_stage_alone_goes_back_as_far_as_it_must(
    run: tuple[Path, Config, dict[str, object]], stage: Callable[[Config], int],
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    folder, config, before = run
    (record, *_) = (folder / "data/archive").glob("*/2014-06.json")
    damage(record, "changed digit")
    (image, *_) = (folder / "data/archive").glob("*/2014-07.tif")
    damage(image, "cut short")
    for result in (folder / "data/sweeps").glob("*/sweep.json"):
        result.unlink()
    for rows in (folder / "data/samples").glob("*/mendenhall_2014-07.json"):
        rows.unlink()
    assert run_stage(config, stage) == 0
    said = capsys.readouterr().out
    assert str(record) in said and str(image) in said and "goes back" in said
    assert run_pipeline(config) == 0
    assert read_tree(folder) == before
