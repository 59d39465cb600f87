"""Names of the encoders that there are, read from the libraries' sources.

Importing them takes seconds and torch; their tables of names can be read in a tenth of one.
"""

from __future__ import annotations

import ast
import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from glacier.errors import ConfigError
from glacier.settings.values import BARE

TIMM = "tu-"
"""Start of an encoder's name that timm builds; the rest is timm's name, perhaps with a tag."""

REGISTERED = re.compile(r"^@register_model\s*\n(?:@[^\n]*\n)*def (\w+)\(", re.MULTILINE)
"""A network of timm. Source: timm/models/_registry.py."""


def find_package(name: str) -> Path | None:
    """Folder of an installed package, which is not imported."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


@cache
def list_encoders() -> frozenset[str]:
    """Encoders of segmentation-models-pytorch itself; none where its sources tell nothing."""
    package = find_package("segmentation_models_pytorch")
    names: set[str] = set()
    for path in (package / "encoders").glob("*.py") if package else ():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                target = node.targets[0]
                if isinstance(target, ast.Name) and target.id.endswith("_encoders"):
                    keys = [key for key in node.value.keys if isinstance(key, ast.Constant)]
                    names.update(str(key.value) for key in keys)
    return frozenset(names)


@cache
def list_timm() -> frozenset[str]:
    """Networks of timm by the names that encoders have; none where its sources tell nothing."""
    package = find_package("timm")
    names: set[str] = set()
    for path in (package / "models").rglob("*.py") if package else ():
        names.update(TIMM + name for name in REGISTERED.findall(path.read_text(encoding="utf-8")))
    return frozenset(names)


def check_encoder(encoder: str) -> None:
    """Refuse an encoder that the two libraries do not hold themselves.

    timm would also build networks that a hub or a folder describes (``hf-hub:``, ``local-dir:``);
    such a name, in whatever spelling, has signs that no name of its own list has.

    Raises:
        ConfigError: With the nearest known names.
    """
    of_timm = encoder.startswith(TIMM)
    known = list_timm() if of_timm else list_encoders()
    name = encoder.partition(".")[0] if of_timm else encoder
    if BARE.fullmatch(encoder) and (name in known or not known):
        return
    close = difflib.get_close_matches(encoder[:128], known, n=3) or ["resnet34", "efficientnet-b4"]
    raise ConfigError(
        f"sweep.encoders: {encoder!r:.100} is not an encoder of segmentation-models-pytorch or, "
        f"behind {TIMM}, of timm itself; did you mean {', '.join(close)}?"
    )
