"""Configurations that ship are found by their bare names, and never in place of a user's own."""

import tomllib
from pathlib import Path

import pytest

from glacier import shipped
from glacier.errors import ConfigError
from glacier.flags import load_config
from glacier.shipped import describe_configuration, find_configuration, list_shipped

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_those_of_a_checkout_are_in_jobs() -> None:
    found = {path.name: path for path in sorted((ROOT / "jobs").glob("*.yaml"))}
    assert found.pop("cluster-gcp.yaml"), "it is no run"
    assert list_shipped() == found


def test_those_of_a_wheel_are_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an installed package, ``jobs/`` is somebody else's."""
    for folder in ("site/glacier/configs", "site/jobs"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "demo.yaml").touch()
    monkeypatch.setattr(
        shipped, "FOLDERS", (tmp_path / "site/glacier/configs", tmp_path / "site/jobs")
    )
    assert find_configuration("demo.yaml") == tmp_path / "site/glacier/configs/demo.yaml"


def test_a_wheel_is_built_so() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["include"] == ["/glacier", "/jobs/*.yaml"]
    assert wheel["exclude"] == [f"/jobs/{shipped.CLUSTERS}"]
    inside = shipped.FOLDERS[0].relative_to(ROOT)
    assert wheel["sources"] == {"jobs": str(inside)}


def test_a_bare_name_is_found_from_anywhere() -> None:
    assert load_config(["demo.yaml"]).name == "demo"


def test_a_file_of_that_name_here_wins(elsewhere: Path) -> None:
    (elsewhere / "demo.yaml").touch()
    assert find_configuration("demo.yaml") == Path("demo.yaml")


@pytest.mark.parametrize("path", ["jobs/demo.yaml", "./other.yaml", "other.yaml", "/demo.yaml"])
def test_other_paths_mean_themselves(path: str) -> None:
    assert find_configuration(path) == Path(path)


def test_a_missing_file_is_answered_with_what_ships() -> None:
    with pytest.raises(
        ConfigError, match=r"no configuration file jobs/demo\.yaml; .* demo\.yaml, whi"
    ):
        load_config(["jobs/demo.yaml"])
    with pytest.raises(ConfigError, match=r"no configuration file dem\.yaml; .*demo\.yaml"):
        load_config(["dem.yaml"])


@pytest.mark.parametrize("path", list_shipped().values(), ids=lambda path: path.stem)
def test_each_says_in_its_first_sentence_what_it_runs(path: Path) -> None:
    sentence = describe_configuration(path)
    assert 30 < len(sentence) < 220 and "python -m" not in sentence
