"""Archive -> labelled samples in Parquet, with quick looks of every month.

python -m jobs.prepare jobs/demo.yaml
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.samples.prepare import run_prepare

    return run_prepare(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run))
