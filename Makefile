# ringqueue: `make` prints what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
TOOLS := $(CURDIR)/.tools
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
AXE_VERSION := 4.14.1

.PHONY: help demo build test setup lint check test-go test-race test-crash test-sdk fuzz bench clean

help: ## print this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## run a whole campaign on a simulated RingCentral, and show its results
	go run ./cmd/worker demo --exit

build: ## build the three commands into bin/
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/...

test: setup check lint test-go test-race test-sdk ## install what the tests need and run all of them

setup: ## install what the tests start for themselves: redis-server, chromium, promtool, and libfaketime
	@missing=; for p in redis-server:redis-server chromium:chromium promtool:prometheus; do \
		command -v "$${p%%:*}" >/dev/null || missing="$$missing $${p##*:}"; done; \
	ls /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/lib*/faketime/libfaketimeMT.so.1 2>/dev/null | grep -q . || missing="$$missing libfaketime"; \
	[ -z "$$missing" ] || { \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		command -v apt-get >/dev/null || { echo "install$$missing, then try again" >&2; exit 1; }; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }
	@grep -qs '"version": "$(AXE_VERSION)"' $(TOOLS)/node_modules/axe-core/package.json || \
		npm install --silent --no-audit --no-fund --no-save --prefix $(TOOLS) axe-core@$(AXE_VERSION)

check: ## formatting, vet, and go.mod in order
	@rough=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$rough" ] || { echo "gofmt would change:"; echo "$$rough"; exit 1; }
	go vet ./...
	go vet -tags sdk ./ringout/ringouttest/sdk
	go mod tidy -diff

lint: $(GOLANGCI) ## golangci-lint
	$(GOLANGCI) run ./...

$(GOLANGCI):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

test-go: ## all Go tests
	go test ./...

# Left out: what starts whole processes, which the detector cannot see into (crashtest, e2e), files (deploy, examples), and measurements (bench).
NO_RACE := crashtest|e2e|deploy|examples.*|bench|golden

test-race: ## the tests with the race detector, but for those that NO_RACE names
	go test -race $$(go list ./... | grep -vE '/($(NO_RACE))$$')

test-crash: setup ## kill workers 100 times at random, at each named point, and what they need
	RINGQUEUE_KILLS=100 go test -count=1 -v -timeout 20m ./internal/crashtest

test-sdk: ## RingCentral's official JavaScript SDK against the simulator (where node and npm are)
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
		go test -tags sdk ./ringout/ringouttest/sdk; \
	else echo "node or npm is missing: the SDK's test is left out"; fi

fuzz: ## fuzz everything that parses, 20 s each
	@for target in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$target/*_test.go | cut -d' ' -f2); do \
			go test -run='^$$' -fuzz="^$$name$$" -fuzztime=20s ./$$target || exit 1; \
		done; done

bench: setup ## speed and memory, one table
	go run ./internal/bench

clean: ## remove what was built
	rm -rf bin .tools demo-results.csv demo.rejects.csv
