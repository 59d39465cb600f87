"""One verb a file, ``python -m jobs.<verb> <config.yaml>``, and the configurations they take."""
