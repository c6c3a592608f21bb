#!/bin/sh
# Makes a virtual environment with what the tests need beside Rust. Says what it does; needs
# root only where the system's Python comes without its venv module.
# Usage: tests/install-tools.sh PYTHON VENV_DIR
set -eu
python=$1
venv=$2
say() { echo "install-tools: $*"; }
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"; else
        say "need root for: $*"; return 1
    fi
}
install_python() {
    if command -v apt-get >/dev/null 2>&1; then
        say "installing python3 and python3-venv with apt-get"
        as_root apt-get update && as_root apt-get install -y python3 python3-venv
    elif command -v dnf >/dev/null 2>&1; then
        say "installing python3 with dnf"
        as_root dnf install -y python3
    elif command -v brew >/dev/null 2>&1; then
        say "installing python with brew"
        brew install python
    else
        say "no apt-get, dnf or brew here: install Python 3.9 or newer with its venv module"
        return 1
    fi
}
command -v "$python" >/dev/null 2>&1 || install_python
mkdir -p "$(dirname "$venv")"
say "making a Python environment in $venv"
"$python" -m venv "$venv" || { rm -rf "$venv"; install_python && "$python" -m venv "$venv"; }
say "installing $(tr '\n' ' ' < tests/requirements.txt)into it"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
