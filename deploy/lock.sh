#!/bin/sh
# Makes requirements/*.txt from pyproject.toml, with hashes, for every platform. uv is used for this only, from a folder
# of its own.
set -eu
cd "$(dirname "$0")/.."
tool=.cache/uv
if [ ! -x "$tool/bin/uv" ]; then
    echo "lock: get uv"
    .venv/bin/python -m venv --clear "$tool"
    "$tool/bin/pip" --disable-pip-version-check -q install uv
fi
compile() {
    target=$1
    shift
    echo "lock: $target"
    "$tool/bin/uv" pip compile pyproject.toml "$@" --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" --quiet --output-file "$target"
}
compile requirements/runtime.txt --extra build
compile requirements/otel.txt --extra build --extra otel
compile requirements/dev.txt --all-extras
