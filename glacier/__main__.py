"""``python -m glacier`` is ``glacier``."""

from glacier.verbs import main

if __name__ == "__main__":
    raise SystemExit(main())
