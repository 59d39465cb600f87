"""A process that maps files that anybody may have made: it loads a model once, then takes orders.

``python -m glacier.serving.map_process <pid of the service>``: the first line of its input is the
model, each further one an order; it answers each by a line, and ends with its input.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from glacier.errors import GlacierError
from glacier.serving.answer import Answer
from glacier.serving.map_image import LoadedCandidate, load_candidate, map_image, warm_up
from glacier.serving.orders import DEFECT, MEMORY, Order, Reply
from glacier.serving.served_models import Candidate
from glacier.training.process import give_back

PR_SET_PDEATHSIG = 1
"""Option of ``prctl``. Source: linux/prctl.h."""

NO_MEMORY = (
    "can't allocate memory", "not enough memory", "out of memory", "Insufficient memory",
    "cannot allocate",
)  # fmt: skip
"""What PyTorch, OpenCV and GDAL say, in errors that are no ``MemoryError``."""


def main() -> None:
    """Load the model of the first line, and answer the others until the input ends."""
    replies = take_output()
    die_with(int(sys.argv[1]))
    lines: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=read_lines, args=(lines,), daemon=True).start()
    first = Candidate.model_validate_json(lines.get())
    loaded: list[LoadedCandidate] = []
    reply = attempt(lambda: loaded.append(prepare(first)))
    send(replies, reply)
    while loaded and not reply.is_last:
        order = Order.model_validate_json(lines.get())
        reply = attempt(lambda order=order: obey(loaded[0], order))  # type: ignore[misc]
        send(replies, reply)


def take_output() -> BinaryIO:
    """The pipe of replies; what a library prints goes to the log instead."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def die_with(service: int) -> None:
    """End with the service, however it ends, and also in the middle of an image.

    Where the system cannot do that, the input does, which ends with the service too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != service:  # it was gone before
        os._exit(1)


def read_lines(lines: SimpleQueue[bytes]) -> None:
    """Pass the lines of the input on; at its end the process ends, whatever it is doing."""
    for line in sys.stdin.buffer:
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
    """Map the image of an order, within its limit of memory.

    Raises:
        GlacierError: It cannot be mapped; the message names the file and not where it lies.
    """
    limit_memory(order.memory_mb)
    try:
        return map_image(loaded, Path(order.image), Path(order.folder), order.pixels)
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
    """Send a reply, then give back what the work has left."""
    replies.write(reply.model_dump_json().encode() + b"\n")
    replies.flush()
    gc.collect()
    give_back()


if __name__ == "__main__":
    main()
