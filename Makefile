# Two commands do everything: `make demo` and `make test`. All else is for those who work on the exporter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_FLAGS ?=
# In the order of tests/conftest.py, not by tests per file: the slow files hold few tests, and would be started last.
PYTEST_FLAGS ?= --numprocesses=3 --dist=loadfile --no-loadscope-reorder

.PHONY: demo test test-says test-unit test-stable test-newest lint format dashboards bench abuse soak lock audit release image-test size clean

demo: $(VENV)/.installed
	$(BIN)/joulo-exporter demo $(DEMO_FLAGS)

test: test-says $(VENV)/.test-installed
	.ci/install-tools
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-says:
	@.ci/install-tools --say

# Nothing but Python and the openssl program, which makes certificates: no Debian packages, no npm.
test-unit: $(VENV)/.test-installed
	@command -v openssl >/dev/null || { echo 'please install openssl first, with which the tests make certificates' >&2; exit 1; }
	$(BIN)/python -m pytest -m 'not e2e' $(PYTEST_FLAGS)

# The same on other Pythons: that of Debian's stable suite, and the newest, of its development suite.
test-stable: $(VENV)/.test-installed
	.ci/other-python trixie $(BIN)/python $(PYTEST_FLAGS)

test-newest: $(VENV)/.test-installed
	.ci/other-python sid $(BIN)/python $(PYTEST_FLAGS)

lint: $(VENV)/.lint-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=grafana $(BIN)/mypy --explicit-package-bases grafana/generate.py grafana/boards
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

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

$(VENV)/.release-installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,release]'
	touch $@ $(VENV)/.installed $(VENV)/.test-installed

# Writes all locks and THIRD_PARTY_LICENSES.md, to be committed together.
lock: $(VENV)/.release-installed
	.ci/release/lock $(BIN)

audit: $(VENV)/.release-installed
	$(BIN)/python .ci/release/audit.py requirements.lock requirements-build.lock requirements-bom.lock

release: $(VENV)/.release-installed
	.ci/release/make $(BIN)

image-test: $(VENV)/.test-installed
	.ci/image/test

clean:
	rm -rf $(VENV) .cache .current-stack build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

bench abuse soak: export PYTHONPATH = tests

bench: $(VENV)/.test-installed
	$(BIN)/python tests/bench/ledger.py
	command -v nginx >/dev/null || .ci/apt-install nginx-light
	$(BIN)/python tests/bench/scrape.py
	$(BIN)/python tests/bench/polling.py
	$(BIN)/python tests/bench/startup.py

abuse: $(VENV)/.test-installed
	$(BIN)/python tests/abuse/victim.py

# Random worlds for SECONDS, an hour unless it is given.
soak: $(VENV)/.test-installed
	$(BIN)/python tests/abuse/soak.py

# Lines and files by room, and the files that a kWh passes.
size: $(VENV)/.installed
	$(BIN)/python .ci/size.py
	$(BIN)/python .ci/path_of_a_kwh.py
