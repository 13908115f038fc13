# kernelet's few verbs. `PYTHON=python3.13 make test` uses another Python; everything made stays in .venv and build.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ROOT_TOO := $(if $(filter 0,$(shell id -u)),--allow-root)
# Named after the Python: with another one, .venv is made anew.
MADE := $(VENV)/made-by-$(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || echo nothing)

.PHONY: help run lab test check lint types bench bench-goals bench-service cov soak soak-service features client-suites clean
.DELETE_ON_ERROR:

help:
	@echo "make run    execute examples/tour.ipynb on kernelet and show what came out"
	@echo "make lab    open the examples in JupyterLab"
	@echo "make test   run the tests"
	@echo "make check  lint, types and test: what has to pass before a commit"
	@echo "make bench  measure kernelet beside other kernels"
	@echo "make bench-goals  measure kernelet and its floor in many rounds, for the goals of a quiet machine"
	@echo "make bench-service  measure the service beside a plain one"
	@echo "make features       ask every kernel for every feature, and print the table"
	@echo "make client-suites  run the test suites of nbclient and jupyter_client on kernelet"
	@echo "make cov    run the tests and show the lines they missed"
	@echo "make soak   start and stop many instant kernels (KERNELS=200) and look for what they leave behind"
	@echo "make soak-service   use the service for MINUTES=3 (1440 is a day; DAY=1: a day's work at once) and look for what grows"
	@echo "make clean  remove what make made"

run: $(VENV)/has-run
	$(BIN)/python examples/run_tour.py

lab: $(VENV)/has-lab
	$(BIN)/jupyter lab --notebook-dir=examples --LabApp.default_url=/lab/tree/tour.ipynb $(ROOT_TOO)

# Three at a time, also on two cores: most tests wait for a kernel most of the time.
test: $(VENV)/has-dev $(VENV)/has-tools
	$(BIN)/python -m pytest -n 3 --dist loadfile

check: lint types test

lint: $(VENV)/has-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/has-dev
	$(BIN)/mypy

bench-service: $(VENV)/has-bench
	$(BIN)/python benchmarks/service.py

bench: $(VENV)/has-bench
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/run.py

bench-goals: $(VENV)/has-bench
	$(BIN)/python benchmarks/run.py --kernels kernelet floor --rounds 14 --json build/goals.json

features: $(VENV)/has-bench
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/features.py

client-suites: $(VENV)/has-dev
	$(BIN)/python benchmarks/client_suites.py

cov: $(VENV)/has-dev
	$(BIN)/python -m pytest --cov --cov-report=term

soak: export KERNELET_SOAK_KERNELS := $(or $(KERNELS),200)
soak: $(VENV)/has-dev
	$(BIN)/python -m pytest tests/kernel/test_instant.py -k leave_no --timeout=1200

soak-service: $(VENV)/has-bench
	$(BIN)/python benchmarks/soak_service.py $(if $(DAY),--day,--minutes $(or $(MINUTES),3))

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* htmlcov

# One stamp per set of extras: a second run installs nothing, unless pyproject.toml is newer.
$(VENV)/has-run: EXTRAS := run
$(VENV)/has-lab: EXTRAS := lab
$(VENV)/has-dev: EXTRAS := test,ecosystem,browser,clients,dev
$(VENV)/has-bench: EXTRAS := bench
$(VENV)/has-run $(VENV)/has-lab $(VENV)/has-dev $(VENV)/has-bench: $(MADE) pyproject.toml
	@echo "installing kernelet[$(EXTRAS)] into $(VENV)"
	@$(PIP) -e ".[$(EXTRAS)]"
	@touch $@

# Packages that would change ours (euporie asks for old ones, dash for a rebuild of JupyterLab): each in its own folder.
$(VENV)/has-tools: $(MADE)
	@echo "installing euporie and dash into $(VENV)/tools"
	@$(BIN)/python -m venv $(VENV)/tools/euporie
	@$(VENV)/tools/euporie/bin/python -m pip install --quiet --disable-pip-version-check euporie
	@$(PIP) --target $(VENV)/tools/dash --upgrade dash
	@touch $@

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "kernelet needs Python 3.11 or newer; this is " + sys.version)'
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@
