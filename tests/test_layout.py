"""The layout: folders import only what stands above them, and heavy libraries have one home."""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = (
    "settings", "top", "geo", "plots", "sources", "archive", "samples", "evaluation", "registry",
    "training", "continual", "mapping", "explaining", "reports", "monitoring", "corrections",
    "releases", "studies", "serving", "doctor", "planning",
    "entrance",
)  # fmt: skip
"""Folders of ``glacier/`` in the order in which data flow; each imports those before it alone."""

TOP = {
    "config", "flags", "errors", "wording", "progress", "store", "seals", "cluster", "landsat",
    "indices", "composite", "labels", "windows", "published", "shipped", "machine", "field_help",
    "field_faults", "checksums", "map_codes",
    "owner", "lock_file", "locks", "markdown", "interrupts", "ray_files", "scratch",
    "kill_points", "table_rows", "satellites", "job_log", "memory_use", "processor",
    "cluster_version",
}  # fmt: skip
"""Modules that stand in no folder, and below all of them but the settings."""

ENTRANCE = {
    "command", "pipeline", "verbs", "completion", "checks", "dry_runs", "faults", "runs", "verify",
    "__main__", "input_checks", "file_checks", "fold_checks", "plans", "latest", "learn", "status",
    "health", "predictions", "places",
}  # fmt: skip
"""Modules that stand in no folder, and above all of them."""

HOMES = {
    "ray": {
        "cluster", "cluster_version", "archive.ingest", "archive.workers", "samples.prepare",
        "training.sweep", "training.tuning", "training.tracking", "training.candidate",
        "continual.tuning",
        "mapping.predict", "reports.series", "monitoring.months", "serving.on_ray",
    },
    "torch": {"training", "continual", "explaining"},
    "torchvision": {"training.unet"},
    "onnx": {"training.export", "training.int8", "training.conversion"},
    "onnxruntime": {"training.export", "training.int8"},
    "segmentation_models_pytorch": {"training.unet"},
    "rasterio": {"geo", "sources"},
    "geopandas": {"geo"},
    "pyogrio": {"geo"},
    "shapely": {"geo"},
    "matplotlib": {"plots"},
    "contourpy": {"plots"},
    "PIL": {"plots"},
    "pydantic_settings": {"flags"},
    "shtab": {"completion"},
    "ee": {"sources"},
    "google": {"sources"},
    "googleapiclient": {"sources"},
    "httplib2": {"sources"},
    "pystac": {"sources"},
    "pystac_client": {"sources"},
    "planetary_computer": {"sources"},
    "requests": {"sources", "releases.web"},
    "urllib3": {"sources"},
    "jinja2": {"reports"},
    "fastapi": {"serving"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "prometheus_client": {"serving"},
    "rio_tiler": {"serving"},
    "packaging": {"doctor.software"},
    "sklearn": {"samples.folds", "training.baselines"},
}  # fmt: skip
"""Libraries and the only folders or modules that may import them, at whatever depth."""

FILES = sorted(path for path in (ROOT / "glacier").rglob("*.py") if path.name != "__init__.py")
JOBS = sorted(path for path in (ROOT / "jobs").glob("*.py") if path.name != "__init__.py")


def name_of(path: Path) -> str:
    """The module's dotted name below ``glacier``."""
    return ".".join(path.relative_to(ROOT / "glacier").with_suffix("").parts)


NAMES = {name_of(path) for path in FILES}


def floor_of(module: str) -> int:
    """Place in ``ORDER`` of a module, by its dotted name below ``glacier``."""
    first, _, inside = module.partition(".")
    if not inside and first not in ORDER:
        assert first in TOP | ENTRANCE, f"{first} stands in no folder: name it in TOP, or move it"
        first = "top" if first in TOP else "entrance"
    assert first in ORDER, f"{first}/ is not in ORDER"
    return ORDER.index(first)


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Dotted names of all imports, also those within functions; of names in ours the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            for name in node.names:
                whole = f"{module}.{name.name}"
                is_ours = module.partition(".")[0] == "glacier"
                yield whole if is_ours and whole.removeprefix("glacier.") in NAMES else module


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports_at_once(path: Path) -> set[str]:
    """Dotted names of what a module imports when it is imported itself."""
    body = [node for node in parse(path).body if not isinstance(node, ast.FunctionDef)]
    return set(imports_of(ast.Module(body, [])))


def own_imports(path: Path) -> set[str]:
    """Modules of the package that a module imports, below ``glacier``."""
    return {
        name.removeprefix("glacier.")
        for name in imports_of(parse(path))
        if name.startswith("glacier.")
    }


def test_the_package_was_found() -> None:
    assert len(FILES) > 60 and len(JOBS) >= 5
    assert {folder.name for folder in (ROOT / "glacier").glob("*/")} - {"__pycache__"} <= set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    module = name_of(path)
    for name in own_imports(path):
        assert floor_of(name) <= floor_of(module), f"{module} imports {name}, which comes later"


def test_no_modules_import_each_other() -> None:
    try:
        list(TopologicalSorter({name_of(path): own_imports(path) for path in FILES}).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_heavy_libraries_have_a_home(path: Path) -> None:
    module = name_of(path)
    places = {module, module.partition(".")[0]}
    for name in imports_of(parse(path)):
        library = name.partition(".")[0]
        assert library != "jobs", f"{module} imports a job"
        assert places & HOMES.get(library, places), f"{module} imports {library}"


@pytest.mark.parametrize("path", JOBS, ids=lambda p: p.stem)
def test_a_job_is_an_entry_of_the_table_of_verbs(path: Path) -> None:
    assert imports_at_once(path) == {"glacier.verbs"}
    assert f'run_verb("{path.stem}")' in path.read_text()


def test_little_is_imported_before_the_configuration_is_good() -> None:
    found = imports_at_once(ROOT / "glacier/verbs.py") | imports_at_once(
        ROOT / "glacier/command.py"
    )
    light = {f"glacier.{name}" for name in (
        "command", "config", "errors", "faults", "flags", "interrupts",
    )}  # fmt: skip
    ours = {name for name in found if name.startswith("glacier.")}
    assert {name for name in ours if not name.startswith("glacier.settings.")} <= light


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_public_names_are_for_users(path: Path) -> None:
    """Within the package a name is imported from where it lives, so that the order can be seen."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "glacier":
            assert {name.name for name in node.names} <= NAMES | {"__version__"}


def test_every_function_lives_with_its_idea() -> None:
    names = {part for path in FILES for part in name_of(path).split(".")}
    assert not names & {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}


def test_folders_open_at_once() -> None:
    for path in (ROOT / "glacier").rglob("*/__init__.py"):
        assert not path.read_text(), f"{path} has to stay empty"


def test_the_tests_mirror_the_package() -> None:
    """A test module stands in the folder of what it tests, and imports no other test module."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parent
        assert folder.parts[:1] in ((), ("jobs",)) or (ROOT / "glacier" / folder).is_dir(), path
        for name in imports_of(parse(path)):
            assert not name.rpartition(".")[2].startswith("test_"), f"{path} imports {name}"


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
