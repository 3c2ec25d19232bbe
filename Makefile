# What a newcomer needs: `make demo` and `make test`. Everything is installed into .venv on the first call.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TRAIN_STAMP := $(VENV)/.installed-train
TRAIN_DIR ?= results/training
# A requirement: which torch, where pip's choice is not wanted.
TORCH ?= torch
TAG ?= dev
# Tests that load the machine, or look closely at what a program costs; what a cluster's API server says does neither.
ALONE := $(filter-out tests/executor/test_kubernetes_%.py, $(sort $(wildcard tests/executor/test_*.py))) \
  tests/ops/test_stack.py tests/e2e/test_efficiency.py

.PHONY: help setup setup-train demo serve test test-kubernetes check manifests format bench train-tiny protos images dashboard clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(STAMP) ## Make .venv with everything in it

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "CodeArena needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) # also if it is half made
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev --editable .
	@touch $@

demo: setup ## Watch an agent repair nine programs
	@$(BIN)/codearena demo

serve: setup ## Run an arena on 127.0.0.1:50051, and its dashboard on :7860, until Ctrl-C
	@exec $(BIN)/python -m services.standalone

test: setup ## Run the tests; what a machine lacks is skipped and named
	@status=0; \
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ALONE:%=--ignore %) || status=1; \
	echo "what wants the machine for itself:"; \
	$(BIN)/python -m pytest $(ALONE) || status=1; \
	exit $$status

test-kubernetes: setup ## Test sandboxes that are pods, on KUBECONFIG's cluster or one that LOCAL_KUBERNETES brings up
	tools/test_kubernetes.sh

manifests: setup ## Check k8s/ without a cluster
	tools/check_manifests.sh

check: setup ## Lint, types, architecture, contract, tasks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	git ls-files -z -- ":!codearena/v1" ":!tasks/security_bugs" ":!dashboard/package-lock.json" | xargs -0 $(BIN)/detect-secrets-hook
	tools/check_protos.sh
	tools/scan_dependencies.sh
	$(BIN)/codearena tasks check

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Measure, as ratios against a baseline in the same run
	$(BIN)/python -m benchmarks

setup-train: $(TRAIN_STAMP) ## Add what trains to .venv: torch, TRL and the like, gigabytes of it

$(TRAIN_STAMP): $(STAMP)
	@echo "adding what trains to $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" --group train
	@touch $@

train-tiny: $(TRAIN_STAMP) ## Train a tiny model by GRPO with three seeds, on two cores and without a download
	rm -rf $(TRAIN_DIR)/tiny-0 $(TRAIN_DIR)/tiny-1 $(TRAIN_DIR)/tiny-2
	@for seed in 0 1 2; do \
	  $(BIN)/python -m training.grpo --tiny --seed $$seed --output $(TRAIN_DIR)/tiny-$$seed || exit; \
	done
	$(BIN)/python -m training.report $(TRAIN_DIR)/tiny-[012] --plot $(TRAIN_DIR)/tiny.svg --at-least 0.10

protos: ## Regenerate the stubs in codearena/v1
	PYTHON=$(PYTHON) tools/protos.sh

images: setup ## Build every container image
	tools/images.sh $(TAG)

dashboard: ## Build the page that the gateway serves; needs Node 20 or newer
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo "the dashboard is built with Node 20 or newer; the API serves without it"; exit 1; }
	cd dashboard && npm ci --no-audit --no-fund && npm run lint && npm test && npm run build && npm run size

clean: ## Remove what the targets made, but not data/ and results/
	rm -rf $(VENV) .venv-protos .venv-matrix .venv-verifiers .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
