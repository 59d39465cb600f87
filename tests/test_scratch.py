"""Temporary files: gone after their block, or after a kill with the next folder."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from glacier.scratch import LOCK, open_scratch, own_folder

ROOT = Path(__file__).parents[1]
OPEN = """
import time
from glacier.scratch import open_scratch
with open_scratch() as folder:
    (folder / "large.tif").write_bytes(b"x")
    print("open", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the temporary files of this test go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_empty_and_goes_with_its_block(base: Path) -> None:
    with pytest.raises(KeyError), open_scratch() as folder:
        assert list(folder.iterdir()) == []
        assert folder.parent.stat().st_mode & 0o077 == 0
        (folder / "a").mkdir()
        (folder / "a/b").write_text("x")
        raise KeyError
    assert list(base.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_folder_and_no_sooner(base: Path) -> None:
    command, env = [sys.executable, "-c", OPEN], os.environ | {"TMPDIR": str(base)}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"open\n"
    (folder,) = base.iterdir()
    with open_scratch():
        assert (folder / "files/large.tif").exists()  # it lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert folder.exists()
    with open_scratch():
        assert not folder.exists()


def test_logs_of_a_ray_that_failed_are_none_of_them(base: Path) -> None:
    with own_folder(base) as logs:
        pass
    with open_scratch():
        assert (logs / LOCK).exists()
