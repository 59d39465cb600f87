"""``glacier verify``, from a checkout: ``python -m jobs.verify [--storage ADDRESS]``."""

import sys

from glacier.verbs import main

if __name__ == "__main__":
    raise SystemExit(main(["verify", *sys.argv[1:]]))
