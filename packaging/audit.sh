#!/bin/sh
# Holds the dependencies to deny.toml, and to known advisories where their database can be had. Without one it says
# so and passes: what cannot be known is no failure of the source. Called by `make audit`.
set -eu
cd "$(dirname "$0")/.."
cargo="${CARGO:-cargo}"
if ! $cargo deny --version >/dev/null 2>&1; then
    echo "SKIPPED: cargo-deny is not installed (cargo install --locked cargo-deny)"
    exit 0
fi
$cargo deny --all-features --locked check licenses bans sources
if ! $cargo deny --all-features --locked fetch db >/dev/null 2>&1; then
    echo "SKIPPED: no database of advisories can be fetched; nothing is known of vulnerabilities"
    exit 0
fi
$cargo deny --all-features --locked check advisories
if $cargo audit --version >/dev/null 2>&1; then
    $cargo audit
else
    echo "SKIPPED: cargo-audit is not installed (cargo install --locked cargo-audit)"
fi
