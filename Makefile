# Two commands do everything: `make demo` and `make test`. All else is for those who work on the exporter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_FLAGS ?=

.PHONY: demo test lint format dashboards bench clean

demo: $(VENV)/.installed
	$(BIN)/joulo-exporter demo $(DEMO_FLAGS)

test: $(VENV)/.test-installed
	.ci/install-tools
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

lint: $(VENV)/.lint-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=grafana $(BIN)/mypy --explicit-package-bases grafana/generate.py grafana/boards
	$(BIN)/lint-imports

format: $(VENV)/.lint-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The JSON in grafana/ from the code there.
dashboards: $(VENV)/.test-installed
	$(BIN)/python grafana/generate.py

$(VENV)/bin/python:
	.ci/make-venv $(PYTHON) $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.test-installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.lint-installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	touch $@ $(VENV)/.installed $(VENV)/.test-installed

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

bench: $(VENV)/.test-installed
	$(BIN)/python tests/bench/ledger.py
	$(BIN)/python tests/bench/polling.py
	$(BIN)/python tests/bench/startup.py
	$(BIN)/python tests/bench/memory.py
