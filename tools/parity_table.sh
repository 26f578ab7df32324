#!/bin/bash
# Runs every comparison with the recorded reference numbers and prints one table: each case, whether it passed, and the
# worst error of each quantity in it. Cases without a figure compare for equality.
# Usage: FASTERMASK_REFERENCE=FOLDER tools/parity_table.sh [FOLDER_OF_THE_PROGRAMS]
set -u
bin="${1:-build/release/bin}"
if [ -z "${FASTERMASK_REFERENCE:-}" ]; then
  echo "FASTERMASK_REFERENCE must name the folder of the recorded numbers" >&2
  exit 2
fi
for program in "$bin"/parity_*; do
  "$program" --gtest_color=no 2>&1
done | awk '
  /^\[ RUN/ { name = $0; sub(/^\[ RUN +\] /, "", name); count = 0; next }
  /^\[  worst/ { line = $0; sub(/^\[  worst +\] /, "", line); lines[count++] = line; next }
  /^\[       OK \]|^\[  SKIPPED \]|^\[  FAILED  \].*\(.* ms\)/ {
    status = $0 ~ /OK \]/ ? "passed" : $0 ~ /SKIPPED/ ? "skipped" : "FAILED"
    failed += status == "FAILED"; cases++
    printf "%-8s %s%s\n", status, name, count == 0 ? "  (equal)" : ""
    for (i = 0; i < count; i++) printf "           %s\n", lines[i]
  }
  END { printf "%d cases, %d failed\n", cases, failed; exit failed > 0 }'
