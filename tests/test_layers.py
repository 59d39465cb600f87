"""The rooms of the README's map: imports point down, and each heavy library has its home."""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = {
    "words": {"config", "errors", "flags", "progress", "limiter", "wording"},
    "arithmetic": {
        "landsat", "composite", "indices", "labels", "folds", "metrics", "tiles", "verdict",
        "scores", "comparison", "caveats", "agreement", "breakdown", "model_card", "boundary",
        "calibration", "arms", "arm_sentences", "study_page", "findings", "ledger", "shrinkage",
        "cutting",
    },
    "files": {"raster", "vectors", "regions", "frames", "store", "samples", "quicklooks", "tables"},
    "workers": {
        "sources", "archive", "plan", "month_samples", "unet", "losses", "learner", "fit", "crops",
        "trials", "baselines", "scorecard", "figures", "armchart", "pictures", "month_calendar",
    },
    "stages": {
        "crews", "ingest", "prepare", "sweep", "tuning", "finished", "gallery", "report",
        "report_page",
        "pipeline", "cluster", "study", "claims",
    },
    "entrance": {"command"},
}  # fmt: skip
HEIGHT = {name: height for height, names in enumerate(LAYERS.values()) for name in names}

HOMES = {
    "ray": LAYERS["stages"],
    "torch": {"unet", "losses", "learner", "fit"},
    "torchvision": {"unet"},
    "segmentation_models_pytorch": {"unet"},
    "rasterio": {"raster", "sources"},
    "pydantic_settings": {"flags"},
    "ee": {"sources"},
    "requests": {"sources"},
}
"""Libraries and the only modules that may import them, at whatever depth."""

FILES = sorted(path for path in (ROOT / "glacier").rglob("*.py") if path.name != "__init__.py")
JOBS = sorted(path for path in (ROOT / "jobs").glob("*.py") if path.name != "__init__.py")


def module_of(path: Path) -> str:
    """The module's name in the table: ``sources`` for all of that folder."""
    return path.relative_to(ROOT / "glacier").with_suffix("").parts[0]


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports, also those within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "glacier":  # from glacier import store
                yield from (f"glacier.{name.name}" for name in node.names)
            else:
                yield node.module or ""


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_at_once(path: Path) -> set[str]:
    """Dotted names of what a module imports when it is imported itself."""
    body = [node for node in parse(path).body if not isinstance(node, ast.FunctionDef)]
    return set(imports_of(ast.Module(body, [])))


def test_the_package_was_found() -> None:
    assert len(FILES) > 15 and len(JOBS) >= 5
    assert sum(len(names) for names in LAYERS.values()) == len(HEIGHT)  # no module twice


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT / "glacier")))
def test_imports_point_down(path: Path) -> None:
    module = module_of(path)
    assert module in HEIGHT, f"{module} stands in no layer of LAYERS"
    for name in imports_of(parse(path)):
        first, _, rest = name.partition(".")
        if first == "glacier":
            below = rest.partition(".")[0]
            assert HEIGHT[below] <= HEIGHT[module], f"{module} imports {below}, which lies above"
        assert first != "jobs", f"{module} imports a job"
        assert module in HOMES.get(first, {module}), f"{module} imports {first}"


@pytest.mark.parametrize("path", JOBS, ids=lambda p: p.stem)
def test_a_job_imports_only_words_before_the_configuration_is_good(path: Path) -> None:
    words = {f"glacier.{name}" for name in LAYERS["words"]}
    assert words | {"glacier.command"} >= imports_at_once(path)
    found = {name for name in imports_at_once(ROOT / "glacier/command.py") if "glacier" in name}
    assert words >= found
    assert f"glacier.{path.stem}" in set(imports_of(parse(path)))  # jobs/X.py calls glacier/X.py


def test_every_function_lives_with_its_idea() -> None:
    names = {module_of(path) for path in FILES} | {path.stem for path in FILES}
    assert not names & {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}


def test_arithmetic_takes_arrays_and_gives_arrays() -> None:
    for path in FILES:
        if module_of(path) in LAYERS["arithmetic"]:
            roots = {name.partition(".")[0] for name in imports_of(parse(path))}
            assert not roots & {"fsspec", "pyarrow", "geopandas", "pyogrio", "os", "pathlib", "io"}


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parent.glob("experiments/*.py")), ids=lambda path: path.stem
)
def test_experiments_ask_only_for_what_is_there(path: Path) -> None:
    """They run for minutes and seldom; importing one shows that no name has moved away."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    assert callable(module.main)
