"""Run the notebooks from nothing: ``python docs/run_notebooks.py``.

They run one after the other in one temporary folder, with the code of this checkout. What they
show is kept in ``build/notebooks`` for the site, which takes it where the notebook is still the
same.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NAMES = ("data-to-report", "own-outlines", "reading-a-report")
"""In this order: the last one reads the run of the first."""
KEPT = ROOT / "build/notebooks"
LIMIT_S = 600
"""Longest time of a cell, seconds."""


def read_notebook(name: str) -> NotebookNode:
    """A notebook as it is kept, without outputs."""
    return nbformat.read(ROOT / "docs/notebooks" / f"{name}.ipynb", as_version=4)


@contextmanager
def use_checkout(commands: Path) -> Iterator[None]:
    """Let ``glacier <verb>`` and ``import glacier`` mean this checkout, in what is started here."""
    commands.mkdir()
    command = commands / "glacier"
    script = f'#!/bin/sh\nverb=$1; shift\nexec {sys.executable} -m "jobs.$verb" "$@"\n'
    command.write_text(script, encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    before = dict(os.environ)
    os.environ["PATH"] = f"{commands}{os.pathsep}{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["IPYTHONDIR"] = str(commands / "ipython")
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.pop("MPLBACKEND", None)  # the kernel's own draws into the notebook
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run_notebook(name: str, folder: Path) -> NotebookNode:
    """Execute a notebook in a folder; the first cell that fails raises.

    Args:
        name: Its name in ``docs/notebooks``.
        folder: Where its files go.

    Returns:
        The notebook with its outputs, in which the folder is called ``.``.

    Raises:
        CellExecutionError: A cell failed.
    """
    node = read_notebook(name)
    client = NotebookClient(
        node,
        timeout=LIMIT_S,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:  # a command that failed before says why
        error.add_note("".join(list_texts(node)))
        raise
    text = json.dumps(node).replace(str(folder), ".")
    return nbformat.from_dict(json.loads(text))


def list_texts(node: NotebookNode) -> Iterator[str]:
    """What the cells of a notebook printed."""
    for cell in node.cells:
        yield from (output.get("text", "") for output in cell.get("outputs", []))


def main() -> int:
    """Run all, and keep them with their outputs."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="glacier-notebooks-") as place:
        folder = Path(place) / "work"
        folder.mkdir()
        with use_checkout(Path(place) / "commands"):
            for name in NAMES:
                began = time.monotonic()
                nbformat.write(run_notebook(name, folder), KEPT / f"{name}.ipynb")
                print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
