# The commands and their dependencies. All builds share one profile, feature set and target folder, so that RocksDB's
# C++ and the other third-party code are compiled once.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export CARGO_TARGET_DIR ?= $(HOME)/.cache/kittengrad-target

DEMO_DIR ?= kittengrad-demo
DENY_VERSION := 0.20.2
MACHETE_VERSION := 0.9.2
BUF_VERSION := 1.75.0

.PHONY: help demo test interop check verify fix docs sim torture mutants deps deny machete buf

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

demo: deps ## Run a whole network on this machine, with records in it and a web page
	cargo build --workspace --bins --locked
	"$(CARGO_TARGET_DIR)/debug/kittengrad" demo --dir "$(DEMO_DIR)" $(ARGS)

test: deps ## Run all tests
	cargo test --workspace --all-targets --locked
	cargo test --workspace --doc --locked

interop: deps ## Run the clients in Python and JavaScript against a demo: KITTENGRAD_INTEROP=required fails without PyPI and npm
	cargo build --workspace --bins --locked
	@tests/interop/run

check: deps ## Check formatting, the rules of the sources and lints; run it before each commit
	cargo fmt --all --check
	cargo test --quiet --package kittengrad-tidy --locked
	cargo clippy --workspace --all-targets --locked -- -D warnings

verify: check deny machete buf ## Check formatting, lints, schemas, documentation, licences and dependencies; never changes the sources
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	cargo deny --locked check licenses bans sources
	cargo machete

fix: deps ## Format the sources and apply the fixes of lints
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

docs: deps ## Build the documentation of the code, and print its path
	cargo doc --workspace --no-deps --locked
	@echo "open $(CARGO_TARGET_DIR)/doc/kittengrad_client/index.html"

sim: deps ## Simulate networks: SEED=n replays one seed; RUNS=n FROM=m sweeps; KINDS=a,b GO_ON=1 JSON=1 LIST=plants PLANT=name
	@cargo build --workspace --bins --locked
	@SEED="$(SEED)" RUNS="$(RUNS)" FROM="$(FROM)" JSON="$(JSON)" GO_ON="$(GO_ON)" KINDS="$(KINDS)" \
	    LIST="$(LIST)" PLANT="$(PLANT)" \
	    "$(CARGO_TARGET_DIR)/debug/kittengrad-sim"

torture: deps ## Break real processes and disks: KILLS=n blows (most of them kill -9), FLIPS=m losses; SEED=s repeats the plan of a seed
	@TORTURE_KILLS="$(KILLS)" TORTURE_FLIPS="$(FLIPS)" TORTURE_SEED="$(SEED)" \
	    cargo test --workspace --locked --test e2e \
	    tortured_processes -- --nocapture

mutants: deps ## Run the tests of the pure crates under small mistakes: ONLY=text FROM=n AT_LEAST=percent JSON=1 CHECK=1 EQUIVALENT=1
	@cargo run --package kittengrad-mutants --locked --quiet -- --dir "$(CARGO_TARGET_DIR)/mutants" \
	    $(if $(ONLY),--only "$(ONLY)") $(if $(FROM),--from "$(FROM)") $(if $(AT_LEAST),--at-least "$(AT_LEAST)") \
	    $(if $(JSON),--json) $(if $(CHECK),--check) $(if $(EQUIVALENT),--equivalent)

deps: ## Install the system packages that building needs
	@deploy/install-build-deps.sh

deny:
	@cargo deny --version 2>/dev/null | grep -qF "$(DENY_VERSION)" || \
	    cargo install cargo-deny --version "$(DENY_VERSION)" --locked --debug

machete:
	@cargo machete --version 2>/dev/null | grep -qF "$(MACHETE_VERSION)" || \
	    cargo install cargo-machete --version "$(MACHETE_VERSION)" --locked --debug

buf:
	@if npx --yes "@bufbuild/buf@$(BUF_VERSION)" --version >/dev/null 2>&1; then \
	    npx --yes "@bufbuild/buf@$(BUF_VERSION)" lint proto; \
	    else echo "the schemas are not linted: it needs Node, and npm's registry the first time" >&2; fi
