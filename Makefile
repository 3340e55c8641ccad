# Encaisse. `make` says what can be asked for.

SHELL   := /bin/bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))

.DEFAULT_GOAL := help
.PHONY: help build demo deps check test bench soak generate coverage

help: ## says this
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/encaisse, one static binary
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/encaisse ./cmd/encaisse

demo: build ## build, start on an embedded database, print the address and a key
	bin/encaisse demo

deps: ## install what the tests need, or say how
	@.ci/deps

check: ## format, vet, staticcheck, generated files, the house rules
	@.ci/check

test: ## every test on SQLite and PostgreSQL, with the race detector
	@mkdir -p bin
	@go build -o bin/runner ./test/runner
	@bin/runner -json bin/test.json $(ARGS)

soak: ## the long versions of the tests: hours
	@mkdir -p bin
	@go build -o bin/runner ./test/runner
	@ENCAISSE_SOAK=1 bin/runner -soak $(ARGS)

bench: build ## sales per second, beside the bare engine's
	bin/encaisse bench sales $(ARGS)

generate: ## make the generated files again
	go generate ./...

coverage: ## run the tests and write what they prove to docs/coverage.md
	@go run ./test/coverage $(ARGS)
