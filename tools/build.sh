#!/bin/bash
# Installs what is missing, configures and builds: tools/build.sh PRESET [TARGET ...] (presets: see CMakePresets.json).
# The programs land in build/PRESET/bin. Called by ./test.sh and ./demo.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$#" -lt 1 ]; then
  echo "usage: tools/build.sh PRESET [TARGET ...]" >&2
  exit 2
fi
preset="$1"
shift

tools/install_dependencies.sh

# One job a core, but no more than memory allows: a unity file that includes LibTorch takes about 2 GB.
cores="$(nproc)"
memory_jobs="$(awk '/^MemAvailable:/ { print int($2 / 2000000) }' /proc/meminfo)"
jobs="$cores"
if [ "${memory_jobs:-$cores}" -lt "$jobs" ]; then
  jobs="$((memory_jobs < 1 ? 1 : memory_jobs))"
fi

echo "build: preset $preset, $jobs jobs; the first build takes some minutes" >&2
cmake --preset "$preset" -Wno-dev --log-level=WARNING
arguments=(--build --preset "$preset" --parallel "$jobs")
if [ "$#" -gt 0 ]; then
  arguments+=(--target "$@")
fi
cmake "${arguments[@]}"
