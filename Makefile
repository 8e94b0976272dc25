# make demo, make test: each sets up what it needs in .venv, then does its job.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: demo test test-all lint mutants readme perf rehearsal large forecasts

demo: .venv/.run
	$(BIN)/python run_all.py

test: .venv/.dev
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: .venv/.dev  # its last log is docs/test-all.log
	bash -o pipefail -c '$(BIN)/python -m pytest --color=no -n 2 --dist loadfile 2>&1 | grep -v ^rootdir: | tee docs/test-all.log'

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

mutants: .venv/.dev  # its last log is docs/mutants.log
	bash -o pipefail -c '$(BIN)/python -m tests.mutants 2>&1 | tee docs/mutants.log'

perf: .venv/.dev  # its last output is docs/performance.md; a quiet machine, ten to twenty minutes
	mkdir -p .cache
	$(BIN)/python -m pytest -q tests/perf --benchmark-json=.cache/perf.json --benchmark-quiet
	$(BIN)/python -m tests.perf.page .cache/perf.json

rehearsal: .venv/.dev  # docs/rehearsal.md: the paper's data sets at full size; about 10 GB of disk, half an hour
	$(BIN)/python -m tests.perf.rehearsal

large: .venv/.dev  # docs/large.md: a million users by a million items; 24 GB of memory, half an hour
	$(BIN)/python -m tests.perf.large

forecasts: .venv/.dev  # docs/forecasts.md: what a dry run forecasts, and what was taken; a quiet machine, hours
	$(BIN)/python -m tests.perf.forecasts

readme: .venv/.run  # the README's tables, from the records in results/reference
	$(BIN)/python -m docs.build

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; install one, or name it: make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.run: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

.venv/.dev: requirements-dev.txt requirements-optuna.txt requirements-slurm.txt requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	touch .venv/.run $@
