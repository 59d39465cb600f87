"""Ctrl-C and SIGTERM end a program in order, a second one at once: exit codes 130 and 143.

SIGTERM is blocked in every thread and fetched by one that waits for it: Ray puts a handler of its
own in the place of ours, which dumps C++ frames and aborts, and none in that of its successor.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

GO_ON = "interrupted; the same command goes on where this one stopped"
"""Said once, however a program is interrupted."""

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

    number: int | None = None
    """The first signal that asked for it; None: none has."""
    is_told = False
    """Whether the user knows how to go on."""
    is_over = False
    """Whether the work has ended, so that nothing would catch an interrupt."""


def is_interrupted() -> bool:
    """Whether a signal has asked this program to end."""
    return Ending.number is not None


def tell_interrupted() -> int:
    """Say how to go on; returns the exit code, 128 and the number of the signal.

    The number is kept aside since what a signal raises may come back as another error: Ray turns
    it into one of its own, and loses it.
    """
    print(GO_ON, file=sys.stderr, flush=True)
    Ending.is_told = True
    return 128 + (Ending.number or signal.SIGINT)


def run_program(work: Callable[[], int]) -> int:
    """Run the whole of a program, from its first import to its last line.

    A signal that the program's parent has it ignore, as ``nohup`` does, stays ignored.

    Args:
        work: Returns the exit code.

    Returns:
        That, or 130 or 143 where the work was interrupted.
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
            return work()
        finally:
            Ending.is_over = True
    except KeyboardInterrupt:
        return tell_interrupted()


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
        leave(number)
    Ending.number = number
    run_later(GRACE_S, lambda: leave(number))
    nudge()


def stop() -> None:
    """End the program in order, as Ctrl-C does, also where it was started deaf to that.

    May be called in any thread. Where another program uses this package, it gets a Ctrl-C.
    """
    if signal.getsignal(NUDGE) is interrupt:
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
        leave(number)
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


def leave(number: int) -> NoReturn:
    """End at once. What Ray has started on this machine ends with the process that did so."""
    Ending.number = Ending.number or number
    if os.isatty(1):
        os.write(1, SHOW_CURSOR)
    if not Ending.is_told:
        os.write(2, f"{GO_ON}\n".encode())  # a signal may come in the middle of a print
    os._exit(128 + Ending.number)
