#!/bin/bash
# Writes the man pages of all commands, as the program prints them: tools/make_man_pages.sh PROGRAM FOLDER. What fails
# (the pages of `train` without fastermask-train) is left out.
set -euo pipefail
program="$1"
folder="$2"
mkdir -p "$folder"
rm -f "$folder"/*.1

# page WORD ...: of the command with these words.
page() {
  local file
  file="$folder/$(IFS=-; echo "fastermask${*:+-$*}").1"
  "$program" __man "$@" >"$file" 2>/dev/null || rm -f "$file"
}

page
for command in $("$program" __complete ""); do
  page "$command"
  for below in $("$program" __complete "$command" "" 2>/dev/null || true); do page "$command" "$below"; done
done
