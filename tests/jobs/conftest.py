"""What tests share that start whole runs."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def temp() -> Iterator[Path]:
    """A folder with a short name, since Ray's sockets lie in it."""
    folder = Path("/tmp") / f"gt{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)
