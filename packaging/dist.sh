#!/bin/sh
# Builds a release whose bytes depend on the source, the compilers and the features alone: not on the folder it is
# built in, nor on the home folder, nor on the clock. Prints the binary's SHA-256. Features for the build are in
# $FEATURES_DIST. Called by `make dist`; docs/install.md says how to compare.
set -eu
cd "$(dirname "$0")/.."
cargo="${CARGO:-cargo}"
here=$(pwd -P)
home="${CARGO_HOME:-$HOME/.cargo}"
toolchain=$(rustc --print sysroot)
target="$here/target/dist"
# Of several rules that fit the last one counts, so the longest paths stand last.
rust="--remap-path-prefix=$home=/cargo --remap-path-prefix=$toolchain=/rust"
rust="$rust --remap-path-prefix=$here=/windtunnel --remap-path-prefix=$target=/windtunnel/target"
c="-ffile-prefix-map=$home=/cargo -ffile-prefix-map=$here=/windtunnel -ffile-prefix-map=$target=/windtunnel/target"
if git rev-parse HEAD >/dev/null 2>&1; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    # The revision is part of the source; a tree with changes has none.
    if [ -z "$(git status --porcelain --untracked-files=no)" ]; then
        WINDTUNNEL_GIT_REVISION=$(git rev-parse --short=12 HEAD)
        export WINDTUNNEL_GIT_REVISION
    else
        unset WINDTUNNEL_GIT_REVISION
    fi
else
    SOURCE_DATE_EPOCH=0
fi
export SOURCE_DATE_EPOCH
export RUSTFLAGS="$rust" CFLAGS="$c" CXXFLAGS="$c" CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="$target" LC_ALL=C TZ=UTC
$cargo build --release --locked --features "${FEATURES_DIST:-}"
sha256sum "$target/release/windtunnel"
