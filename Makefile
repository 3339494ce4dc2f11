# crosscheck: everything is "make TARGET"; a machine with Go and make is enough. Servers and tools that are missing are
# fetched once, without root, into the cache folder below.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO ?= go
CACHE := $(or $(CROSSCHECK_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crosscheck)

# A new linter finds new things: its version is part of the code.
LINT_VERSION := v2.15.0
# A linter built with an older Go refuses newer code.
LINT = $(CACHE)/bin/golangci-lint-$(LINT_VERSION)-$(GOVERSION)
GOVERSION := $(shell $(GO) env GOVERSION)

# Each package under test may start several servers: more of them at a time than this only make each other late.
TEST_PARALLEL ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? 4 : n)))
# Tests that run beside each other mostly wait for their servers.
TEST_TOGETHER ?= 4
TEST_TIMEOUT ?= 25m
# The detector is one goroutine: among its ten thousand histories the race detector has nothing to find, and takes minutes.
PURE := crosscheck/conflict
# The race detector needs a C compiler.
RACE := $(shell command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 && echo -race)

STEP := .ci/step

.PHONY: help build demo test lint format bench clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## bin/crosscheck
	@mkdir -p bin
	$(GO) build -o bin/crosscheck ./cmd/crosscheck

demo: build ## see it work: two real servers, a writer, planted differences, found and repaired
	@bin/crosscheck demo

test: ## formatting, vet, lint and all tests, with real servers of every family
	@$(STEP) "formatting" $(MAKE) --no-print-directory -s check-format
	@$(STEP) "go build" $(GO) build ./...
	@$(STEP) "go vet" $(GO) vet ./...
	@$(STEP) "golangci-lint" $(MAKE) --no-print-directory -s lint
	@$(STEP) "go test $(RACE)" $(MAKE) --no-print-directory -s go-test

.PHONY: go-test check-format
go-test:
	@[ -n "$(RACE)" ] || $(STEP) --missing "no C compiler, so no race detector (apt-get install gcc)"
	$(GO) test -count=1 $(PURE)
	$(GO) test $(RACE) -count=1 -p $(TEST_PARALLEL) -parallel $(TEST_TOGETHER) -timeout $(TEST_TIMEOUT) $$($(GO) list ./... | grep -vx $(PURE))

check-format:
	@bad=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$bad" ]; then echo "not formatted (make format): $$bad" >&2; exit 1; fi

lint: ## golangci-lint, of one exact version; outside CI "go vet" must do if that cannot be had
	@if $(MAKE) --no-print-directory -s $(LINT); then \
	  $(LINT) run ./...; \
	else \
	  $(STEP) --missing "golangci-lint $(LINT_VERSION) cannot be had, so only go vet was run"; \
	  $(GO) vet ./...; \
	fi

format: ## format the code as the linter wants it
	@$(MAKE) --no-print-directory -s $(LINT)
	@$(LINT) fmt ./...

# The folder is renamed when it is whole: a build that was stopped leaves nothing that looks like the tool.
$(LINT):
	@echo "golangci-lint $(LINT_VERSION) is not in the cache yet: building it, once, into $(CACHE)/bin (some minutes)" >&2
	@mkdir -p $(CACHE)/bin
	@tmp=$$(mktemp -d $(CACHE)/bin/tmp.XXXXXX); trap 'rm -rf "$$tmp"' EXIT; \
	GOBIN="$$tmp" GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION); \
	mv "$$tmp/golangci-lint" $@

# The seed is printed: SOAK_SEED=n makes the same histories and walks again.
SOAK_HISTORIES ?= 500000
SOAK_WALKS ?= 20000
SOAK_SEED ?= $(shell date +%s)

.PHONY: soak
soak: ## simulated histories of two servers and walks of migrations, very many, from a seed that is printed; SOAK_HISTORIES, SOAK_WALKS, SOAK_SEED
	@echo "SOAK_SEED=$(SOAK_SEED) SOAK_HISTORIES=$(SOAK_HISTORIES) SOAK_WALKS=$(SOAK_WALKS)"
	$(GO) test ./gate -run '^TestWalks$$' -count=1 -timeout 24h -v -rapid.checks $(SOAK_WALKS) -rapid.seed $(SOAK_SEED)
	$(GO) test ./conflict -run '^TestSimulation$$' -count=1 -timeout 24h -v -histories $(SOAK_HISTORIES) -first $(SOAK_SEED)

bench: ## speed against CHECKSUM TABLE and pt-table-checksum, as ratios within one run; BENCH="--help" for flags
	@$(GO) run ./internal/bench $(BENCH)

clean: ## remove what was built here; the cache of servers and tools stays
	rm -rf bin dist
	$(GO) clean -testcache
