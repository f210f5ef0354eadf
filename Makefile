# `make train` and `make test` do everything on a fresh machine; the other targets are for developers.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help train test smoke test-slow lint peers test-peers bench bench-serve clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

train: .venv/installed  ## install, train on the embedded digits, write the report
	$(BIN)/convworks train

test: .venv/installed-test  ## install with test extras, run every check and test
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/check

smoke: .venv/installed-test  ## style, and the tests that say most, in less than a minute
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/smoke

test-slow: .venv/installed-test  ## the tests that take minutes, and property tests with many more examples
	CONVWORKS_TESTS=thorough OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "(slow or repeated) and not gpu and not peers"

lint: .venv/installed-test  ## formatting, style, types, direction of imports
	PATH="$(CURDIR)/$(BIN):$$PATH" sh scripts/lint

peers: .peers/installed  ## an environment with the libraries that convworks is compared with (6 GB)

test-peers: .peers/installed  ## compatibility with other libraries
	.peers/bin/python -m pytest -m "peers and not slow" tests/peers

bench: .peers/installed  ## speed, as ratios against other libraries
	.peers/bin/python -m benchmarks

bench-serve: .peers/installed  ## convworks serve under load, and other servers
	.peers/bin/python -m benchmarks.serve

clean:  ## remove what was installed and built; runs/ stays
	rm -rf .venv .peers build dist src/*.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

.venv/installed-test: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) --editable '.[test]'
	touch .venv/installed $@

.peers/installed: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv .peers
	.peers/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	.peers/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@
