# `make help` lists what there is. Everything may be interrupted and run again; what it makes is in .venv and .cache.
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where this is set, each of pytest's processes rewrites all tests anew, and each command compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=

BIN := .venv/bin
ARGS ?=

.PHONY: help setup packages check static fast test drill drill-storage drill-services bench mutants lock sbom pictures clean clean-cache

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: ## .venv with the locked dependencies and the command .venv/bin/reberth, and what a lab needs
	@deploy/setup.sh

packages: setup
	@$(BIN)/python -m deploy.lab.debian.prepare

static: setup
	@echo "check: format, lint, types, layers"
	@$(BIN)/ruff format -q --check . || { echo "cure: .venv/bin/ruff format ."; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports >.cache/lint-imports.log 2>&1 || { cat .cache/lint-imports.log; exit 1; }

check: setup ## fast checks: format, lint, types, layers, unit tests and simulation; about a minute on two cores, needs no root
	@$(MAKE) -j 2 static fast

# The last line names how many passed, here and in `test`. With ARGS, pytest runs just what they say.
fast: setup
	@echo "check: unit tests and simulation"
	@$(BIN)/python -m $(if $(ARGS),pytest -q -n 3 tests/unit tests/sim $(ARGS),tests.check)

test: static packages ## everything: the checks, then all tests, with labs and real file systems (root)
	@echo "test: all tests; drills, unit tests and simulation run beside those shown here, and are shown at the end"
	@REBERTH_SEARCH=large $(BIN)/python -m $(if $(ARGS),pytest -q $(ARGS),tests.run)

drill: packages ## power a node off in a lab and watch PostgreSQL move; ARGS='--fault freeze --report DIR', see --help
	@$(BIN)/reberth drill $(ARGS)

drill-storage: packages ## Ceph RBD on a real cluster, and LUNs with reservations on a real iSCSI target; a vCenter with 3,000 VMs (50 minutes, root)
	@$(BIN)/python -m pytest -q tests/storage $(ARGS)

drill-services: packages ## MariaDB, Redis, PostgreSQL and images that are not root through a failover (several minutes)
	@$(BIN)/python -m pytest -q tests/services $(ARGS)

bench: packages ## measurements (tests/bench); they say numbers and judge nothing
	@$(BIN)/python -m tests.bench $(ARGS)

mutants: setup ## change the core in 3,900 small ways and see which the tests miss (twenty minutes); see docs/mutation.md
	@nice -n 15 $(BIN)/mutmut run --max-children 2 $(ARGS) >.cache/mutmut.log 2>&1 || { tail -n 20 .cache/mutmut.log; exit 1; }
	@$(BIN)/python -m tests.mutants

lock: setup ## requirements/*.txt anew from pyproject.toml
	@deploy/lock.sh

sbom: setup ## the Python packages of the image with their licences, as CycloneDX JSON in dist/
	@$(BIN)/python -m deploy.release.sbom $(ARGS)

pictures: setup ## docs/pictures anew: the page /ui in Chromium (root, to install it), the recorded demo; ARGS=demo for that alone
	@$(BIN)/python -m tests.pictures $(ARGS)

clean: ## take down the labs of this working copy, remove reports and tool caches; the image cache stays
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m deploy.lab.clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* mutants dist drill-report

clean-cache: clean ## also remove .cache: the next lab makes its images anew
	@rm -rf .cache
