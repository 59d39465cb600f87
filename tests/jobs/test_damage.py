"""Every file of a run, damaged in every way: found, said, and made again by the same command."""

import shutil
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import pytest

from glacier.config import Config
from glacier.pipeline import run_pipeline, run_stage
from glacier.samples.prepare import run_prepare
from glacier.training.sweep import run_sweep
from glacier.verify import verify_folder
from tests.support.damage import DAMAGES, damage, group_by_kind, is_manifest, is_named
from tests.support.tiny import tiny_config
from tests.support.trees import list_differences, list_files, read_tree

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

STAGES = list(
    zip(
        ["archive", "samples", "trials", "models", "sweeps", "maps", "results"],
        cycle(DAMAGES),
        strict=False,
    )
)
"""Each with one way; ``tests/experiments/damage.py`` goes through all ways for every file."""


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


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGES)
def test_a_file_of_every_kind_at_once_is_said_and_made_again(
    run: tuple[Path, Config, dict[str, object]], how: str, capsys: pytest.CaptureFixture
) -> None:
    folder, *_ = run
    chosen = [files[-1] for kinds in group_by_kind(folder).values() for files in kinds.values()]
    check_mending(run, chosen, how, capsys)
    assert len(chosen) > 20


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "how"), STAGES)
def test_damage_in_one_stage_is_mended_by_the_same_command(
    run: tuple[Path, Config, dict[str, object]], stage: str, how: str,
    capsys: pytest.CaptureFixture,
) -> None:  # fmt: skip
    chosen = [files[-1] for files in group_by_kind(run[0])[stage].values()]
    check_mending(run, chosen, how, capsys)


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
        assert is_named(path, said, chosen, how), f"{path} was not named"
    for place in ("data", "results"):
        assert verify_folder(str(folder / place)).damaged == []
    assert list_differences(read_tree(folder), before) == []
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
    assert list_differences(read_tree(folder), before) == []
