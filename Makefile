# klw: make run shows the main job, make test proves it, make help lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

DESTDIR ?=
PREFIX ?= /usr/local
BUNDLE ?= apache-bundle
APPS ?= app-bundles
TIME ?= 10m
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO ?= go
SUDO := $(if $(filter 0,$(shell id -u)),,sudo env "PATH=$(PATH)")
TINI := $(shell command -v tini 2>/dev/null || echo /usr/bin/tini)

programs := klw-init klw-runc klw-guard klw-replicafs klw-replica klwctl
ldflags := -s -w -X klw/internal/version.Version=$(VERSION)

##@ The main job
.PHONY: run
run: ## install what is needed, build, make the bundle, run Apache under its guard and show the events
	@tools/packages run
	@$(MAKE) --no-print-directory build $(BUNDLE)
	@$(SUDO) tools/run $(BUNDLE)

.PHONY: build
build: ## build bin/
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(ldflags)' -o bin/ $(addprefix ./cmd/,$(programs))

.PHONY: apache-bundle
apache-bundle: ## make the Apache bundle from Debian's packages
	@tools/packages run
	@$(SUDO) bundle/apache/make-bundle examples/policies/apache.policy $(BUNDLE)

.PHONY: app-bundles
app-bundles: ## make bundles of nginx, PostgreSQL, git, a mail server and Apache with CGI from Debian's packages
	@tools/packages test
	@$(SUDO) bundle/apps/make-bundles examples/policies $(APPS)

##@ Proof
.PHONY: test
test: ## install what the tests need and run them all
	@tools/packages test
	@$(MAKE) --no-print-directory build apache-bundle app-bundles
	@$(SUDO) tools/test

.PHONY: attack
attack: ## try the attacks under klw-runc and under runc, side by side
	@tools/packages test
	@$(MAKE) --no-print-directory build apache-bundle
	@$(SUDO) $(TINI) -s -- $(GO) test -count=1 -run TestAttack -v ./integration/attack | sed -n 's/^ATTACK //p'

.PHONY: bench
bench: ## measure, as ratios to peers and to native in one run; writes bench.json
	@tools/packages bench
	@$(MAKE) --no-print-directory build apache-bundle
	@tools/peers
	@$(SUDO) $(TINI) -s -- $(GO) run ./integration/bench -json bench.json

.PHONY: soak
soak: ## fuzz targets, random tests, attacks and kills, TIME (default 10m) each
	@tools/packages test
	@$(MAKE) --no-print-directory build apache-bundle app-bundles
	@$(SUDO) tools/test soak $(TIME)

.PHONY: lint
lint: ## gofmt, vet and golangci-lint
	@tools/lint/run

##@ Making and installing
.PHONY: generate
generate: ## BPF objects, tables and configuration from their sources
	@tools/packages generate
	$(GO) generate ./...

.PHONY: install
install: build ## install below DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/klw
	install -m 755 bin/klw-runc bin/klwctl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(addprefix bin/,klw-init klw-guard klw-replicafs klw-replica) $(DESTDIR)$(PREFIX)/libexec/klw/

.PHONY: clean
clean: ## remove what make made
	rm -rf bin bench.json $(BUNDLE) $(BUNDLE).partial $(BUNDLE).old $(APPS) $(APPS).partial $(APPS).old

.PHONY: help
help: ## this text
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile
	@echo
