"""Test what the published experiment claims; what is complete is not done again.

python -m jobs.claims jobs/claims.yaml
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.studies.claims import run_claims

    return run_claims(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run))
