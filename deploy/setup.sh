#!/bin/sh
# Makes .venv: Python, the locked dependencies (every file's hash is checked), this project. Says what it does, keeps the
# details in .cache/setup.log. Safe to interrupt: what is complete is marked last.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .cache
log=.cache/setup.log

# A link to another working copy's .venv is that one's business.
if [ -L .venv ]; then
    [ -x .venv/bin/python ] || { echo "setup: .venv is a link to nothing: remove it" >&2; exit 1; }
    exit 0
fi

mark=.venv/.complete-$(cat requirements/dev.txt pyproject.toml | sha256sum | cut -c1-16)
# The path is in it too: a moved working copy needs its .venv anew.
if [ -e "$mark" ] && [ "$(cat "$mark")" = "$PWD" ]; then
    exit 0
fi

fail() {
    echo "setup: $1" >&2
    [ ! -s "$log" ] || tail -n 15 "$log" >&2
    exit 1
}

install_package() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || fail "$1 is missing: install it (as root: apt-get install $1)"
    echo "setup: install Debian's $1"
    {
        DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install "$1" ||
            { apt-get -q -o DPkg::Lock::Timeout=300 update &&
                DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 install "$1"; }
    } >"$log" 2>&1 </dev/null || fail "apt-get could not install $1"
}

find_python() {
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

python=$(find_python)
[ -n "$python" ] || { install_package python3 && python=$(find_python); }
[ -n "$python" ] || fail "Python 3.11 or newer is needed; python3 is $(python3 --version 2>&1)"
"$python" -c 'import ensurepip, venv' 2>/dev/null || install_package python3-venv

rm -f .venv/.complete-*
: >"$log"
# One that works and belongs here is only brought up to date.
if ! .venv/bin/python -m pip --version >>"$log" 2>&1 || ! grep -qsF "#!$PWD/.venv/bin/python" .venv/bin/pip; then
    echo "setup: make .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv >>"$log" 2>&1 </dev/null || fail "the virtual environment could not be made"
fi
echo "setup: install the locked dependencies"
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input -q "$@" >>"$log" 2>&1 </dev/null; }
pip install --require-hashes -r requirements/dev.txt || fail "the locked dependencies could not be installed"
pip install --no-deps --no-build-isolation -e . || fail "this project could not be installed into .venv"
echo "$PWD" >"$mark"
echo "setup: done, the command is .venv/bin/reberth"
