"""What is typed: verbs, their help, and what is said to a verb that there is not."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import geopandas
import pytest
import yaml
from shapely.geometry import box

import glacier
from glacier.command import run_command
from glacier.config import Config
from glacier.flags import field_names
from glacier.verbs import (
    ASIDES,
    DISTRIBUTION,
    VERBS,
    describe_verb,
    late,
    main,
    run_verb,
    summaries,
)
from tests.support.tiny import tiny_values, write_tiny

ROOT = Path(__file__).parents[1]
HEAVY = {"ray", "torch", "pandas", "rasterio", "geopandas", "matplotlib", "sklearn", "numpy"}
SEEN = {"verify", "doctor", "status", "plan"}
"""Verbs that look and run nothing, and are jobs, too."""
Said = pytest.CaptureFixture[str]


def test_help_lists_every_verb_with_its_line(capsys: Said) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(summaries()) == {*VERBS, *ASIDES}
    for name, summary in summaries().items():
        assert f"    {name:<12}{summary}" in lines
    assert max(map(len, lines)) <= 100


def test_without_a_verb_the_same_is_said_as_an_error(capsys: Said) -> None:
    assert main([]) == 2
    assert "usage: glacier <verb>" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"), [("swep", "sweep"), ("Report", "report"), ("config", "configs")]
)
def test_a_mistyped_verb_is_answered_with_the_nearest(typed: str, meant: str, capsys: Said) -> None:
    assert main([typed, "demo.yaml"]) == 2
    assert f"no verb {typed!r}; did you mean {meant}?" in capsys.readouterr().err


def test_the_version_is_that_of_the_code(capsys: Said) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{DISTRIBUTION} {glacier.__version__}\n"


def test_another_package_of_that_name_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.delattr(glacier, "__version__")
    assert main(["--help"]) == 1
    assert f"pip uninstall glacier {DISTRIBUTION}" in capsys.readouterr().err


def test_the_project_is_called_so() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == DISTRIBUTION
    assert project["scripts"] == {"glacier": "glacier.verbs:main"}


def test_each_verb_is_a_job_runs_a_public_function_and_shows_a_configuration() -> None:
    assert {path.stem for path in (ROOT / "jobs").glob("*.py")} - {"__init__"} == {*VERBS, *SEEN}
    for name, verb in VERBS.items():
        assert verb.runs in glacier.__all__
        assert (ROOT / "jobs" / verb.example).is_file()
        assert f"glacier {name} {verb.example}" in describe_verb(name)


def test_a_verb_runs_what_the_table_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    path = str(write_tiny(tmp_path))
    for name in ("run_ingest", "dry_run"):
        monkeypatch.setattr(glacier, name, lambda *_, name=name: print(name), raising=False)
    assert main(["ingest", path]) == run_verb("ingest", ["--dry-run", path]) == 0
    monkeypatch.setattr(sys, "argv", ["glacier", "ingest", path])
    assert main() == 0
    monkeypatch.setattr(sys, "argv", ["jobs/ingest.py", path])
    assert run_verb("ingest") == 0
    out = capsys.readouterr().out.splitlines()
    began = "ingest: tiny, 1 region, 2014-05 to 2014-12; looking at what it needs"
    assert out == [began, "run_ingest", "dry_run", began, "run_ingest", began, "run_ingest"]


def test_a_verb_leaves_a_log_and_a_dry_run_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    path = str(write_tiny(tmp_path))
    monkeypatch.setattr(glacier, "run_ingest", lambda _: 2, raising=False)
    assert main(["ingest", path, "--dry-run"]) == 0 and not (tmp_path / "data").exists()
    assert main(["ingest", path]) == 1
    assert main(["status", path]) == 0
    out = capsys.readouterr().out
    assert "tiny: ingest finished after 0 s" in out
    assert "2 unit(s) failed past the allowed number" in out


def test_a_stage_is_looked_up_once_it_is_run(tmp_path: Path, capsys: Said) -> None:
    stage = late("run_nothing")
    assert run_command([str(tmp_path / "none.yaml")], "About.", stage) == 2
    with pytest.raises(AttributeError, match="run_nothing"):
        stage(None)


def test_a_verb_shows_how_it_is_typed_and_its_fields(capsys: Said) -> None:
    with pytest.raises(SystemExit) as left:
        main(["ingest", "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert "glacier ingest demo.yaml --dry-run   says what would be done" in out
    assert "--ingest.source  one of synthetic, folder, earthengine, stac [synthetic]" in out


def test_configurations_that_ship_are_listed(capsys: Said) -> None:
    assert main(["configs"]) == 0
    out = capsys.readouterr().out
    assert str(ROOT / "jobs" / "demo.yaml") in out and "a synthetic Mendenhall" in out
    assert main(["configs", "--help"]) == 0
    assert "usage: glacier configs" in capsys.readouterr().out
    assert main(["configs", "x"]) == 2


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_a_verb_fits_on_few_screens(name: str, capsys: Said) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 120 and max(map(len, lines)) <= 100
    shown = [line.split()[0].lstrip("-") for line in lines if line.startswith("  --")]
    assert "name" in shown and set(shown) <= set(field_names(Config))


def test_where_the_locale_is_another_files_are_read_as_utf8(tmp_path: Path) -> None:
    (tmp_path / "ä.yaml").write_text("name: ä\n", encoding="utf-8")
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "glacier", "sweep", "ä.yaml"], cwd=tmp_path, timeout=60,
        capture_output=True, env={**os.environ, **env},
    )  # fmt: skip
    said = done.stderr.decode("ascii")  # what the terminal can show
    assert done.returncode == 2 and ".yaml: name = '?'" in said


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete_verbs_and_fields(shell: str, capsys: Said) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    for word in ("ingest", "--dry-run", "--sweep.folds.kind", "completion"):
        assert word in out


def test_an_unknown_shell_is_told_which_there_are(capsys: Said) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", "cmd"]) == main(["completion"]) == 2
    assert "usage: glacier completion bash|zsh" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "code"),
    [(["--help"], 0), (["sweep", "--help"], 0), (["sweep", "demo.yaml", "--sweep.epoch", "3"], 2)],
)
def test_answers_without_work_import_nothing_heavy(
    argv: list[str], code: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "glacier", *argv], cwd=tmp_path, timeout=60,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == code and "glacier.verbs" in loaded
    assert not HEAVY & loaded
    if code:
        assert "did you mean sweep.epochs?" in done.stderr


@pytest.mark.parametrize("typed", [["glacier", "configs"], ["jobs.ingest", "demo.yaml"]])
def test_a_reader_who_has_seen_enough_is_no_defect(typed: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-u", "-m", *typed],
        cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 1 and done.stderr == ""


@pytest.mark.parametrize("module", ["jobs.ingest", "glacier"])
def test_names_are_found_under_a_locale_of_another_code(tmp_path: Path, module: str) -> None:
    """In the configuration, in the paths that it names, in the vector file and as arguments."""
    folder = tmp_path / "Gletscher Übung"
    folder.mkdir()
    shapes = [box(-19.0, 63.5, -18.9, 63.6)]
    table = geopandas.GeoDataFrame({"Name": ["Kötlujökull"]}, geometry=shapes, crs="EPSG:4326")
    table.to_file(folder / "umriß.gpkg")
    region = {"file": str(folder / "umriß.gpkg"), "column": "Name", "ids": ["Kötlujökull"]}
    values = tiny_values(tmp_path) | {"regions": [region]}
    text = yaml.safe_dump(values, allow_unicode=True)
    (folder / "lauf.yaml").write_text(text, encoding="utf-8")
    verb = [] if module == "jobs.ingest" else ["ingest"]
    done = subprocess.run(
        [sys.executable, "-m", module, *verb, str(folder / "lauf.yaml"), "--dry-run"],
        cwd=ROOT, capture_output=True, timeout=60,
        env=os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"kotlujokull: " in done.stdout
