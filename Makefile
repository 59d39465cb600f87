# Every target sets up .venv from nothing when it is missing, with plain venv and pip.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python

.PHONY: demo test lint bench realism stale clean

demo: .venv/ready
	$(RUN) -m jobs.pipeline jobs/demo.yaml

test: .venv/ready
	$(RUN) -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(RUN) tests/benchmarks/bench.py $(ROW)

realism: .venv/ready
	$(RUN) -m jobs.pipeline jobs/realism.yaml
	$(RUN) tests/experiments/realism.py

stale: .venv/ready
	$(RUN) tests/experiments/stale_outlines.py $(FLAGS)

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv results/demo
