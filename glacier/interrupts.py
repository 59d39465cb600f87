"""Ctrl-C and SIGTERM end a program in order, a second one at once: exit codes 130 and 143.

SIGTERM is blocked in every thread and fetched by one that waits for it: Ray puts a handler of its
own in the place of ours, which dumps C++ frames and aborts, and none in that of its successor.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

GO_ON = "interrupted; the same command goes on where this one stopped"
"""Said once, however a program is interrupted."""

LOST = (
    "ended without a word, as the system does where memory runs out, and Ray where it was lost; "
    "the same command goes on where this one stopped"
)
"""Said by the witness."""

WITNESS = "import sys; sys.stdin.buffer.read() or print(sys.argv[1], file=sys.stderr)"
"""What the witness does: it says so unless it has read something when its input ends."""

GIVEN_UP = 1
"""Exit code of a program that cannot go on."""

STDERR = 2
"""File that a process says its faults to."""

NUDGE = signal.SIGUSR2
"""Sent to the main thread by the others, so that an interrupt is raised there."""

GRACE_S = 20.0
"""Longest that an orderly end may take, seconds; schedulers kill after 30."""

AGAIN_S = 0.05
"""Seconds until an interrupt that was lost is raised once more."""

SHOW_CURSOR = b"\x1b[?25h"
"""Gives back what a progress line has hidden. Source: DECTCEM of the VT220."""


class Ending:
    """How this program is being ended."""

    code: int | None = None
    """Exit code that was asked for; None: no end was."""
    said = GO_ON
    """What the user is told."""
    stderr = STDERR
    """File that it is told to."""
    stop: Callable[[], None] | None = None
    """Asks work that has no end of its own to come to one; None: it is interrupted."""
    witness: int | None = None
    """File that dismisses the witness; None: there is none."""
    is_told = False
    """Whether the user knows how to go on."""
    is_over = False
    """Whether the work has ended, so that nothing would catch an interrupt."""


def is_interrupted() -> bool:
    """Whether this program was asked to end."""
    return Ending.code is not None


def has_given_up() -> bool:
    """Whether it was asked so by itself, since it cannot go on."""
    return Ending.code == GIVEN_UP


def tell_interrupted() -> int:
    """Say how to go on; returns the exit code, after a signal 128 and its number.

    The code is kept aside since what a signal raises may come back as another error: Ray turns
    it into one of its own, and loses it.
    """
    print(Ending.said, file=sys.stderr, flush=True)
    Ending.is_told = True
    return 128 + signal.SIGINT if Ending.code is None else Ending.code


def run_program(work: Callable[[], int]) -> int:
    """Run the whole of a program, from its first import to its last line.

    A signal that the program's parent has it ignore, as ``nohup`` does, stays ignored.

    Args:
        work: Returns the exit code.

    Returns:
        That, or 130 or 143 where the work was interrupted. A program that has given up ends here.
    """
    atexit.register(ignore_late)  # first, so that it is called last
    sys.unraisablehook = interrupt_again
    signal.signal(NUDGE, interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, ask_to_end)
    threading.Thread(target=await_sigterm, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.register_at_fork(after_in_child=heed_sigterm)
    try:
        try:
            code = work()
        finally:
            Ending.is_over = True
    except (KeyboardInterrupt, Exception) as error:
        if not (is_interrupted() or isinstance(error, KeyboardInterrupt)):
            raise
        code = tell_interrupted()  # compiled code may have made another error of it
    if has_given_up():
        leave(code)  # what is called at the exit may wait for what has ended
    return code


def ignore_late() -> None:
    """Let a Ctrl-C in the last moment change no exit code.

    Python gives signals back to the system before it ends, but for those that are ignored.
    """
    if is_interrupted():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def await_sigterm() -> None:
    """Fetch every SIGTERM, in a thread of its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    while True:
        ask_to_end(signal.sigwait([signal.SIGTERM]))


def heed_sigterm() -> None:
    """Let a child process end by SIGTERM, as Ray ends those that it starts."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def ask_to_end(number: int, frame: FrameType | None = None) -> None:
    """Have an interrupt raised in the main thread; end at once if asked before, or too late."""
    if is_interrupted() or Ending.is_over:
        leave(128 + number)
    if Ending.stop is not None:
        Ending.code = 128 + number
        run_later(GRACE_S, lambda: leave(128 + number))
        Ending.stop()
        return
    begin_end(128 + number)


def give_up(said: str) -> None:
    """Have the program end with exit code 1, asked from a thread beside the main one.

    A process that :func:`run_program` does not run, such as a notebook's, is left alone.

    Args:
        said: What the user is told.
    """
    if is_program() and not is_interrupted() and not Ending.is_over:
        Ending.said = said
        begin_end(GIVEN_UP)


@contextmanager
def end_well(stop: Callable[[], None]) -> Iterator[None]:
    """Have the first Ctrl-C or SIGTERM in the length of the block be no interrupt, but a wish.

    Args:
        stop: Asks the work to come to its end soon; it is called in any thread.
    """
    Ending.stop = stop
    try:
        yield
    finally:
        Ending.stop = None


def is_program() -> bool:
    """Whether :func:`run_program` runs this process."""
    return signal.getsignal(NUDGE) is interrupt


@contextmanager
def have_witness() -> Iterator[None]:
    """Have another process say how to go on should this one vanish in the length of the block.

    The system may kill it, and so may Ray's compiled code, which no Python hears of.
    """
    if not is_program():
        yield
        return
    command = [sys.executable, "-IS", "-c", WITNESS, LOST]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, process_group=0) as witness:
        assert witness.stdin is not None
        Ending.witness = witness.stdin.fileno()
        try:
            yield
        finally:
            dismiss_witness()


def dismiss_witness() -> None:
    """Let the witness end without a word."""
    if Ending.witness is not None:
        with suppress(OSError):  # somebody has killed it
            os.write(Ending.witness, b".")
    Ending.witness = None


def begin_end(code: int) -> None:
    """Have an interrupt raised in the main thread, and end soon even if nothing comes of it."""
    Ending.code = code
    run_later(GRACE_S, lambda: leave(code))
    nudge()


def stop() -> None:
    """End the program in order, as Ctrl-C does, also where it was started deaf to that.

    May be called in any thread. Where another program uses this package, it gets a Ctrl-C.
    """
    if is_program():
        ask_to_end(signal.SIGINT)
    else:
        nudge(signal.SIGINT)


def nudge(number: int = NUDGE) -> None:
    """Have an interrupt raised in the main thread, whatever it waits for."""
    if main := threading.main_thread().ident:
        signal.pthread_kill(main, number)


def interrupt(number: int, frame: FrameType | None = None) -> None:
    """Raise the interrupt."""
    if Ending.is_over:
        leave(128 + number)
    raise KeyboardInterrupt


def interrupt_again(lost: sys.UnraisableHookArgs) -> None:
    """Raise an interrupt once more that compiled code or a finaliser could not pass on."""
    if is_interrupted() and isinstance(lost.exc_value, KeyboardInterrupt):
        run_later(AGAIN_S, nudge)
    else:
        sys.__unraisablehook__(lost)


def run_later(seconds: float, work: Callable[[], object]) -> None:
    """Call a function beside the main thread, which may hang."""
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    with suppress(RuntimeError):  # too late for threads, and so for hanging
        timer.start()


def leave(code: int) -> NoReturn:
    """End at once. What Ray has started on this machine ends with the process that did so."""
    Ending.code = code if Ending.code is None else Ending.code
    if os.isatty(1):
        os.write(1, SHOW_CURSOR)
    if not Ending.is_told:
        said = f"{Ending.said}\n".encode()
        os.write(Ending.stderr, said)  # a signal may come in the middle of a print
    dismiss_witness()
    os._exit(Ending.code)
