#!/bin/sh
# Gets what the tests need beside Rust: cmake and libclang for llama.cpp, and a virtual environment of
# Python. Says what it does; needs root only where the system lacks one of these.
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
# cmake and libclang build llama.cpp, which the tests run in process.
has_libclang() {
    command -v llvm-config >/dev/null 2>&1 && ls "$(llvm-config --libdir)"/libclang*.so* >/dev/null 2>&1 && return 0
    ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib*/libclang*.so* /usr/lib/*/libclang*.so* 2>/dev/null |
        grep -v libclang-cpp | grep -q . && return 0
    [ -n "${LIBCLANG_PATH:-}" ] || [ "$(uname)" = Darwin ]
}
install_llama_tools() {
    if command -v apt-get >/dev/null 2>&1; then
        say "installing cmake and libclang-dev with apt-get"
        as_root apt-get update && as_root apt-get install -y cmake libclang-dev g++
    elif command -v dnf >/dev/null 2>&1; then
        say "installing cmake and clang-devel with dnf"
        as_root dnf install -y cmake clang-devel gcc-c++
    elif command -v brew >/dev/null 2>&1; then
        say "installing cmake with brew"
        brew install cmake
    else
        say "no apt-get, dnf or brew here: install cmake and libclang"
        return 1
    fi
}
{ command -v cmake >/dev/null 2>&1 && has_libclang; } || install_llama_tools
command -v "$python" >/dev/null 2>&1 || install_python
mkdir -p "$(dirname "$venv")"
say "making a Python environment in $venv"
"$python" -m venv "$venv" || { rm -rf "$venv"; install_python && "$python" -m venv "$venv"; }
say "installing $(tr '\n' ' ' < tests/requirements.txt)into it"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
