#!/bin/bash
# The server's page in headless Chromium: drop, paste, slide, hover, download. Skipped where Chromium or node is
# missing. Usage: serve_page.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER [FOLDER_FOR_SCREENSHOTS]
set -eu
bin="$1"
source="$2"
for program in chromium node; do
  command -v "$program" >/dev/null || { echo "serve_page: skipped, $program is missing"; exit 77; }
done
work="$(mktemp -d)"
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; sleep 0.2; rm -rf "$work"' EXIT
. "$source/tests/support/tiny_model.sh"
make_tiny_model "$bin" "$source" "$work"
"$bin/fastermask" serve --model "$work/model.fmm" --port 0 --score-threshold 0.06 --lowest-threshold 0.04 \
  2>"$work/serve.log" &
server=$!
url=""
for _ in $(seq 200); do
  url="$(grep -o 'http://[0-9.:]*/' "$work/serve.log" || true)"
  [ -z "$url" ] || break
  sleep 0.05
done
[ -n "$url" ] || { cat "$work/serve.log"; exit 1; }
picture="$(ls "$work"/s/images/val/* | head -1)"
mkdir "$work/files"
node "$source/tests/browser/serve_page.js" "$(command -v chromium)" "$url" "$picture" "$work/files" ${3:+"$3"}
