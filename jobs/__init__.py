"""One verb a file: ``python -m jobs.<verb> <config.yaml> [--field value]``."""
