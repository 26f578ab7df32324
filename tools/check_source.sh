#!/bin/bash
# Checks the rules that CONTRIBUTING.md states and a compiler does not: tools/check_source.sh [FOLDER]. Prints one line
# for each violation and ends with status 1 when there is one.
#
#   - src/fastermask/LAYERS names every folder, and each folder includes only what its line allows, by full path;
#     a line allows only folders of earlier lines
#   - only training/ and its tests include LibTorch, and nothing includes torch/torch.h
#   - no file of ours is longer than 600 lines
#   - text files have no tabs for indentation, no blanks at line ends, no carriage returns, and end with a newline
#   - no file names an absolute path on somebody's machine
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

violations="$(mktemp)"
trap 'rm -f "$violations"' EXIT

# Folders of ours that exist, and the files at the top. Build and output folders are none of them.
sources=()
for path in src apps tests bench tools cmake configs docs test .ci *.md CMakeLists.txt test.sh demo.sh; do
  if [ -e "$path" ]; then sources+=("$path"); fi
done

# Code of ours whose name matches one of the patterns, one path a line.
list_code() {
  find "${sources[@]}" -type f \( -name '*.cpp' -o -name '*.cu' -o -name '*.h' -o -name '*.sh' -o -name '*.cmake' \
    -o -name CMakeLists.txt -o -name run \) | LC_ALL=C sort
}
list_cpp() { list_code | grep -E '[.](cpp|cu|h)$' || true; }

# Reads LAYERS, then every #include of the layers.
check_layers() {
  local layers=src/fastermask/LAYERS files
  if [ ! -f "$layers" ]; then
    echo "$layers: missing"
    return
  fi
  mapfile -t files < <(list_cpp | grep '^src/fastermask/' || true)
  awk '
    FILENAME ~ /LAYERS$/ {
      if ($0 ~ /^#/ || NF == 0) next
      if ($1 !~ /:$/) { printf "%s:%d: a line must be \"folder: folders it may include\"\n", FILENAME, FNR; next }
      layer = substr($1, 1, length($1) - 1)
      for (i = 2; i <= NF; ++i) {
        if (!($i in known)) printf "%s:%d: %s may include %s, which has no line above\n", FILENAME, FNR, layer, $i
        allowed[layer, $i] = 1
      }
      known[layer] = 1
      allowed[layer, layer] = 1
      next
    }
    FNR == 1 {
      split(FILENAME, parts, "/")
      layer = parts[3]
      if (!(layer in known) && !(layer in told)) {
        printf "src/fastermask/%s: has no line in src/fastermask/LAYERS\n", layer
        told[layer] = 1
      }
    }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
      split($0, quoted, "\"")
      path = quoted[2]
      if (path !~ /^fastermask\/[a-z0-9_]+\//) {
        printf "%s:%d: write the full path, fastermask/LAYER/FILE, got \"%s\"\n", FILENAME, FNR, path
        next
      }
      split(path, parts, "/")
      if ((layer in known) && !((layer, parts[2]) in allowed)) {
        printf "%s:%d: %s/ may not include %s\n", FILENAME, FNR, layer, path
      }
    }
  ' "$layers" ${files[@]+"${files[@]}"}
}

# `pattern` (extended) in the files given on stdin, one match a line, with what is wrong about it.
tell_matches() {
  local pattern="$1" wrong="$2"
  { xargs -d '\n' -r grep -HInE -- "$pattern" || true; } | sed "s|\$|  ($wrong)|"
}

check_libtorch() {
  list_cpp | tell_matches '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]torch/torch[.]h' \
    'include the parts of LibTorch that are needed'
  list_cpp | { grep -vE '^(src/fastermask|tests/[a-z]+|bench)/training/' || true; } |
    tell_matches '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"](torch|ATen|c10)/' 'only training/ may include LibTorch'
}

check_sizes() {
  list_code | xargs -d '\n' -r awk '
    function tell() { if (lines > 600) printf "%s: %d lines; 600 are the most a file may have\n", file, lines }
    FNR == 1 { tell(); file = FILENAME }
    { lines = FNR }
    END { tell() }'
}

check_text() {
  local tab files file
  tab="$(printf '\t')"
  # -I leaves out binary files, -l '' empty ones.
  mapfile -t files < <(find "${sources[@]}" -type f -exec grep -Il '' {} + | LC_ALL=C sort)
  if [ "${#files[@]}" -eq 0 ]; then return; fi
  printf '%s\n' "${files[@]}" | tell_matches "^ *$tab" 'a tab; indent with spaces'
  printf '%s\n' "${files[@]}" | tell_matches "[ $tab]\$" 'blanks at the end of the line'
  printf '%s\n' "${files[@]}" | tell_matches "$(printf '\r')\$" 'a carriage return'
  # "/home/me" is nobody: examples may use it.
  printf '%s\n' "${files[@]}" | tell_matches '(^|[^A-Za-z0-9_.}$*-])/(home|root|work|workspace|Users)/[A-Za-z0-9]' \
    "an absolute path on one person's machine" | { grep -vE '/home/me([^A-Za-z0-9_]|$)' || true; }
  if [ "$(tail -q -c 1 "${files[@]}" | wc -l)" -ne "${#files[@]}" ]; then
    for file in "${files[@]}"; do
      if [ -n "$(tail -c 1 "$file")" ]; then echo "$file: does not end with a newline"; fi
    done
  fi
}

{
  check_layers
  check_libtorch
  check_sizes
  check_text
} >"$violations"

if [ -s "$violations" ]; then
  cat "$violations"
  exit 1
fi
