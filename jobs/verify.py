"""``glacier verify``, from a checkout: ``python -m jobs.verify [--storage ADDRESS]``."""

from glacier.verbs import run_verb

if __name__ == "__main__":
    raise SystemExit(run_verb("verify"))
