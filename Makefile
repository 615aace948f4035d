# What the project can be asked to do. CI runs `make test`, as root or as a user with sudo, on Debian or Ubuntu with Rust.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := test

# Tests enter root directories, which only root may; building needs no rights.
ifneq ($(shell id -u),0)
TRIPLE := $(shell rustc --version --verbose | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export CARGO_TARGET_$(TRIPLE)_RUNNER := sudo --preserve-env
endif

.PHONY: test
test: packages lint ## everything that must hold before a change is merged
	cargo test --locked --no-fail-fast </dev/null

.PHONY: test-vm
test-vm: packages ## images baked and booted in QEMU: minutes with KVM, half an hour without
	FITOUT_QEMU="$$(scripts/qemu.sh target/qemu </dev/null)" cargo test --locked --test vm -- --ignored --nocapture </dev/null

.PHONY: soak
soak: packages ## parsers fed with ever other input (FITOUT_FUZZ_ROUNDS=100000 takes hours), scripts that print 10 GB
	FITOUT_FUZZ_ROUNDS=$${FITOUT_FUZZ_ROUNDS:-20000} FITOUT_FUZZ_SEED=$${FITOUT_FUZZ_SEED:-$$RANDOM} cargo test --locked --test fuzz -- --nocapture </dev/null
	FITOUT_HOSTILE=full cargo test --locked --test container -- --nocapture hostile </dev/null

.PHONY: lint
lint: ## form, lints, documentation, dependencies
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
	scripts/deny.sh

# A compiler for the crates that need one; a Debian root and its local repository; disk images; a root that is booted.
PACKAGES := build-essential ca-certificates \
	mmdebstrap debian-archive-keyring gnupg dpkg-dev apt-utils openssh-client strace patchelf \
	e2fsprogs gdisk dosfstools genisoimage mtools qemu-utils zstd xz-utils systemd-container python3-venv shellcheck nodejs

.PHONY: packages
packages: ## what the tests run, installed where it is missing
	scripts/packages.sh $(PACKAGES) </dev/null

.PHONY: demo
demo: ## an offline Debian root turned into a workstation, in a minute
	scripts/demo.sh </dev/null

.PHONY: bench
bench: packages ## what runs, downloads and environments cost, beside other tools; writes docs/performance.md
	cargo build --release --locked
	cargo bench --locked --profile dev --bench noop </dev/null
	cargo bench --locked --bench fetch </dev/null
	cargo bench --locked --profile dev --bench conda </dev/null

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile
