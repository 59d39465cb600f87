"""``glacier corrections export|import``: outlines to people and back."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from glacier.corrections.choose import WAYS
from glacier.flags import load_config

USAGE = (
    "glacier corrections export run.yaml [--count 10] [--way entropy] [--field value]\n"
    "       glacier corrections import run.yaml EDITED.gpkg --by NAME [--field value]"
)


def run_corrections(argv: Sequence[str]) -> int:
    """Offer months to be corrected, or take them back.

    Args:
        argv: Arguments after the verb.

    Returns:
        0; 2 where they cannot be understood.

    Raises:
        GlacierError: It cannot be done; the message says why.
    """
    parser = argparse.ArgumentParser("glacier corrections", usage=USAGE, allow_abbrev=False)
    kinds = parser.add_subparsers(dest="do", required=True)
    export = kinds.add_parser("export", usage=USAGE, allow_abbrev=False)
    export.add_argument("config")
    export.add_argument("--count", type=count, default=10)
    export.add_argument("--way", choices=WAYS, default=WAYS[0])
    take = kinds.add_parser("import", usage=USAGE, allow_abbrev=False)
    take.add_argument("config")
    take.add_argument("file")
    take.add_argument("--by", required=True)
    try:
        given, rest = parser.parse_known_args(list(argv))
    except SystemExit as stop:
        return int(stop.code or 0)
    config = load_config([given.config, *rest])
    if given.do == "export":
        from glacier.corrections.export import export_months  # late: it takes a second

        export_months(config, given.way, given.count)
    else:
        from glacier.corrections.take import import_package

        import_package(config, given.file, given.by)
    return 0


def count(text: str) -> int:
    """A number of months, 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} months: wanted 1 or more")
    return number
