# The door to the project. A plain `make` lists the targets; `demo`, `test`, `check` and `bench` set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Extra arguments for demo, test, bench and faults: make test ARGS=tests/estimators, make demo ARGS="--seconds 30".
ARGS ?=

SOURCES := daemon estimators config tests deploy/compose deploy/examples deploy/grafana deploy/helm
AUDIT := .cache/audit
SBOM := dist/klaxond.cdx.json
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

# Most tests wait for servers most of the time: three at once take half as long on two cores. Status 5: no such tests.
PYTEST := $(BIN)/python -m pytest -q --durations=15

.DEFAULT_GOAL := help
.PHONY: help setup demo test check deploy-check cluster-test bench faults golden pictures sbom audit lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with every locked dependency and klaxond itself
	@echo "ready: $(BIN)/klaxond"

# Where the stamp is older than the lock or pyproject.toml: install again. A half-made .venv is made anew.
$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || { \
	  echo "klaxond needs Python 3.11 to 3.14, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | sed -n 1p)." \
	  "Name another: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments." \
	  "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## a live demonstration on this machine, without any set-up
	$(BIN)/klaxond demo $(ARGS)

test: $(READY) ## all tests; those that need a server are skipped, with the reason, where it cannot be had
	@$(PYTEST) -n 3 --dist loadfile -m "not alone" $(ARGS); together=$$?; \
	$(PYTEST) -m alone $(ARGS); alone=$$?; \
	case "$$together $$alone" in "0 0" | "0 5" | "5 0") ;; *) exit 1 ;; esac

check: $(READY) ## what CI runs first: format, lint, types, import contracts, then `make test`
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(MAKE) --no-print-directory test

deploy-check: $(READY) ## judge chart, manifests, rules, dashboards and image by every tool that is here, one line each
	@$(BIN)/python -m tests.deploy

cluster-test: $(READY) ## the chart in a real Kubernetes, which is brought up and taken down; says what is missing
	@tests/deploy/with_cluster $(PYTEST) -m alone tests/deploy/test_cluster.py tests/deploy/test_cluster_memory.py $(ARGS)

bench: $(READY) ## measure speed as ratios within one run
	$(BIN)/python -m tests.benchmarks $(ARGS)

faults: $(READY) ## faults over real brokers and daemons, judged by a second program (ARGS="--seed 1 --faults 20"; --help)
	$(BIN)/python -m tests.faults $(ARGS)

golden: $(READY) ## rewrite the generated references and golden files; read the difference before a commit
	$(BIN)/python -m config.reference
	$(BIN)/python -m daemon.metrics_reference
	$(BIN)/klaxond rules > deploy/prometheus/klaxon.rules.yaml
	$(BIN)/klaxond rules --config.file deploy/compose/klaxon.yaml --for 30s --grafana-url http://127.0.0.1:3000 \
	  > deploy/compose/klaxon.rules.yaml
	$(BIN)/python -m deploy.grafana.source
	KLAXON_TEST_HELM=$$($(BIN)/python -m tests.kubernetes_tools helm) $(BIN)/python -m deploy.helm.source
	$(BIN)/python -m tests.fixtures.presets.page
	KLAXON_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/daemon/test_exposition.py -k golden

pictures: $(READY) ## draw the README's pictures anew from real runs (needs Chromium, tmux and pngquant)
	$(BIN)/python -m tests.pictures $(ARGS)

# An environment of its own: 50 packages that nothing else needs.
$(AUDIT)/.ready: requirements-audit.txt
	$(PYTHON) -m venv --clear $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-audit.txt
	@touch $@

sbom: $(AUDIT)/.ready ## write the daemon's bill of materials, dist/klaxond.cdx.json (CycloneDX)
	@mkdir -p $(dir $(SBOM))
	$(AUDIT)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file $(SBOM) \
	  requirements.txt
	@echo "wrote $(SBOM)"

audit: $(READY) $(AUDIT)/.ready ## known vulnerabilities of what is locked; needs https://api.osv.dev (ARGS=--may-skip)
	$(BIN)/python -m tests.supply_chain $(ARGS)

lock: $(READY) ## resolve the three requirements files anew from pyproject.toml (ARGS=--upgrade for newer)
	$(COMPILE) $(ARGS) --output-file requirements.txt pyproject.toml
	$(COMPILE) $(ARGS) --constraints requirements.txt --extra demo --group dev \
	  --output-file requirements-dev.txt pyproject.toml
	$(COMPILE) $(ARGS) --constraints requirements-dev.txt --group audit --output-file requirements-audit.txt
	echo hatchling | $(COMPILE) $(ARGS) --no-annotate --constraints requirements-dev.txt \
	  --output-file deploy/image/build-requirements.txt -

clean: ## remove everything that the targets above made, .venv included
	rm -rf $(VENV) dist build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
