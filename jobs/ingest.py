"""Region and months -> one cloud-masked composite a month, in the archive.

python -m jobs.ingest jobs/demo.yaml
python -m jobs.ingest jobs/demo.yaml --dry-run   says what would be fetched, and fetches nothing
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.archive.ingest import run_ingest

    return run_ingest(config)


def dry_run(config: Config) -> int:
    """Say what would be fetched."""
    from glacier.archive.dry_run import dry_run_ingest

    return dry_run_ingest(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run, {"--dry-run": dry_run}))
