#!/bin/bash
# Installs what is missing, builds, and runs every test. Exit status 0: all passed.
#
#   ./test.sh                  all tests
#   ./test.sh -R kernels       arguments go to ctest: here, only tests with "kernels" in their name
#
# FASTERMASK_REFERENCE=FOLDER   folder with recorded numbers of the reference implementation (FOLDER/golden). Without it
#                               the tests that compare with them are skipped.
# FASTERMASK_PRESET=PRESET      release (the default), debug or asan.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

preset="${FASTERMASK_PRESET:-release}"
log="$PWD/build/$preset/test.log"

if [ -n "${FASTERMASK_REFERENCE:-}" ]; then
  if [ ! -d "$FASTERMASK_REFERENCE/golden" ]; then
    echo "test: FASTERMASK_REFERENCE must name a folder that holds golden/, got '$FASTERMASK_REFERENCE'" >&2
    exit 2
  fi
  FASTERMASK_REFERENCE="$(cd "$FASTERMASK_REFERENCE" && pwd)"  # tests run in another folder
  export FASTERMASK_REFERENCE
fi

started=$SECONDS
tools/build.sh "$preset"
built=$SECONDS

status=0
ctest --preset "$preset" -j2 --output-log "$log" "$@" || status=$?

duration() { printf '%d min %d s' "$(($1 / 60))" "$(($1 % 60))"; }
echo
echo "built in $(duration $((built - started))), tested in $(duration $((SECONDS - built))); ctest's output: $log"
if [ -n "${FASTERMASK_REFERENCE:-}" ]; then
  echo "reference numbers: $FASTERMASK_REFERENCE"
else
  echo "reference numbers: none (FASTERMASK_REFERENCE is not set), so comparisons with them were skipped"
fi
if [ "$status" -eq 0 ]; then
  echo "test: all passed"
else
  echo "test: FAILED"
fi
exit "$status"
