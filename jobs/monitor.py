"""``glacier monitor``, from a checkout: ``python -m jobs.monitor <config.yaml>``."""

from glacier.verbs import run_verb

if __name__ == "__main__":
    raise SystemExit(run_verb("monitor"))
