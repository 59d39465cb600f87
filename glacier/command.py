"""A job: flags -> one call -> exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence

from glacier.config import Config
from glacier.errors import ConfigError, GlacierError, Occupied
from glacier.faults import explain_fault, explain_files, find_fault
from glacier.flags import load_config
from glacier.interrupts import is_interrupted, tell_interrupted
from glacier.settings.paths import expand_path
from glacier.settings.regions import Region, RegionFile

IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable that ``ray job submit`` sets for its driver."""


Stage = Callable[[Config], int]
"""Takes the configuration, returns how many units failed past the allowed number."""


Check = Callable[[Config], None]
"""Raises a ConfigError where a configuration cannot be run."""


def run_command(
    argv: Sequence[str],
    about: str,
    stage: Stage,
    modes: Mapping[str, Stage] | None = None,
    check: Check | None = None,
    sections: Collection[str] | None = None,
) -> int:
    """Run one stage as a command.

    Args:
        argv: The configuration file and the flags.
        about: What the command does, printed by ``--help``.
        stage: Does the work. It imports what it needs itself, so that help and faults are
            answered at once.
        modes: Flags without a value, such as ``--dry-run``, and what each runs in place of the
            stage.
        check: Looks at the configuration before the stage, not before what a mode runs.
        sections: Fields that the help shows, by how their names begin; None: all.

    Returns:
        0 when all is well or is left to another run, 1 when units failed or an expected error
        ended the work, 2 when the configuration or the machine cannot do it, 130 or 143 when
        interrupted.
    """
    config = None
    try:
        modes, chosen = modes or {}, [flag for flag in argv if flag in (modes or {})]
        words = [word for word in argv if word not in modes]
        config = load_config(words, about, read_file, sections)
        check_folders(config)
        if chosen:
            return 1 if modes[chosen[-1]](config) else 0
        if check is not None:
            check(config)
        return 1 if stage(config) else 0
    except (KeyboardInterrupt, Exception) as error:
        return end_badly(error, config)


def end_badly(error: BaseException, config: Config | None) -> int:
    """Say in a sentence why a job ended early; returns its exit code.

    Args:
        error: What it ended with.
        config: The run's; None where it is not known yet.

    Raises:
        BaseException: The error itself, where it is a defect.
    """
    if isinstance(error, KeyboardInterrupt) or is_interrupted():
        return tell_interrupted()
    if isinstance(error, Occupied):
        print(error)
        return 0
    if isinstance(error, ConfigError):
        print(f"configuration error\n{error}", file=sys.stderr)
        return 2
    if isinstance(error, GlacierError):
        error = getattr(error, "cause", error)  # Ray wraps what a worker raised in its traceback
        said = f"{type(error).__name__}: {error}"
    elif (fault := find_fault(error)) is not None:
        said = explain_fault(fault, config.name if config else "")
    else:
        said = explain_files(error, [config.storage, config.results] if config else [])
    if not said:
        raise error
    print(said, file=sys.stderr)
    return 1


def read_file(wanted: RegionFile) -> Sequence[Region]:
    """The glaciers of a vector file; the libraries for it are imported where one is named."""
    print(f"reading regions from {wanted.file}", flush=True)
    from glacier.geo.regions import read_regions

    return read_regions(wanted)


def check_folders(config: Config) -> None:
    """Refuse relative folders inside a submitted job, whose working folder is thrown away.

    Raises:
        ConfigError: Storage or results would be lost with the job.
    """
    if IN_A_JOB not in os.environ:
        return
    for name, place in (("storage", config.storage), ("results", config.results)):
        if "://" not in place and not os.path.isabs(expand_path(place)):
            raise ConfigError(
                f"{name} = {place!r} lies in this job's private copy of the folder, which is lost "
                "with the job; give s3://..., or an absolute path that every node mounts"
            )
