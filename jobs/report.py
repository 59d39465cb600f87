"""A finished sweep -> the comparison, as one HTML page and its tables.

python -m jobs.report jobs/demo.yaml
"""

from glacier.command import run_command
from glacier.config import Config


def run(config: Config) -> int:
    """Run the stage; imports are late so that flags are answered at once."""
    from glacier.reports.report import run_report

    return run_report(config)


if __name__ == "__main__":
    raise SystemExit(run_command(__doc__, run))
