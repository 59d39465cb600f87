"""Run configurations that come with the package: ``jobs/*.yaml`` of a checkout, but for clusters.

A wheel holds them in ``glacier/configs/``. Where a configuration is asked for, a bare file name
that is not in the working folder means the one that ships.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
FOLDERS = (PACKAGE / "configs", PACKAGE.parent / "jobs")
"""Where they lie in an installed wheel, and in a checkout."""

CLUSTERS = "cluster-*.yaml"
"""Names of files for ``ray up``, which lie there, too."""


def list_shipped() -> dict[str, Path]:
    """Their paths by file name, in alphabetical order."""
    for folder in FOLDERS:
        found = sorted(path for path in folder.glob("*.yaml") if not path.match(CLUSTERS))
        if found:
            return {path.name: path for path in found}
    return {}


def find_configuration(path: str) -> Path:
    """The file that a path means: itself, or one that ships where nothing else has the name."""
    if Path(path).exists() or Path(path).name != path:
        return Path(path)
    return list_shipped().get(path, Path(path))


def describe_configuration(path: Path) -> str:
    """First sentence of the comment that a configuration begins with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].rstrip(".")
