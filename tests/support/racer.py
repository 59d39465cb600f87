"""A run that takes the lock of a folder again and again, and writes down when it owned it.

    python tests/support/racer.py folder times diary

Each line of the diary is ``<process> in`` or ``<process> out``; both racers append to one.
"""

import os
import sys
import time
from pathlib import Path

from glacier import locks
from glacier.config import Config
from glacier.owner import GONE, read_start

REGION = {"name": "somewhere", "polygon": [[0, 0], [0.1, 0], [0.1, 0.1]]}


def enter(inside: Path) -> None:
    """Put the own number at a place where only one can be; that of a dead process goes."""
    try:
        os.symlink(str(os.getpid()), inside)
    except FileExistsError:
        assert read_start(int(os.readlink(inside))) == GONE, "another is inside"
        inside.unlink()
        os.symlink(str(os.getpid()), inside)


def main(folder: str, times: str, diary: str) -> int:
    """Own the folder so many times."""
    locks.POLL_S = 0.002
    locks.FIRST_POLL_S = 0.001
    config = Config.model_validate({"name": "race", "regions": [REGION]})
    me, inside = f"{os.getpid()}".encode(), Path(folder) / "inside"
    file = os.open(diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(int(times)):
        with locks.hold(config, folder):
            enter(inside)
            os.write(file, me + b" in\n")
            time.sleep(0.001)
            os.write(file, me + b" out\n")
            inside.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
