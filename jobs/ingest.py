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


def plan(config: Config) -> int:
    """Say what would be fetched."""
    from glacier.archive.dry_run import run_plan

    return run_plan(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run, {"--dry-run": plan}))
