"""``glacier continual``, from a checkout: ``python -m jobs.continual <config.yaml>``."""

from glacier.verbs import run_verb

if __name__ == "__main__":
    raise SystemExit(run_verb("continual"))
