# `make test` is everything that must pass; `make run` puts the demo show on the air.

CARGO ?= cargo
# What make fuzz runs, and for how long.
TARGET ?= sdp_offer
SECONDS ?= 60

.PHONY: test prepare lint deny unit doc web browser run bench fuzz fmt

test: prepare lint deny unit doc web browser

# Installs what is missing where it may, else says what is.
prepare:
	.ci/prepare

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

# Licences, advisories and sources of the dependencies, where cargo-deny is installed.
deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check; \
	else echo "cargo-deny is not installed: dependencies not checked"; fi

# One profile and one set of packages throughout: cargo builds dependencies anew for every other choice of features.
unit:
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		echo "$(CARGO) nextest run"; $(CARGO) nextest run --workspace --locked --no-fail-fast; \
	else echo "$(CARGO) test"; $(CARGO) test --workspace --all-targets --locked --no-fail-fast; fi

doc:
	$(CARGO) test --workspace --doc --locked

# The shop client's types against the protocol's schema.
web:
	tests/web/run

browser:
	$(CARGO) build --workspace --locked --bins
	@if [ -x tests/browser/run ]; then tests/browser/run; else echo "no browser tests"; fi

run:
	$(CARGO) run --release

bench:
	$(CARGO) bench -p vitrine-benches

# Needs a nightly toolchain and cargo-fuzz: make fuzz TARGET=stun SECONDS=600
fuzz:
	cd fuzz && $(CARGO) +nightly fuzz run --fuzz-dir targets $(TARGET) corpus/$(TARGET) -- \
		-max_total_time=$(SECONDS)

fmt:
	$(CARGO) fmt --all
