# The commands of this project. `make demo` needs Rust and a C compiler only;
# `make test` fetches what else the tests need (Python with numpy and pyarrow, in a
# virtual environment under target/; cmake and libclang for llama.cpp).

CARGO ?= cargo
PYTHON ?= python3
VENV := target/venv
OUT ?= reports/quickstart
# What `make fuzz` does, and for how long.
TARGET ?= npy
SECONDS ?= 600
# The tests run language models in process; the demo does not need them.
FEATURES ?= llama
# Where `make install` puts things, and a folder to put before all of it (for packages).
PREFIX ?= /usr/local
DESTDIR ?=
# A binary that is built already; without one, `make install` builds a release.
BINARY ?=

.PHONY: demo gates test test-long test-gguf fuzz check format lint bench tools reference clean \
	dist install uninstall audit package start

demo reference dist install: export WINDTUNNEL_GIT_REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

demo: ## Build, run the quickstart scenario, print the verdict and where the report is
	$(CARGO) build --release
	target_dir=$$($(CARGO) metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'); \
	"$$target_dir/release/windtunnel" run scenarios/quickstart.toml --out $(OUT) --force

gates: ## Hold the shipped agents before the sanity gates, on the invented world
	$(CARGO) run --release --quiet -- validate scenarios/quickstart.toml --gate --quiet --force --out $(OUT)-validation

tools: $(VENV)/ready

$(VENV)/ready: tests/requirements.txt
	sh tests/install-tools.sh $(PYTHON) $(VENV)
	touch $@

test: tools ## All quick tests: library, command line, conformance, determinism, recomputation in Python
	WINDTUNNEL_PYTHON=$(CURDIR)/$(VENV)/bin/python $(CARGO) test --features "$(FEATURES)"

test-long: tools ## The tests that take minutes: quality on real data, ten million rows, a hundred kills
	WINDTUNNEL_PYTHON=$(CURDIR)/$(VENV)/bin/python $(CARGO) test --release -- --ignored

test-gguf: ## The encoder gguf against every reference vector of a real model (needs cmake and libclang)
	$(CARGO) test --release --features llama --test encoder_gguf -- --ignored --nocapture

fuzz: ## libFuzzer on one TARGET for so many SECONDS (needs cargo-fuzz and a C++ compiler)
	mkdir -p fuzz/corpus/$(TARGET)
	RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run $(TARGET) -- -max_total_time=$(SECONDS) -rss_limit_mb=2048 -timeout=10 -dict=fuzz/readers.dict

check: lint test ## What has to pass before a change is shared

format: ## Format the code
	$(CARGO) fmt

lint: tools ## Formatting, clippy and documentation, warnings denied
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features "$(FEATURES)" -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --features "$(FEATURES)"

reference: ## Make the committed reference report again
	$(CARGO) run --release -- run scenarios/quickstart.toml --out reports/reference --force
	cd reports/reference && rm -r events sessions.csv agents.csv people.csv identity.json

bench: tools ## All benches
	$(CARGO) bench --features "$(FEATURES)"

start: ## How soon the binary answers: size, --help, and the quickstart's first page
	$(CARGO) build --release
	target_dir=$$($(CARGO) metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'); \
	sh benches/start.sh "$$target_dir/release/windtunnel"

dist: ## A release whose bytes do not depend on where it is built: docs/install.md
	sh packaging/dist.sh

install: ## Binary, manual pages and completions into DESTDIR/PREFIX
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" CARGO="$(CARGO)" sh packaging/install.sh "$(BINARY)"

uninstall: ## What `make install` put there
	rm -f "$(DESTDIR)$(PREFIX)/bin/windtunnel" \
		"$(DESTDIR)$(PREFIX)"/share/man/man1/windtunnel.1 "$(DESTDIR)$(PREFIX)"/share/man/man1/windtunnel-*.1 \
		"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/windtunnel" \
		"$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_windtunnel" \
		"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/windtunnel.fish"

audit: ## Licences, bans and sources of every dependency, and known advisories where a database can be had
	CARGO="$(CARGO)" sh packaging/audit.sh

package: ## The crate as it would be published, built from its own archive
	$(CARGO) package --locked

clean:
	$(CARGO) clean
