"""Samples -> one trained model per encoder and fold, side by side on Ray.

python -m jobs.sweep jobs/demo.yaml
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.training.sweep import run_sweep

    return run_sweep(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run))
