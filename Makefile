# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
JOBS   ?= auto
# A worker takes module after module, in the order of tests/conftest.py: what modules set up is set up once.
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# Where an image sets it, each of the thousand processes that tests start would compile swarm anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test check format lint types layers fast fuzz sim bench wheelhouse setup clean

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make .venv with everything that swarm and its tests need

$(STAMP): pyproject.toml constraints.txt tools/prerequisites.sh
	@PYTHON="$(PYTHON)" sh tools/prerequisites.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once; half a minute to two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## a seeder and several agents on this machine: publish, fetch, compare, change, fetch again
	@$(BIN)/swarm demo

test: $(STAMP)  ## every test that this machine can run
	@$(PYTEST)

fast: $(STAMP)  ## the tests that take under two minutes together
	@$(PYTEST) -m 'not slow and not lab and not rgw and not node'

fuzz: $(STAMP)  ## the tests that search for examples, with twenty times as many
	@TEST_EXAMPLES=20 $(PYTEST) --timeout 1800 $$(grep -rl 'tests.examples import' tests --include='test_*.py')

check: lint types layers fast sim  ## what every change must pass

format: $(STAMP)  ## lay the code out
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: $(STAMP)
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy

layers: $(STAMP)
	@$(BIN)/lint-imports

sim: $(STAMP)  ## some seeds of the simulator
	@$(BIN)/python -m sim --peers 24 --blocks 64 --seeds 0..4

bench: $(STAMP)  ## the measurements of docs/performance.md
	@$(BIN)/python -m bench

wheelhouse: $(STAMP)  ## a folder for this CPU type that installs swarm offline and without a compiler
	@rm -rf build/wheelhouse && mkdir -p build/wheelhouse
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check -c constraints.txt -w build/wheelhouse .
	@echo "build/wheelhouse is ready. On a machine of this CPU type and Python version, without a network:"
	@echo "    python3 -m pip install --no-index --find-links build/wheelhouse swarm-replicator"

clean:  ## remove what setup made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
