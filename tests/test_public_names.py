"""The public interface: each name is there, once, and nothing is imported before it is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import glacier

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", glacier.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(glacier, name)
    assert found.__name__ == name and found.__doc__
    assert found.__module__.startswith("glacier.")
    assert getattr(glacier, name) is found


def test_names_imports_and_homes_agree() -> None:
    """Checkers and documentation see what is imported for them, Python what the table says."""
    homes = {name: f"glacier.{home}" for home, names in glacier._HOMES.items() for name in names}
    tree = ast.parse((ROOT / "glacier" / "__init__.py").read_text())
    seen = {
        name.name: node.module
        for block in tree.body if isinstance(block, ast.If)
        for node in block.body if isinstance(node, ast.ImportFrom)
        for name in node.names
    }  # fmt: skip
    assert homes == seen
    assert sorted(homes) == sorted(glacier.__all__)


def test_other_names_are_not_there() -> None:
    assert set(glacier.__all__) <= set(dir(glacier))
    with pytest.raises(AttributeError, match="has no attribute 'run_nothing'"):
        glacier.run_nothing  # noqa: B018 - asking is the test


def test_the_package_opens_at_once() -> None:
    code = "import sys, glacier; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    loaded = done.stdout.split()
    others = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert "glacier" in loaded and others <= {"__main__", "glacier"}
    assert not [name for name in loaded if name.startswith("glacier.")]
