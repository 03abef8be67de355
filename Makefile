PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLES ?= ../shared/samples
# Test processes at once, a file of tests to each: more than cores, because many tests wait for Kafka.
JOBS ?= 3
PYTEST = $(BIN)/pytest -q -n $(JOBS) --dist loadfile
PROTOS := $(shell find protos -name '*.proto' | sort)
WEB := services/chart/adapters/web
PROTOC = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I protos

.DEFAULT_GOAL := help

.PHONY: help
help: ## what there is to make
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.ready ## build .venv from the lock (demo and test call it)

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Refrain needs Python 3.11 or later; $(PYTHON) is not. Try: make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "The venv module of $(PYTHON) is not complete. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Building $(VENV) from requirements.lock; the first time this takes a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: setup ## one patient all the way, on a real Kafka, beside the published calls
	@$(BIN)/refrain demo

.PHONY: test
test: setup ## everything, real Kafka and PostgreSQL included (the suite brings its own)
	$(PYTEST) --durations=25 -m "not samples and not faults and not tools"

.PHONY: quick
quick: setup ## the tests that need no Kafka and no PostgreSQL, about two minutes on two cores
	$(PYTEST) -m "not kafka and not postgres and not samples and not faults and not tools"

.PHONY: check
check: setup ## format, lint, types, import contracts, generated code and docs fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint
	$(BIN)/python -m refrain.contracts.publish --check
	@rm -rf build/protos && mkdir -p build/protos && $(PROTOC) --python_out=build/protos --grpc_python_out=build/protos \
	  --mypy_out=quiet:build/protos --mypy_grpc_out=quiet:build/protos $(PROTOS)
	@for made in $$(cd build/protos && find . -type f); do cmp "build/protos/$$made" "$$made" || \
	  { echo "$$made is not what the protos say: run make protos and commit"; exit 1; }; done

.PHONY: protos
protos: setup ## generate refrain/api from protos/ (committed, never edited)
	$(PROTOC) --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. $(PROTOS)

.PHONY: generate
generate: setup protos ## generate everything that is: refrain/api, JSON Schemas, docs/flow.md
	$(BIN)/python -m refrain.contracts.publish

.PHONY: vendor
vendor: ## fetch the console's front-end code by its lock into static/vendor (committed; needs npm)
	@rm -rf build/vendor && mkdir -p build/vendor && cd $(WEB) && cp package.json package-lock.json .npmrc vendor.mjs $(CURDIR)/build/vendor/
	@cd build/vendor && npm ci --silent && node vendor.mjs $(CURDIR)/$(WEB)/static/vendor
	@rm -rf build/vendor

.PHONY: test-samples
test-samples: setup ## every public sample message ends in a named outcome
	SAMPLES=$(abspath $(SAMPLES)) $(BIN)/pytest -q -m samples tests/samples

.PHONY: test-tools
test-tools: setup ## what needs tools from apt: Prometheus scrapes the stack, Chromium clicks through the console
	@command -v prometheus > /dev/null && command -v promtool > /dev/null && command -v chromium > /dev/null || \
	  { echo "Prometheus, promtool and Chromium are needed: apt-get install --no-install-recommends prometheus chromium"; exit 1; }
	$(PYTEST) -m tools

.PHONY: test-faults
test-faults: setup ## the long fault run: 20,000 reports, two workers each, kills, one restart of Kafka
	$(BIN)/pytest -q -m faults tests/faults

.PHONY: bench
bench: setup ## figures of this machine, no pass or fail
	$(BIN)/python -m tests.bench

.PHONY: clean
clean: ## delete the environment and all caches (not .refrain: refrain down --wipe)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
