#!/bin/bash
# The docs, taken at their word: every command block of README.md and docs/*.md is run as it is written, in a folder that
# holds what the reader has by then (tests/support/docs/world.sh), page by page and from top to bottom. Trainings are
# shortened, servers go to the background (tests/support/docs/fastermask.sh); the reader's words stay as they are.
# Usage: docs_commands.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER [PAGE ...]
#
# A comment on the line above a block (<!-- ... -->, not shown by Markdown) changes that:
#   not run by the tests: REASON     the block is counted as skipped
#   ends with status N: REASON       the block's last command has to end so
# Other blocks: YAML whose first line is "# some/file.yaml" is written there for the commands after it; YAML without must
# be a part of a config. Besides: what the text calls `fastermask ...`, `--option` or `SECTION.KEY` has to exist, and
# links to files and headings lead somewhere.
set -u
bin="$(cd "$1" && pwd)"
source="$(cd "$2" && pwd)"
shift 2
work="$(mktemp -d)"
trap 'kill $(cat "$work"/*/server.pid 2>/dev/null) 2>/dev/null; sleep 0.1; rm -rf "$work"' EXIT
export FASTERMASK_CACHE="$work/cache" DOCS_BIN="$bin"
DOCS_CURL="$(command -v curl)"
DOCS_CMAKE="$(command -v cmake)"
export DOCS_CURL DOCS_CMAKE
unset FASTERMASK_DATASETS DETECTRON2_DATASETS FASTERMASK_WEIGHTS
failures=0 ran=0 skipped=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
. "$source/tests/support/docs/world.sh"
. "$source/tests/support/docs/text_checks.sh"

# run_block PLACE FILE NOTE: in the page's folder.
run_block() {
  local place="$1" file="$2" note="$3" wanted=0 status=0 log="$DOCS_HIDDEN/log"
  if [[ "$note" == "not run by the tests: "?* ]]; then
    skipped=$((skipped + 1))
    echo "not run: $place (${note#*: })"
    return
  fi
  if [[ "$note" =~ ^ends\ with\ status\ ([0-9]+):\ . ]]; then wanted="${BASH_REMATCH[1]}"; fi
  if grep -qw curl "$file" && [ -z "$DOCS_CURL" ]; then
    skipped=$((skipped + 1))
    echo "not run: $place (curl is missing)"
    return
  fi
  ran=$((ran + 1))
  PATH="$PWD/build/release/bin:$work/tools:$PATH" timeout 300 bash -euo pipefail "$file" >"$log" 2>&1 </dev/null ||
    status=$?
  if [ "$status" -ne "$wanted" ]; then
    fail "$place: the commands end with status $status, not $wanted"
    sed 's/^/  | /' <(tail -n 15 "$log")
  fi
}

# run_page PAGE: all of its blocks.
run_page() {
  local page="$1" blocks world number kind line note file
  blocks="$work/blocks/$page" world="$work/world"
  mkdir -p "$blocks"
  awk -v folder="$blocks" -f "$source/tests/support/docs/blocks.awk" "$source/$page" >"$blocks/list" ||
    { fail "$page: a block has no end"; return; }
  check_text "$page" "$blocks/text"
  [ -s "$blocks/list" ] || return
  rm -rf "$world" "$work/hidden"
  mkdir "$work/hidden"
  export DOCS_HIDDEN="$work/hidden"
  make_world "$page" "$world"
  cd "$world" || exit 1
  while read -r number kind line note; do
    file="$blocks/$number.$kind"
    case "$kind" in
      sh | bash | shell | console | none) if is_commands "$kind" "$file"; then run_block "$page:$line" "$file" "$note"; fi ;;
      yaml) use_yaml "$page:$line" "$file" ;;
      json | cpp | c | cmake) ;;
      *) fail "$page:$line: a block of '$kind', which this test does not know" ;;
    esac
  done <"$blocks/list"
  if [ -f "$work/hidden/server.pid" ]; then kill "$(cat "$work/hidden/server.pid")"; fi
  cd / || exit 1
}

# Without a language behind the fence only output and messages may stand; commands there would be passed over.
is_commands() {
  [ "$1" != none ] && return 0
  if grep -qE '^ *(\$ |fastermask |\./|bash |cmake |curl )' "$2"; then fail "$2: commands without 'sh' behind the fence"; fi
  return 1
}

use_yaml() {
  local name
  name="$(sed -n '1s/^# *\([A-Za-z0-9_./-]*\.yaml\)$/\1/p' "$2")"
  if [ -n "$name" ]; then
    cp "$2" "$name"
    DOCS_BIN="$bin" "$bin/fastermask" info config --config-file "$name" >/dev/null || fail "$1: no config"
  else
    "$bin/fastermask" info config --config-file "$2" >/dev/null || fail "$1: no part of a config"
  fi
}

make_world_template || { fail "no folder to run the commands in"; exit 1; }
collect_known_words
pages=("$@")
[ $# -gt 0 ] || mapfile -t pages < <(cd "$source" && ls README.md docs/*.md)
for page in "${pages[@]}"; do run_page "$page"; done

echo "docs_commands: $ran blocks run, $skipped not run, ${#pages[@]} pages"
[ "$ran" -gt 0 ] || fail "no block was found"
[ "$failures" -eq 0 ] || exit 1
echo "docs_commands: passed"
