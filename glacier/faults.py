"""Lost workers, nodes, connections and disks -> one sentence; Ray's own account goes into a file.

Ray is not imported here: where it was not, none of its errors was raised.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SENTENCES = {
    "OutOfMemoryError": (
        "a node ran low on memory and Ray ended a worker there; let fewer run side by side "
        "(raise sweep.cpus_per_trial or lower cluster.cpus), or lower sweep.batch_size or "
        "prepare.size_px"
    ),
    "NodeDiedError": "a node was lost",
    "LocalRayletDiedError": "Ray ended on this machine",
    "WorkerCrashedError": (
        "a worker process was ended, as the system does where memory runs out; let fewer run side "
        "by side (lower cluster.cpus)"
    ),
    "RayActorError": "a worker process was ended, or its node was lost",
    "GetTimeoutError": "Ray gave no answer in time",
    "ObjectStoreFullError": (
        "Ray's shared memory is full; take fewer months or regions at once, or nodes with more"
    ),
    "OutOfDiskError": "the disk of Ray's temporary files is full; set RAY_TMPDIR to another",
    "ObjectLostError": "what a worker had made was lost with its node",
    "AuthenticationError": "the cluster refuses the token; set RAY_AUTH_MODE=token, give its own",
    "RuntimeEnvSetupError": "a node could not set up the job's environment",
    "RpcError": "the connection to the cluster was lost",
    "RaySystemError": "the connection to the cluster was lost",
    "RayError": "Ray could not go on",
}
"""Class of Ray's error, or of one that it derives from, to what has happened."""

OTHER_CODE = "deserialize_objects"
"""What Ray's account of a value names that a process could not read."""


GONE = (errno.ENOENT, errno.ENOTDIR, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
        errno.ESTALE)  # fmt: skip
"""What the system says of a folder that was there before, and could be written to."""


def find_fault(error: BaseException) -> BaseException | None:
    """Ray's own error behind an error; None where a defect is, or Ray has no part in it."""
    ray: Any = sys.modules.get("ray.exceptions")
    if ray is None:
        return None
    carriers = (ray.RayTaskError, ray.UserCodeException)  # of what a task's own code raised
    faults = (
        found
        for found in unwrap(error)
        if isinstance(found, ray.RayError) and not isinstance(found, carriers)
    )
    return next(faults, None)


def unwrap(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from; of a task's error what the task raised."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        cause = getattr(found, "cause", None)
        found = cause if isinstance(cause, BaseException) else found.__cause__


def explain_fault(error: BaseException, name: str) -> str:
    """What has happened, what to do, and where the whole account lies.

    Args:
        error: As :func:`find_fault` gives it.
        name: Of the run.
    """
    kinds = (kind.__name__ for kind in type(error).__mro__)
    sentence = next(SENTENCES[kind] for kind in kinds if kind in SENTENCES)
    if OTHER_CODE in str(error):
        sentence = (
            "one process could not read what another had sent: their code differs, or was changed "
            "while the run went on; have the same version on all nodes"
        )
    return (
        f"{type(error).__name__}: {sentence}; the same command goes on where this one stopped"
        f"{keep_account(error, name)}"
    )


def explain_files(error: BaseException, places: Sequence[str]) -> str:
    """What has happened to a disk or a folder under a run, and what to do, in a sentence.

    Libraries that write files themselves, such as Ray Tune, raise plain errors of the system.

    Args:
        error: What ended the run.
        places: Its storage and its results.

    Returns:
        Nothing where the error is of another kind: a missing file elsewhere is a defect.
    """
    from glacier.machine import list_temp_folders  # late: most runs end well
    from glacier.store import FULL, absolute, measure_free

    folders = [absolute(place) for place in places if "://" not in place]
    folders += [*map(str, list_temp_folders()), tempfile.gettempdir()]
    for found in unwrap(error):
        if not isinstance(found, OSError) or found.errno is None:
            continue
        told = str(found.filename or found)
        place = next((folder for folder in folders if folder in told), "")
        where = os.fsdecode(found.filename) if found.filename else place
        if found.errno in FULL:
            return explain_full(where or min(folders, key=measure_free))
        if found.errno in GONE and place:
            return (
                f"cannot use {where}: {os.strerror(found.errno).lower()}; was it moved, removed or "
                "locked while the run used it? Put that right, then run the same command again"
            )
    return ""


def explain_full(where: str) -> str:
    """What to say of a file or folder whose disk is full."""
    from glacier.store import measure_free

    return (
        f"cannot write {where}: {measure_free(where)} bytes are free there, and more are needed; "
        "make room, then run the same command again"
    )


def keep_account(error: BaseException, name: str) -> str:
    """Write an error's whole text into a file; returns where, or nothing if it cannot be kept."""
    path = Path(tempfile.gettempdir()) / f"glacier-{name}-{time.strftime('%Y%m%d-%H%M%S')}.log"
    try:
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return ""
    return f"; Ray's own account is in {path}"
