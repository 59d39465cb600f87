"""Folders and the token of a private Ray: who may read them, and when they go."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from glacier import ray_files
from glacier.ray_files import open_temp_folder, remove_lost_folders, secure_token
from glacier.scratch import LOCK, own_folder, remove_dead_folders

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of this test go; too long for sockets, which nobody opens."""
    monkeypatch.setattr(ray_files, "choose_temp_folder", lambda: str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def modes(home: Path) -> tuple[str, str]:
    folder, file = home / ".ray", home / ".ray/auth_token"
    return oct(folder.stat().st_mode & 0o777), oct(file.stat().st_mode & 0o777)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_token_is_its_owner_s_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        secure_token(tmp_path)
    finally:
        os.umask(before)
    assert modes(tmp_path) == ("0o700", "0o600")
    assert len((tmp_path / ".ray/auth_token").read_text()) == 64
    assert [path.name for path in (tmp_path / ".ray").iterdir()] == ["auth_token"]


def test_one_that_is_there_is_kept_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / ".ray"
    folder.mkdir()
    (folder / "auth_token").write_text("secret")
    folder.chmod(0o755)
    (folder / "auth_token").chmod(0o644)
    secure_token(tmp_path)
    assert modes(tmp_path) == ("0o700", "0o600")
    assert (folder / "auth_token").read_text() == "secret"


def test_of_two_who_make_it_at_once_the_first_one_s_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def be_second(here: str, there: Path) -> None:
        Path(there).write_text("first")
        link(here, there)

    monkeypatch.setattr(ray_files.os, "link", be_second)
    secure_token(tmp_path)
    assert (tmp_path / ".ray/auth_token").read_text() == "first"
    assert [path.name for path in (tmp_path / ".ray").iterdir()] == ["auth_token"]


def test_a_home_that_cannot_be_written_to_is_ray_s_to_refuse() -> None:
    secure_token(Path("/dev/null"))


def test_a_folder_goes_also_where_a_process_that_is_about_to_end_still_writes(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, late = shutil.rmtree, iter(("raylet.out", "agent.log"))

    def be_written_into(place: Path, **how: bool) -> None:
        remove(place, **how)
        if name := next(late, None):
            place.mkdir()
            (place / name).write_text("x")

    monkeypatch.setattr(shutil, "rmtree", be_written_into)
    with open_temp_folder() as name:
        Path(name).mkdir()
    assert next(late, None) is None and list(base.iterdir()) == []


def test_a_folder_is_private_and_goes_with_its_run(base: Path) -> None:
    with open_temp_folder() as name:
        folder = Path(name)
        assert folder.parents[1] == base and folder.parent.stat().st_mode & 0o077 == 0
        (folder / "session/logs").mkdir(parents=True)
        (folder / "session_latest").symlink_to(folder / "session")
    assert list(base.iterdir()) == []


def test_one_in_use_is_left_alone_and_a_dead_one_goes(base: Path) -> None:
    script = (
        "import sys\nfrom glacier import ray_files\n"
        f"ray_files.choose_temp_folder = lambda: {str(base)!r}\n"
        "with ray_files.open_temp_folder() as folder:\n"
        "    print(folder, flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    (folder / "session").mkdir(parents=True)
    (base / "glacier-other").mkdir()  # of somebody else: it has no mark
    with open_temp_folder():
        assert (folder / "session").is_dir()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (folder / "session").is_dir()
    with open_temp_folder():
        assert not folder.parent.exists()
    assert [path.name for path in base.iterdir()] == ["glacier-other"]


def test_logs_stay_after_an_error_until_the_next_run(base: Path) -> None:
    with pytest.raises(KeyError), open_temp_folder() as name:
        Path(name).mkdir()
        Path(name, "raylet.log").write_text("why")
        raise KeyError
    assert Path(name, "raylet.log").read_text() == "why"
    with open_temp_folder():
        assert not Path(name).parent.exists()


def test_folders_of_the_dead_go_without_a_ray_too(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.mkdir()
    with own_folder(base) as mine:
        with own_folder(base, "glacier-scratch-") as dead:
            pass
        monkeypatch.setattr(ray_files, "list_temp_folders", lambda: iter([base]))
        remove_lost_folders()
        assert mine.exists() and not dead.exists()


def test_after_an_interrupt_nothing_stays(base: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_temp_folder():
        raise KeyboardInterrupt
    assert list(base.iterdir()) == []


def test_the_logs_of_a_ray_that_was_lost_stay(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_files, "has_given_up", lambda: True)
    with pytest.raises(KeyboardInterrupt), open_temp_folder():
        raise KeyboardInterrupt
    assert len(list(base.iterdir())) == 1


def test_a_folder_of_another_user_or_behind_a_link_is_left_alone(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / LOCK).write_text("")
    base.mkdir()
    (base / "glacier-link").symlink_to(tmp_path / "elsewhere")
    (base / "glacier-theirs").mkdir()
    (base / "glacier-theirs" / LOCK).write_text("")
    user = os.getuid()
    monkeypatch.setattr(ray_files.os, "getuid", lambda: user + 1)
    remove_dead_folders(base)
    assert (base / "glacier-theirs" / LOCK).exists()
    monkeypatch.setattr(ray_files.os, "getuid", lambda: user)
    remove_dead_folders(base)
    assert not (base / "glacier-theirs").exists()
    assert (tmp_path / "elsewhere" / LOCK).exists()


NOISY = """
import os, sys
from pathlib import Path
from glacier.ray_files import divert_stderr

def say(when):
    os.write(2, f"compiled {when}\\n".encode())
    print(f"python {when}", file=sys.stderr)

with divert_stderr(sys.argv[1]):
    say("during")
say("after")
"""


def test_what_compiled_code_says_goes_into_a_file_while_ray_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NOISY, str(tmp_path / "r")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "python during\ncompiled after\npython after\n"
    assert (tmp_path / "r.driver.log").read_text() == "compiled during\n"
