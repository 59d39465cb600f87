"""Pages beside the code that state its numbers and names."""

import ast
import re
from pathlib import Path

import pytest
import yaml

import glacier

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/glossary.md")


def counts() -> dict[str, int]:
    """Format counts of the package: ``path NAME`` to number."""
    found = {}
    for path in (ROOT / "glacier").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                for name in node.targets:
                    if isinstance(name, ast.Name) and name.id in ("FORMAT", "SCHEMA"):
                        found[f"{path.relative_to(ROOT)} {name.id}"] = node.value.value
    return found


def test_the_changelog_has_every_format_count() -> None:
    rows = re.findall(r"^\| `(glacier/\S+)` `(\w+)` \| (\d+) \|", read("CHANGELOG.md"), re.M)
    assert {f"{path} {name}": int(count) for path, name, count in rows} == counts() != {}


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == glacier.__version__


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_links_are_there(page: str) -> None:
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", read(page)):
        assert (ROOT / page).parent.joinpath(link).exists(), link


def test_hooks_run_what_lint_runs() -> None:
    (repo,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    hooks = {hook["entry"].replace(" --force-exclude", "") for hook in repo["hooks"]}
    lint = read("Makefile").split("\nlint:")[1].split("\n\n")[0]
    lines = re.findall(r"\$\(BIN\)/(.*)", lint)
    assert hooks == {f".venv/bin/{line.removesuffix(' .')}" for line in lines}


def test_the_lock_has_the_pinned_versions_with_hashes_and_no_other_index() -> None:
    pinned = {name_of(line): line for line in read("constraints.txt").splitlines()}
    lock = read("requirements-locked.txt")
    locked = re.findall(r"^([\w.-]+==\S+) \\\n    --hash=sha256:[0-9a-f]{64}", lock, re.M)
    assert len(locked) == len(re.findall(r"^\w", lock, re.M)) > 100
    assert "://" not in lock and "--index" not in lock and "--find-links" not in lock
    for line in locked:
        if name_of(line) in pinned:
            assert line.partition("==")[2] == pinned[name_of(line)].partition("==")[2]


def name_of(line: str) -> str:
    """Normalised name of a pinned requirement."""
    return line.partition("==")[0].lower().replace("_", "-")


def read(page: str) -> str:
    return (ROOT / page).read_text()
