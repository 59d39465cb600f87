# Every target sets up .venv from nothing when it is missing, with plain venv and pip.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python

.PHONY: demo test test-slow lint bench realism stale docs site notebooks lock clean

demo: .venv/ready
	$(RUN) -m jobs.pipeline jobs/demo.yaml

# Two files at a time; those of Ray have a private cluster each.
test: .venv/ready
	$(RUN) -m pytest -n 2 --dist loadfile

# What works end to end, then the rest, so that neither has the Ray of the other.
test-slow: .venv/ready
	$(RUN) -m pytest -m slow tests/jobs
	$(RUN) -m pytest -m slow --ignore=tests/jobs

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

# Hashes of the public index, whatever indexes and wheels pip has been told of here.
lock: .venv/ready
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --no-config --default-index https://pypi.org/simple \
	    --python-version 3.11 --python-platform linux --generate-hashes --no-annotate \
	    --custom-compile-command 'make lock' --constraints constraints.txt \
	    --extra serve --extra export --extra s3 --extra gcs \
	    --output-file requirements-locked.txt pyproject.toml

# The site, in site/: draws the package layout anew; `make notebooks docs` has their pictures, too.
docs: .venv/ready-docs
	$(RUN) docs/draw_layout.py
	$(MAKE) site

site: .venv/ready-docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

notebooks: .venv/ready
	$(RUN) docs/run_notebooks.py

.venv/ready-docs: .venv/ready
	$(BIN)/pip install --quiet -c constraints.txt --editable '.[docs]'
	touch $@

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv results/demo site build
