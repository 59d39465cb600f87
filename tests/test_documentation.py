"""The documentation: pictures and pages are of the code of now, and the notebooks run."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


def load_script(name: str) -> ModuleType:
    """A script of ``docs/``, imported."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_layout_is_drawn_from_the_imports_of_now() -> None:
    script = load_script("draw_layout")
    assert script.PICTURE.read_text() == script.draw_layout(), "run `make docs`"


def test_every_module_stands_in_the_layout() -> None:
    script = load_script("draw_layout")
    floors, arrows = script.read_layout()
    drawn = sum(len(floor.modules) for floor in floors)
    assert drawn == len(script.read_modules()) > 60
    assert {floor.key for floor in floors} <= set(script.TITLES), "name the new folder in TITLES"
    order = [floor.key for floor in floors]
    assert all(order.index(here) > order.index(there) for here, there in arrows)


def test_every_field_stands_in_the_reference() -> None:
    from glacier.config import Config
    from glacier.flags import field_names

    page = load_script("configuration").describe_configuration()
    for name in field_names(Config):
        assert f"| `{name.rpartition('.')[2]}` |" in page, name
        above = name.rpartition(".")[0]
        assert not above or f"`{above}` {{" in page, above


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not cell["metadata"]
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


def test_notebooks_that_share_a_run_have_the_same_configuration() -> None:
    first, last = (
        next(
            cell["source"]
            for cell in json.loads((ROOT / f"docs/notebooks/{name}.ipynb").read_text())["cells"]
            if cell["source"] and cell["source"][0].startswith("%%writefile first.yaml")
        )
        for name in ("data-to-report", "reading-a-report")
    )
    assert first == last


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_the_notebooks_run_from_nothing(tmp_path: Path) -> None:
    """One after the other in one folder, where all that they write goes."""
    script = load_script("run_notebooks")
    assert {path.stem for path in NOTEBOOKS} == set(script.NAMES)
    work, before = tmp_path / "work", dict(os.environ)
    work.mkdir()
    with script.use_checkout(tmp_path / "commands"):
        shown = {name: script.run_notebook(name, work) for name in script.NAMES}
    assert dict(os.environ) == before
    for name, notebook in shown.items():
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        pictures = [output for output in outputs if "image/png" in output.get("data", {})]
        assert len(pictures) >= 2, name
        assert str(tmp_path) not in json.dumps(notebook), name
    assert (work / "results/first/report.html").exists()
    assert (work / "results/mine/report.html").exists()
