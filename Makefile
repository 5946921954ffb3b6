# Everything sets itself up in .venv: a bare machine needs Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
SEEDS ?= 200
FROM ?= 0
# Tests of the running product wait for programs and disks: a third worker fills what two leave idle.
WORKERS ?= 3
# A test that is ended takes its worker with it: without a new one the run ends there and names it.
NAMED := --max-worker-restart=0
KERNELS := $(wildcard src/marketsentry/kernels/*.py src/marketsentry/kernels/*/*.py)
SIMULATE = PYTHONPATH=tests $(BIN)/python -m simulation --seeds $(SEEDS) --from $(FROM)
# Set, it would make each of the many starts of the program compile all its modules again: 3.4 s instead of 1.4.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check types style unit integration on-engines simulate seeds e2e format bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.default ## run the main job offline on a market of its own (ARGS="--once --json --data DIR")
	@$(BIN)/ms demo $(ARGS)

# Two suites at a time: while one waits, the other computes. Each is printed whole when it ends.
test: .venv/.dev ## everything that proves the product, as CI runs it
	@$(MAKE) --no-print-directory -j 2 --output-sync=target WORKERS=2 \
	  .venv/.kernels style types unit seeds on-engines e2e

check: .venv/.dev ## ruff, mypy, import layers, docstrings against signatures, unit tests
	@$(MAKE) --no-print-directory -j 2 style types
	@$(MAKE) --no-print-directory unit

types: .venv/.dev
	$(BIN)/mypy

style: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/flake8 src/marketsentry

unit: .venv/.dev .venv/.kernels ## unit tests only
	$(BIN)/pytest tests/unit -n 2 --dist worksteal $(NAMED) -q $(ARGS)

integration: on-engines seeds ## tests on real PostgreSQL, Redis, child processes and a venue on loopback; 200 simulated seeds

on-engines: .venv/.dev .venv/.kernels
	$(BIN)/pytest tests/simulation tests/integration -n 3 --dist worksteal $(NAMED) -q $(ARGS)

seeds: .venv/.dev
	@$(SIMULATE)

simulate: .venv/.dev ## orders under faults and crashes on a virtual clock (SEEDS=200 FROM=0 ARGS="--trace")
	@$(SIMULATE) $(ARGS)

e2e: .venv/.dev .venv/.kernels ## tests of the running program, its API and the whole main job
	$(BIN)/pytest tests/e2e -n $(WORKERS) --no-loadscope-reorder --timeout 1800 $(NAMED) -q $(ARGS)

bench: .venv/.dev .venv-peers/.done ## measure the budgets beside limits and peers (ARGS="backtest-sma import --json")
	$(BIN)/ms bench $(ARGS)

.venv-peers/.done: benchmarks/peers/requirements.txt
	@echo "installing the peers to measure against in .venv-peers" >&2
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --quiet --no-compile --disable-pip-version-check -r $<
	@touch $@

# A minute of compiling that several processes of a suite would each spend.
.venv/.kernels: .venv/.dev $(KERNELS)
	@$(BIN)/python tests/compile_kernels.py
	@touch $@

format: .venv/.dev ## put the code in house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what the build and the tests made; data in var/ stays
	rm -rf .venv .venv-peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version 2>&1) was found; set PYTHON=..."; exit 1; }
	@echo "creating .venv" >&2
	@$(PYTHON) -m venv .venv

.venv/.default: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing MarketSentry (about half a minute)" >&2
	@$(BIN)/python -m pip install --quiet --quiet --no-compile --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.dev: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing MarketSentry with its test tools" >&2
	@$(BIN)/python -m pip install --quiet --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ .venv/.default
