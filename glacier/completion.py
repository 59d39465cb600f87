"""A script by which a shell completes verbs, fields and file names."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping

import shtab

from glacier.config import Config
from glacier.flags import field_names

SHELLS = ("bash", "zsh")


def write_completion(
    shell: str, summaries: Mapping[str, str], flags: Mapping[str, Iterable[str]]
) -> str:
    """The script for a shell.

    Args:
        shell: One of ``SHELLS``.
        summaries: Every verb and its line.
        flags: Those verbs that take a configuration, and the flags of each beside the fields.
    """
    parser = argparse.ArgumentParser("glacier")
    commands = parser.add_subparsers(dest="verb")
    for name, summary in summaries.items():
        command = commands.add_parser(name, help=summary)
        if name not in flags:
            continue
        for flag in flags[name]:
            command.add_argument(flag, action="store_true")
        for field in field_names(Config):
            command.add_argument(f"--{field}")
        path = command.add_argument("configuration")
        path.complete = shtab.FILE  # type: ignore[attr-defined]
    return shtab.complete(parser, shell)
