# Everything runs in .venv, which is made on first use. Needs make and Python 3.11 or newer, nothing else.
#
#   make demo PYTHON=/path/to/python3.12     chooses the interpreter of a new .venv

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin

# A name on PATH may be a shim that fails, or a Python without venv, so each candidate is run before it is taken.
PYTHON_CHECK := -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
ifndef PYTHON
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" $(PYTHON_CHECK) >/dev/null 2>&1 && { echo "$$p"; break; }; done)
endif

# A .venv whose interpreter was removed is made again.
VENV_WORKS := $(shell test -x $(BIN)/python && $(BIN)/python -c 'import pip' >/dev/null 2>&1 && echo yes)

.PHONY: help demo test lint bench docs coverage clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.stamp-core ## run the main job on the packages installed here
	@$(BIN)/gridbus demo

test: $(VENV)/.stamp-dev ## run the tests; ARGS="-k name" is passed on
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.stamp-dev ## ruff, mypy and basedpyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/basedpyright

bench: $(VENV)/.stamp-bench ## compare with the peers
	@$(BIN)/python -m benchmarks.bus $(ARGS)

docs: $(VENV)/.stamp-docs ## write the guide and the API reference to build/docs
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "open build/docs/index.html"

coverage: $(VENV)/.stamp-dev ## run the tests and list the lines they miss
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage report

clean: ## remove .venv, caches and what was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov demo-out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp per set of extras; a change of pyproject.toml installs again.
$(VENV)/.stamp-core: EXTRAS := [export,analytics]
$(VENV)/.stamp-dev: EXTRAS := [dev]
$(VENV)/.stamp-bench: EXTRAS := [bench]
$(VENV)/.stamp-docs: EXTRAS := [docs]
$(VENV)/.stamp-core $(VENV)/.stamp-dev $(VENV)/.stamp-bench $(VENV)/.stamp-docs: pyproject.toml | $(BIN)/pip
	@echo "installing gridbus$(EXTRAS) into $(VENV)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -e ".$(EXTRAS)" \
		|| { echo "pip could not install gridbus$(EXTRAS); its reason is above" >&2; exit 1; }
	@touch $@

ifneq ($(VENV_WORKS),yes)
$(BIN)/pip: FORCE
endif
$(BIN)/pip:
	@"$(PYTHON)" $(PYTHON_CHECK) >/dev/null 2>&1 || { \
		echo "gridbus needs Python 3.11 or newer with its venv module, and found none that works$(if $(PYTHON), (tried $(PYTHON)))." >&2; \
		echo "Install one (Debian and Ubuntu: apt install python3 python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@echo "making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv --clear $(VENV)
