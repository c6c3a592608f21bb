#!/bin/sh
# Installs the binary, its manual pages and its completions below $DESTDIR$PREFIX. With a path as its argument it
# installs that binary, otherwise it builds a release. Called by `make install`.
set -eu
cd "$(dirname "$0")/.."
prefix="${DESTDIR:-}${PREFIX:-/usr/local}"
cargo="${CARGO:-cargo}"
binary="${1:-}"
if [ -z "$binary" ]; then
    $cargo build --release --locked
    target=$($cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    binary="$target/release/windtunnel"
fi
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# Everything is made before anything is installed.
"$binary" man --out "$made/man1"
"$binary" completions bash > "$made/windtunnel.bash"
"$binary" completions zsh > "$made/_windtunnel"
"$binary" completions fish > "$made/windtunnel.fish"
put() {
    mkdir -p "$(dirname "$3")"
    install -m "$1" "$2" "$3"
}
put 755 "$binary" "$prefix/bin/windtunnel"
for page in "$made"/man1/*.1; do
    put 644 "$page" "$prefix/share/man/man1/$(basename "$page")"
done
put 644 "$made/windtunnel.bash" "$prefix/share/bash-completion/completions/windtunnel"
put 644 "$made/_windtunnel" "$prefix/share/zsh/site-functions/_windtunnel"
put 644 "$made/windtunnel.fish" "$prefix/share/fish/vendor_completions.d/windtunnel.fish"
echo "installed $prefix/bin/windtunnel"
