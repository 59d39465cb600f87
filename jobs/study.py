"""Run the variants of one configuration and compare them; what is complete is not done again.

python -m jobs.study jobs/leakage.yaml
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.studies.study import run_study

    return run_study(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run))
