"""Ingest, prepare, sweep and report in one driver; what is complete is not done again.

python -m jobs.pipeline jobs/demo.yaml
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.pipeline import run_pipeline

    return run_pipeline(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run))
