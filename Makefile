# Everything a fresh machine needs is done by the first target that needs it: a virtual environment in .venv with the
# versions of constraints.txt, and Poetry in .poetry. It is done again only when pyproject.toml or constraints.txt change.
#
#   make demo                                            the whole job on synthetic totes and a simulated rig
#   make test ARGS="-m 'not slow'"                       arguments go to pytest
#   make bench SKAB=/path/to/skab UR3=/path/to/ur3.csv   benchmarks on data of yours; without it those rows are skipped
#   make setup PYTHON=/path/to/python3.12                a Python of your choice
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu    PyTorch without its GPU libraries

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup fmt check bench demo test clean

ARGS ?=
PYTHON ?=
TORCH_INDEX ?=

export TL_DISABLE_ANALYTICS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_DEFAULT_TIMEOUT ?= 60
export POETRY_VIRTUALENVS_IN_PROJECT := 1
# Another environment's settings must not leak into ours.
unexport VIRTUAL_ENV CONDA_PREFIX PYTHONHOME PYTHONPATH

# A stamp is written last and carries what it was made from, the place included (scripts of an environment hold its
# path): an interrupted, outdated or moved set-up has no stamp of the right name.
SUM := $(shell (pwd; cat pyproject.toml constraints.txt) | cksum | tr ' ' '-')
VENV_STAMP := .venv/.complete-$(SUM)
POETRY_STAMP := .poetry/.complete-$(SUM)
SETUP := $(VENV_STAMP) $(POETRY_STAMP)
TEST_LOG := .cache/test.log

SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

setup: $(SETUP) ## install everything into .venv and .poetry (the other targets do it when it is missing)

# $(call environment,DIR): a working environment in DIR, made anew when there is none or it is broken.
# An interpreter is tried by running it: a version manager's shim may exist and still fail.
define environment
rm -f $(1)/.complete-*; \
if ! $(1)/bin/python -c '$(SUITABLE)' 2>/dev/null || ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
	found=; \
	for candidate in $(if $(PYTHON),"$(PYTHON)",python3.12 python3.11 python3 python /usr/bin/python3); do \
		if "$$candidate" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Armscope needs Python 3.11 or 3.12 with its venv module; found none$(if $(PYTHON), in PYTHON=$(PYTHON))." \
			"Install one (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python@3.12)" \
			"or name it: make setup PYTHON=/path/to/python3.12" >&2; \
		exit 1; \
	fi; \
	echo "Making $(1) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(1); \
fi; \
$(1)/bin/python -m pip install -qq -c constraints.txt pip poetry-core
endef

# torch comes first and alone, so that nothing else can choose its version or build; the line after it adds what it needs.
$(VENV_STAMP): | constraints.txt pyproject.toml
	@$(call environment,.venv)
	@echo "Installing PyTorch and the libraries of constraints.txt into .venv (minutes, once)"
	@torch=$$(grep '^torch==' constraints.txt); \
	.venv/bin/python -m pip install -qq --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$torch"
	@.venv/bin/python -m pip install -qq --no-build-isolation -c constraints.txt -e '.[train,dev]'
	@touch $@

$(POETRY_STAMP): | constraints.txt pyproject.toml
	@$(call environment,.poetry)
	@echo "Installing Poetry into .poetry"
	@.poetry/bin/python -m pip install -qq -c constraints.txt poetry
	@touch $@

fmt: $(SETUP) ## format the code and mend what ruff can mend
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

check: $(SETUP) ## formatting, lint, types, and who may import whom
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/python -m pytest tests/test_architecture.py

bench: $(SETUP) ## every benchmark, one after the other (more of some by hand, with --full)
	@failed=; \
	for script in benchmarks/bench_*.py; do \
		echo "== $$script"; .venv/bin/python "$$script" || failed="$$failed $$script"; \
	done; \
	if [ -n "$$failed" ]; then echo "Failed:$$failed" >&2; exit 1; fi

demo: $(SETUP) ## totes and a rig, a small model for each, and the pages that show where they fail
	@.venv/bin/armscope demo --out runs/demo $(ARGS)

# `poetry run test` can end up as the shell's own `test`, which says nothing and succeeds with any argument.
# Only pytest's closing line proves that the tests ran.
test: $(SETUP) ## the whole test suite through `poetry run test`
	@mkdir -p .cache; rm -f $(TEST_LOG)
	@set -o pipefail; .poetry/bin/poetry run test $(ARGS) 2>&1 | tee $(TEST_LOG)
	@grep -Eq '(^|[ =])[0-9]+ passed.* in [0-9.]+s' $(TEST_LOG) || \
		{ echo "pytest did not report a passed test: 'poetry run test' ran something else." >&2; exit 1; }

clean: ## remove the environments and caches (runs/ stays)
	rm -rf .venv .poetry .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
