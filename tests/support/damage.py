"""Ways in which a file is damaged, and the files of a run by their kind.

The files are found from the run's own tree, so that a new kind cannot be forgotten.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path

from glacier.verify import is_hidden
from tests.support.trees import list_files


def flip_bit(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def change_digit(data: bytes, rng: random.Random) -> bytes:
    """Another digit, the kind of damage that leaves a JSON file readable."""
    digits = [match.start() for match in re.finditer(rb"[0-9]", data)]
    if not digits:
        return flip_bit(data, rng)
    at = rng.choice(digits)
    return data[:at] + (b"1" if data[at : at + 1] != b"1" else b"2") + data[at + 1 :]


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "flipped bit": flip_bit,
    "changed digit": change_digit,
    "cut short": lambda data, rng: data[: rng.randrange(1, len(data))],
    "emptied": lambda data, rng: b"",
    "gone": lambda data, rng: None,
}


def damage(path: Path, how: str, seed: int = 0) -> None:
    data = DAMAGES[how](path.read_bytes(), random.Random(f"{how} {seed} {path.name}"))
    path.unlink()
    if data is not None:
        path.write_bytes(data)


def name_kind(folder: Path, path: Path) -> tuple[str, str]:
    """The stage of a file, and what is the same in the names of its kind."""
    parts = path.relative_to(folder).parts
    stage = parts[1] if parts[0] == "data" else "results"
    name = re.sub(r"\d{4}-\d\d|mendenhall_", "", path.name)
    return stage, name if path.suffix == ".json" or stage != "results" else path.name


def group_by_kind(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """All files of a run, by stage and kind.

    What begins with a dot is none: a lock, what a killed writer left, what Ray Tune notes.
    """
    stages: dict[str, dict[str, list[Path]]] = {}
    for path in list_files(folder):
        name = str(path.relative_to(folder))
        if "/" not in name or is_hidden(name):
            continue
        stage, kind = name_kind(folder, path)
        stages.setdefault(stage, {}).setdefault(kind, []).append(path)
    return stages


def is_manifest(path: Path) -> bool:
    """Whether it vouches for others, and nothing for it."""
    return path.suffix == ".json" and path.name not in ("folds.json",)


def is_named(path: Path, said: str, chosen: list[Path], how: str) -> bool:
    """Whether a command has said that a file is damaged, as far as it can know.

    What only a damaged manifest vouched for is made again with it, unsaid; so is what is gone.
    """
    beside = any(is_manifest(other) and other.parent in path.parents for other in chosen)
    return str(path) in said or beside or how == "gone"
