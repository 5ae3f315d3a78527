SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
# An index that serves a CPU build of torch, for machines whose default index serves the CUDA build:
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP_TORCH = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PIP_FLAGS = --quiet --disable-pip-version-check --no-input

# One worker a core; the tests of a file stay together, because they share what takes long to make, and the files
# that take longest come first (tests/conftest.py).
PYTEST = -m pytest -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

STACK_FILES = setup.cfg setup.py pyproject.toml constraints.txt
CHECKED = hf_mplm tests benchmarks examples docs/conf.py docs/_ext setup.py

.PHONY: help setup quickstart test test-default test-adapters test-slow style quality docs bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

setup: .venv/.installed .venv-adapters/.installed  ## Create both environments: .venv (transformers 5.x) and .venv-adapters (adapters, transformers 4.57.6)

.venv/.installed: $(STACK_FILES)
	@echo "Installing .venv (transformers 5.x) ..."
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install $(PIP_FLAGS) $(PIP_TORCH) -c constraints.txt torch
	@.venv/bin/python -m pip install $(PIP_FLAGS) $(PIP_TORCH) -c constraints.txt 'transformers>=5.5' -e '.[dev]'
	@touch $@

.venv-adapters/.installed: $(STACK_FILES)
	@echo "Installing .venv-adapters (adapters, transformers 4.57.6) ..."
	@test -x .venv-adapters/bin/python || $(PYTHON) -m venv .venv-adapters
	@.venv-adapters/bin/python -m pip install $(PIP_FLAGS) $(PIP_TORCH) -c constraints.txt torch
	@# sentence-transformers 6 needs transformers 5; left to find that out, pip gives up.
	@.venv-adapters/bin/python -m pip install $(PIP_FLAGS) $(PIP_TORCH) -c constraints.txt 'sentence-transformers<6' -e '.[adapters,dev]'
	@touch $@

quickstart: .venv/.installed  ## Set up, then teach the encoder that ships new languages, measure it and report (about 6 minutes)
	.venv/bin/hf-mplm quickstart --output quickstart

test: test-default test-adapters  ## Set up, then run the whole suite on both stacks

test-default: .venv/.installed
	.venv/bin/python $(PYTEST)

test-adapters: .venv-adapters/.installed
	.venv-adapters/bin/python $(PYTEST)

test-slow: setup  ## The slow tests, on both stacks
	.venv/bin/python $(PYTEST) -m slow
	.venv-adapters/bin/python $(PYTEST) -m slow

style: .venv/.installed  ## Rewrite the code in the project's style
	.venv/bin/ruff check --fix $(CHECKED)
	.venv/bin/ruff format $(CHECKED)

quality: .venv/.installed  ## Check style, imports and types
	.venv/bin/ruff check $(CHECKED)
	.venv/bin/ruff format --check $(CHECKED)
	.venv/bin/mypy

docs: .venv/.installed  ## Build docs/_build/html/index.html, which opens as a file; a warning is a failure
	.venv/bin/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

bench: .venv/.installed  ## Run the benchmarks and write benchmarks/results/
	.venv/bin/python -m benchmarks

clean:  ## Remove both environments and every cache
	rm -rf .venv .venv-adapters .pytest_cache .ruff_cache .mypy_cache build dist *.egg-info
