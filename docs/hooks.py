"""What the site is built from beside its pages: the configuration, the notebooks, kept pictures."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "build/notebooks"
"""Notebooks with outputs, from ``docs/run_notebooks.py``; not in git."""

PICTURES = {"images/everest-report.png": ROOT / "results/everest/report.png"}
"""Address in the site to a picture that is kept elsewhere."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages and pictures that are made from other files."""
    sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
    from configuration import describe_configuration

    made: dict[str, str | bytes] = {"reference/configuration.md": describe_configuration()}
    for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb")):
        made |= render_notebook(path)
    for address, content in made.items():
        files.append(File.generated(config, address, content=content))
    for address, path in PICTURES.items():
        files.append(File.generated(config, address, abs_src_path=str(path)))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Docstrings name functions as Sphinx has it; here the name alone is enough."""
    return re.sub(r":(?:func|class|meth|mod):(?=<code>)", "", output)


def list_code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells of a notebook that do something."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def source_of(notebook: dict[str, Any]) -> list[str]:
    """What a notebook does, without what it shows."""
    return ["".join(cell["source"]) for cell in list_code(notebook)]


def render_notebook(path: Path) -> dict[str, str | bytes]:
    """A notebook as a page and its pictures, with outputs where a kept run is of the same cells."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    kept = KEPT / path.name
    if kept.exists():
        executed = json.loads(kept.read_text(encoding="utf-8"))
        if source_of(executed) == source_of(notebook):
            for cell, shown in zip(list_code(notebook), list_code(executed), strict=True):
                cell["outputs"] = shown["outputs"]
    files: dict[str, str | bytes] = {}
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text.replace(".ipynb)", ".md)"))
            continue
        parts.append(f"```{language_of(text)}\n{text}\n```")
        for output in cell["outputs"]:
            if output.get("name") == "stderr":
                continue  # warnings of libraries
            parts += render_output(output, f"{path.stem}-files", files)
    download = f"[Download this notebook]({path.name}){{ .md-button }}"
    page = "\n\n".join([*parts, download]) + "\n"
    return {f"notebooks/{path.stem}.md": page} | files


def language_of(text: str) -> str:
    """How a cell is coloured."""
    magics = {"%%writefile": "yaml", "%%bash": "bash"}
    return magics.get(text.split()[0], "python")


def render_output(
    output: dict[str, Any], folder: str, files: dict[str, str | bytes]
) -> Iterator[str]:
    """One output as Markdown; pictures become files."""
    data = output.get("data", {})
    if "image/png" in data:
        content = base64.b64decode("".join(data["image/png"]))
        name = f"{hashlib.sha256(content).hexdigest()[:12]}.png"
        files[f"notebooks/{folder}/{name}"] = content
        yield f"![Output of the cell above]({folder}/{name})"
    elif "text/markdown" in data:
        text = "".join(data["text/markdown"])
        yield "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    elif "text/html" in data:
        html = re.sub(r"<style.*?</style>", "", "".join(data["text/html"]), flags=re.DOTALL)
        html = re.sub(r' (border="1"|style="[^"]*")', "", html)
        table = re.search(r"<table.*</table>", html, flags=re.DOTALL)
        yield f'<div class="output-table">{table[0] if table else html}</div>'.replace("\n", "")
    else:
        text = "".join(output.get("text", data.get("text/plain", "")))
        text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
        if text.strip():
            yield f"```text {{ .output }}\n{text.rstrip()}\n```"
