# make check | test | fuzz | bench | sim | figures | demo: see README.md.
GO        ?= go
FUZZTIME  ?= 10s
OVERLAY   ?= both
EVENTS    ?= 1000000
SEED      ?= 1
SEEDS     ?= 4
BIN       := bin
LINT      := $(BIN)/golangci-lint
PLATFORMS := linux/arm64 darwin/arm64 windows/amd64

.PHONY: all build check test fuzz bench sim figures demo lint cross tidy clean

all: build

build: ## the peer binary, in bin/
	$(GO) build -trimpath -o $(BIN)/peer ./cmd/peer

check: lint cross ## formatting, house rules, vet, and every platform builds
	$(GO) vet ./...
	@$(GO) mod verify >/dev/null

lint: $(LINT)
	$(LINT) run --allow-parallel-runners ./...

$(LINT): tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

cross:
	@for p in $(PLATFORMS); do \
		echo "build $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./... || exit 1; \
	done

test: ## every test, including several processes on loopback
	scripts/test.sh

fuzz: ## every fuzz target for FUZZTIME each
	scripts/fuzz.sh $(FUZZTIME)

bench: ## the figures of docs/, as ratios in one run
	$(GO) run ./scripts/bench

sim: ## random misfortunes, with every promise checked after every event
	$(GO) run ./scripts/sim --overlay $(OVERLAY) --events $(EVENTS) --seed $(SEED) --seeds $(SEEDS)

figures: ## docs/figures: the published figures beside ours (minutes)
	$(GO) run ./scripts/figures --out docs/figures

demo: ## the main job, on real processes
	$(GO) run ./cmd/peer demo

tidy:
	$(GO) mod tidy
	cd tools && $(GO) mod tidy

clean:
	rm -rf $(BIN)
