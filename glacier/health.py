"""Whether this machine, or a cluster, is fit for a run: ``glacier doctor``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from glacier.command import end_badly, read_file
from glacier.config import Config
from glacier.doctor import hardware, places, ray_checks, software
from glacier.doctor.findings import Finding, examine
from glacier.errors import GlacierError
from glacier.flags import load_config
from glacier.progress import say

KINDS = (software, hardware, places, ray_checks)
"""Modules of checks; they are registered in the order of their imports."""

USAGE = """usage: glacier doctor [config.yaml] [--field value] [--json]

Look whether this machine, and what a configuration names, is fit for a run: versions, GPU, cores,
memory, disk, accounts, storage, Ray, clock, what killed runs have left. A line each: OK, WARN or
FAIL, with the remedy. Nothing is kept. Exit codes: 0 no FAIL, 1 a FAIL, 2 a wrong configuration."""

JSON = "--json"


def run_doctor(argv: Sequence[str]) -> int:
    """Answer the arguments of the verb; returns its exit code."""
    if "--help" in argv or "-h" in argv:
        print(USAGE)
        return 0
    words, config = [word for word in argv if word != JSON], None
    if words:
        try:
            config = load_config(words, USAGE, read_file)
        except GlacierError as error:
            return end_badly(error, None)
    findings = list(report(examine(config), is_silent=JSON in argv))
    if JSON in argv:
        say(json.dumps([finding.model_dump() for finding in findings], indent=1))
    return conclude(findings, config, is_silent=JSON in argv)


def report(findings: Iterable[Finding], is_silent: bool) -> Iterable[Finding]:
    """Print findings as they come, and hand them on."""
    for finding in findings:
        if not is_silent:
            say(str(finding))
        yield finding


def conclude(findings: Sequence[Finding], config: Config | None, is_silent: bool) -> int:
    """Say what the findings come to; returns the exit code."""
    levels = [finding.level for finding in findings]
    failed, warned = levels.count("FAIL"), levels.count("WARN")
    what = f"run {config.name}" if config else "runs"
    fit = f"not fit for {what}" if failed else f"fit for {what}"
    if not is_silent:
        say(f"doctor: {fit}: {len(levels)} looked at, {failed} FAIL, {warned} WARN")
    return 1 if failed else 0
