#!/bin/bash
# What `cmake` is to the commands of the docs: `cmake --install build/release` installs the build under test, below a
# folder of its own instead of /.
set -eu
[ "${1:-} ${2:-}" = "--install build/release" ] || { echo "cmake.sh: no stand-in for: cmake $*"; exit 1; }
shift 2
export DESTDIR="$DOCS_HIDDEN/root"
exec "$DOCS_CMAKE" --install "$(dirname "$DOCS_BIN")" "$@" >"$DOCS_HIDDEN/install.log"
