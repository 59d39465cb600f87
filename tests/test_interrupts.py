"""How a program ends on signals, each in a process of its own; no Ray, no network."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from glacier.interrupts import GO_ON, LOST, give_up, is_interrupted, tell_interrupted

ROOT = Path(__file__).parents[1]
BEGIN = """
import atexit, signal, sys, time
from glacier import interrupts
from glacier.interrupts import run_program

def wait(text, seconds=30):
    print(text, flush=True)
    time.sleep(seconds)

"""
PLAIN = """
def work():
    wait("ready")
    return 0
"""
SLOW_END = """
def work():
    try:
        wait("ready")
    finally:
        wait("ready again")
"""
TURNED = """
def work():
    from glacier.command import end_badly
    from glacier.errors import ConfigError
    try:
        wait("ready")
    except KeyboardInterrupt:
        try:
            raise ConfigError("Ray cannot be used")
        except ConfigError as error:
            return end_badly(error, None)
"""
AT_EXIT = """
atexit.register(wait, "ready")
def work():
    return 0
"""
AT_EXIT_AGAIN = """
def work():
    atexit.register(wait, "ready again")  # as Ray does, once it is there
    wait("ready")
"""
SWALLOWED = """
interrupts.GRACE_S = 0.2
def work():
    try:
        wait("ready")
    except BaseException:
        wait("ready again")
    return 0
"""
DROPPED = """
class Lost:
    def __del__(self):
        wait("ready")
def work():
    Lost()
    wait("went on")
    return 0
"""
CANNOT_GO_ON = """
import threading
interrupts.GRACE_S = 0.2
def work():
    threading.Timer(0.1, interrupts.give_up, ["it cannot go on"]).start()
    try:
        wait("working")
    except KeyboardInterrupt:
        {then}
"""
END = "raise SystemExit(run_program(work))\n"


def start(body: str, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BEGIN + body + END]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=before or heed_interrupts,
    )  # fmt: skip


def heed_interrupts() -> None:
    """A shell starts what runs in its background deaf to Ctrl-C, and so all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def send_when_ready(process: subprocess.Popen[str], *numbers: int) -> tuple[int, str]:
    """Send a signal at each line that the program prints; returns its code, and what it said."""
    assert process.stdout is not None
    for number in numbers:
        assert process.stdout.readline().startswith("ready")
        time.sleep(0.05)  # until it sleeps
        process.send_signal(number)
    _, said = process.communicate(timeout=20)
    return process.returncode, said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("body", [PLAIN, TURNED, SWALLOWED, DROPPED, AT_EXIT])
def test_a_signal_ends_a_program_with_its_code_and_one_line(
    body: str, number: int, code: int
) -> None:
    """While it works, while a library turns it into an error, swallows or loses it, at the exit."""
    assert send_when_ready(start(body), number) == (code, f"{GO_ON}\n")


@pytest.mark.parametrize("body", [SLOW_END, AT_EXIT_AGAIN])
@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM, signal.SIGTERM), 143),
        ((signal.SIGTERM, signal.SIGINT), 143),
    ],
)
def test_the_second_signal_ends_it_at_once(body: str, numbers: tuple[int, ...], code: int) -> None:
    began = time.monotonic()
    assert send_when_ready(start(body), *numbers) == (code, f"{GO_ON}\n")
    assert time.monotonic() - began < 20, "the end itself takes thirty seconds"


@pytest.mark.parametrize("then", ["raise", "wait('hangs')"])
def test_a_program_that_cannot_go_on_says_why_in_one_line(then: str) -> None:
    """It ends in order, or hangs as it ends."""
    process = start(CANNOT_GO_ON.format(then=then))
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (1, "it cannot go on\n")


ENDLESS = """
def work():
    asked = []
    with interrupts.end_well(lambda: asked.append(1)):
        print("ready", flush=True)
        while not asked:
            time.sleep(0.01)
    {then}
    return 0
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_without_an_end_of_its_own_ends_well_when_asked_to(number: int) -> None:
    assert send_when_ready(start(ENDLESS.format(then="pass")), number) == (0, "")


def test_work_that_does_not_end_when_asked_to_ends_at_the_second_signal() -> None:
    process = start(ENDLESS.format(then='wait("ready again")'))
    numbers = (signal.SIGTERM, signal.SIGTERM)
    assert send_when_ready(process, *numbers) == (143, f"{GO_ON}\n")


WITNESSED = """
import os
def work():
    with interrupts.have_witness():
        {then}
    return 0
"""


@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ("pass", 0, ""),
        ("os._exit(1)", 1, f"{LOST}\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, f"{LOST}\n"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", 130, f"{GO_ON}\n"),
        ("interrupts.leave(143)", 143, f"{GO_ON}\n"),
    ],
)
def test_who_vanishes_has_a_witness(then: str, code: int, said: str) -> None:
    process = start(WITNESSED.format(then=then))
    assert process.communicate(timeout=20)[1] == said
    assert process.returncode == code


def test_who_is_no_program_of_ours_is_left_alone() -> None:
    give_up("it cannot go on")
    assert not is_interrupted()


def test_a_signal_that_is_ignored_stays_so() -> None:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    process = start(PLAIN, ignore)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    process.communicate()


RAISED = """
def work():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt as error:
        raise ValueError("a schema cannot be built") from error
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_that_came_back_as_another_error_is_one(number: int, code: int) -> None:
    """As pydantic's compiled code makes of one that comes while it builds a schema."""
    assert send_when_ready(start(RAISED), number) == (code, f"{GO_ON}\n")


def test_an_error_without_an_interrupt_is_an_error() -> None:
    process = start("def work():\n    raise ValueError('of its own')\n")
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1 and "ValueError: of its own" in said


def test_work_that_ends_by_itself_keeps_its_code() -> None:
    process = start("def work():\n    return 7\n")
    assert process.communicate(timeout=20) == ("", "") and process.returncode == 7


def test_an_interrupt_without_a_signal_is_ctrl_c() -> None:
    assert tell_interrupted() == 130


@pytest.mark.parametrize("moment_s", [0.05, 0.2, 0.6, 1.5])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_verb_heeds_signals_while_it_is_imported(
    tmp_path: Path, moment_s: float, number: int, code: int
) -> None:
    """What is interrupted says so in one line; what has just ended, nothing."""
    from tests.support.tiny import write_tiny

    script = (
        "import sys; sys.argv[1:] = ['pipeline', sys.argv[1], '--dry-run']\n"
        "from glacier.verbs import main; print('ready', flush=True); raise SystemExit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(write_tiny(tmp_path))], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(moment_s)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) in [(code, f"{GO_ON}\n"), (0, "")]
