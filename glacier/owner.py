"""Whose a lock is: which run, in which process of which machine, and whether it is alive."""

from __future__ import annotations

import os
import platform
import re
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field

from glacier.settings.model import Model
from glacier.settings.values import Name
from glacier.store import checksum

DEAD_S = 120.0
"""Silence after which an owner on another machine counts as dead, seconds: longer than a file
server, a store that throttles or the move of a virtual machine holds a living one up."""

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Moment = Annotated[AwareDatetime, Field(ge=NEVER, lt=datetime(9000, 1, 1, tzinfo=UTC))]
"""A time that every time zone can show."""

GONE = "gone"
"""Start of a process that is not there any more."""


class Owner(Model):
    """The owner of a lock, as the lock's file says it. Whoever reads one trusts no character."""

    id: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Of this one lock."""
    run: Name
    """Name of the run."""
    host: str = Field(pattern=r"^[\x21-\x7e]{0,255}$")
    """Name of the machine, for people."""
    machine: str
    """The machine since its last start, and its space of process numbers; empty: not known."""
    pid: int = Field(ge=0, lt=2**31)
    """Process; 0: not known."""
    started: str
    """When the process began, as the system counts; empty: not known."""
    taken: Moment
    heartbeat: Moment
    """When the owner was alive last; whole seconds, so that all heartbeats are of one length."""

    @classmethod
    def of_this_process(cls, run: str) -> Owner:
        """A new owner: this process, on behalf of a run."""
        now, pid = read_clock(), os.getpid()
        return cls(
            id=uuid.uuid4().hex,
            run=run,
            host=re.sub(r"[^\x21-\x7e]", "?", platform.node())[:255],
            machine=name_machine(),
            pid=pid,
            started=read_start(pid),
            taken=now,
            heartbeat=now,
        )

    @classmethod
    def unreadable(cls, data: bytes) -> Owner:
        """The owner of a lock that is damaged, or of another version: nothing is known of it."""
        return cls(
            id=checksum(data)[:32],
            run="unknown",
            host="",
            machine="",
            pid=0,
            started="",
            taken=NEVER,
            heartbeat=NEVER,
        )

    def __str__(self) -> str:
        """As messages name it."""
        if not self.pid:
            return "a run whose lock cannot be read"
        since = f"{self.taken.astimezone():%Y-%m-%d %H:%M:%S}"
        return f"run {self.run} (process {self.pid} on {self.host}, since {since})"

    def renew(self, **changes: datetime) -> Owner:
        """The same, alive now."""
        return self.model_copy(update={"heartbeat": read_clock(), **changes})

    def encode(self) -> bytes:
        """The content of its lock."""
        return f"{self.model_dump_json(indent=1)}\n".encode()

    def is_near(self) -> bool:
        """Whether it runs on this machine, where its process can be looked at."""
        return self.machine == name_machine()

    def is_running(self) -> bool:
        """Whether its process is alive; asked only of one that is near.

        A process of the same number that began at another time is not it.
        """
        found = read_start(self.pid)
        known = found and self.started
        return found == self.started if known else found != GONE

    def may_live(self) -> bool:
        """Whether it is alive as far as one look tells."""
        if self.is_near():
            return self.is_running()
        return (datetime.now(UTC) - self.heartbeat).total_seconds() < DEAD_S


def read_clock() -> datetime:
    """The time now in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def name_machine() -> str:
    """This machine since its last start, and the space that its process numbers belong to.

    Two containers share a machine and may share a name, but not their processes.
    """
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return platform.node()


def read_start(pid: int) -> str:
    """When a process began, in ticks since the machine did, or ``GONE``; empty: cannot be known.

    A killed process that its parent has not asked after yet is gone, too.

    Source: proc_pid_stat(5), fields 3 (state) and 22 (starttime).
    """
    with suppress(OSError):  # gone, of another user, or a system without such files
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        fields = text.rpartition(")")[2].split()
        return GONE if fields[0] in "ZXx" else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return GONE
    except OSError:
        pass
    return ""
