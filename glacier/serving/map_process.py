"""Processes that map files that anybody may have made, forked where all is imported already.

``python -m glacier.serving.map_process <pid of the service>`` imports all that mapping needs, says
so, and forks a process for each socket that it is sent. Such a process loads the model of its first
line, answers each further line, an order, and ends with its socket. So one that had to be ended is
there again in the time that the model takes. Nothing here may start a thread before the fork.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from glacier.errors import GlacierError
from glacier.explaining.image_bands import explain_image
from glacier.serving.answer import Answer
from glacier.serving.map_image import LoadedCandidate, load_candidate, map_image, warm_up
from glacier.serving.orders import DEFECT, MEMORY, Order, Reply
from glacier.serving.served_models import Candidate
from glacier.training.process import give_back

READY, MOST_WORDS = b"ready\n", 64
"""What is said once all is imported, and bytes of what the service says at once, at the most."""

PR_SET_PDEATHSIG = 1
"""Option of ``prctl``. Source: linux/prctl.h."""

NO_MEMORY = (
    "can't allocate memory", "not enough memory", "out of memory", "Insufficient memory",
    "cannot allocate",
)  # fmt: skip
"""What PyTorch, OpenCV and GDAL say, in errors that are no ``MemoryError``."""


def main() -> None:
    """Do as the service says: fork a process that maps, or wait for the end of one."""
    control = socket.socket(fileno=os.dup(0))
    os.dup2(2, 1)  # what a library prints is no reply
    die_with(int(sys.argv[1]))
    gc.collect()
    gc.freeze()  # what is imported is looked through no more, and its pages stay shared
    control.sendall(READY)
    while True:
        words, places, _, _ = socket.recv_fds(control, MOST_WORDS, 1)
        if not words:  # the service has ended
            return
        control.sendall(b"%d\n" % (fork(control, places[0]) if places else reap(int(words))))


def fork(control: socket.socket, place: int) -> int:
    """Start a process that takes orders from a socket; returns its pid."""
    parent = os.getpid()
    if pid := os.fork():
        os.close(place)
        return pid
    try:
        control.close()
        die_with(parent)
        serve(socket.socket(fileno=place))
    except BaseException:  # nobody else would tell of it
        traceback.print_exc()
    os._exit(0)


def reap(pid: int) -> int:
    """How a process ended, once it has: its exit code, or a signal's number below 0."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def serve(service: socket.socket) -> None:
    """Load the model of the first line, and answer the others until there are no more."""
    replies, lines = service.makefile("wb"), SimpleQueue[bytes]()
    Thread(target=read_lines, args=(service.makefile("rb"), lines), daemon=True).start()
    first = Candidate.model_validate_json(lines.get())
    loaded: list[LoadedCandidate] = []
    reply = attempt(lambda: loaded.append(prepare(first)))
    send(replies, reply)
    while loaded and not reply.is_last:
        order = Order.model_validate_json(lines.get())
        send(replies, Reply())  # from here on the image is to blame
        reply = attempt(lambda order=order: obey(loaded[0], order))  # type: ignore[misc]
        send(replies, reply)
        gc.collect()
        give_back()


def die_with(parent: int) -> None:
    """End with the process that made this one, however it ends, also in the middle of an image.

    Where the system cannot do that, the socket does, which ends with the service too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(1)


def read_lines(source: Iterable[bytes], lines: SimpleQueue[bytes]) -> None:
    """Pass lines on; where there are no more the process ends, whatever it is doing."""
    for line in source:
        lines.put(line)
    os._exit(0)


def prepare(candidate: Candidate) -> LoadedCandidate:
    """Load a model and try it.

    Raises:
        GlacierError: It cannot be loaded, or cannot answer.
    """
    loaded = load_candidate(candidate)
    warm_up(loaded)
    return loaded


def obey(loaded: LoadedCandidate, order: Order) -> Answer:
    """Map the image of an order, and say what decided it where asked, within its memory.

    Raises:
        GlacierError: It cannot be mapped; the message names the file and not where it lies.
    """
    limit_memory(order.memory_mb)
    try:
        answer = map_image(loaded, Path(order.image), Path(order.folder), order.pixels)
        if not order.explain:
            return answer
        found = explain_image(Path(order.image), loaded.models, loaded.candidate.predict)
        return answer.model_copy(update={"explanation": found})
    except GlacierError as error:
        raise type(error)(hide_places(str(error), order)) from error


def hide_places(text: str, order: Order) -> str:
    """A message without the folders of the service's machine."""
    for place in (order.image, order.folder):
        text = text.replace(place, Path(place).name)
    return text


def limit_memory(memory_mb: int) -> None:
    """Let the process take so much memory and no more, where the system can see to that.

    Pages of its own count, not what is mapped without being used, as GPUs and threads do it.
    """
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * 10**6, hard))


def attempt(work: Callable[[], Answer | None]) -> Reply:
    """What comes of some work, as a reply."""
    try:
        return Reply(answer=work())
    except Exception as error:
        if lacks_memory(error):
            return Reply(kind=MEMORY, message=str(error))
        if isinstance(error, GlacierError):
            return Reply.refuse(error)
        traceback.print_exc()
        return Reply(kind=DEFECT, message=f"{type(error).__name__}: {error}")


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that there is no memory left."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def send(replies: BinaryIO, reply: Reply) -> None:
    """Send a reply."""
    replies.write(reply.model_dump_json().encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    main()
