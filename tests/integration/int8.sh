#!/bin/bash
# int8 as a user meets it: calibrating, packages, precisions side by side, a limit to what may be lost, and memory that
# stays as it is over hundreds of pictures of changing sizes.
# Usage: int8.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0
. "$source/tests/support/tiny_model.sh"

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect STATUS PATTERN COMMAND...: the command ends with STATUS and its output (both streams) holds PATTERN.
expect() {
  local status="$1" pattern="$2" output got
  shift 2
  output="$("$@" 2>&1)"
  got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$pattern" <<<"$output"; then
    fail "$*"
    echo "  expected status $status and '$pattern'; got status $got and:"
    tail -n 12 <<<"$output" | sed 's/^/  | /'
  fi
}

fm="$bin/fastermask"
make_tiny_model "$bin" "$source" "$work" || { echo "FAILED: no model"; exit 1; }
model=(--config-file "$work/run/config.yaml" --weights "$work/run/model_final.pth")
pictures="$work/s/images/train"
scenes="$work/s/annotations/instances_train.json:$pictures"

expect 0 "classes, " "$fm" compile "${model[@]}" --precision int8 --calibration "$pictures" -o "$work/folder.fmm"
expect 0 "Calibrating int8 on 2 images" "$fm" compile "${model[@]}" --precision int8 --calibration "$scenes" \
  --calibration-images 2 --calibration-method entropy -o "$work/set.fmm"
[ "$(stat -c %s "$work/folder.fmm")" -lt "$(($(stat -c %s "$work/model.fmm") / 2))" ] ||
  fail "an int8 package must be less than half as large as the f32 one"
expect 0 '"file_name"' "$fm" predict --model "$work/folder.fmm" "$pictures" --score-threshold 0 --json
cmp -s <("$fm" predict --model "$work/folder.fmm" "$pictures" --score-threshold 0 --json --threads 1 2>/dev/null) \
  <("$fm" predict --model "$work/folder.fmm" "$pictures" --score-threshold 0 --json --threads 3 --batch 3 2>/dev/null) ||
  fail "threads and batches must not change what int8 finds"
expect 0 "copypaste: Task: bbox" "$fm" evaluate --model "$work/folder.fmm" --precision int8 --dataset "$scenes"
table="$("$fm" evaluate "${model[@]}" --precision f32,bf16,int8 --calibration "$pictures" --output "$work/e" 2>/dev/null)"
grep -qE "^ +f32 +bf16 +int8$" <<<"$table" || fail "no table of precisions: $(tail -n 12 <<<"$table")"
grep -qE "^segm AP +[0-9.]+ +[0-9.]+ +[0-9.]+$" <<<"$table" || fail "no AP by precision: $(tail -n 12 <<<"$table")"
for precision in f32 bf16 int8; do
  [ -s "$work/e/$precision/report.html" ] || fail "no report of $precision"
done
expect 0 '"int8": {' "$fm" evaluate "${model[@]}" --precision f32,int8 --calibration "$pictures" --json
expect 0 "layers in int8, AP falls by" "$fm" compile "${model[@]}" --precision int8 --calibration "$pictures" \
  --max-ap-drop 0.5 -o "$work/limited.fmm"

expect 2 "needs --calibration" "$fm" compile "${model[@]}" --precision int8 -o "$work/x.fmm"
expect 2 "needs --calibration" "$fm" evaluate "${model[@]}" --precision f32,int8
expect 2 "belong to --precision int8" "$fm" compile "${model[@]}" --calibration "$pictures" -o "$work/x.fmm"
expect 2 "is none of f32, bf16, int8" "$fm" evaluate "${model[@]}" --precision f32,int4
expect 2 "stands there twice" "$fm" evaluate "${model[@]}" --precision f32,f32
expect 2 "int8 needs a package" "$fm" predict "${model[@]}" --precision int8 "$pictures" --json
expect 2 "holds int8 weights" "$fm" predict --model "$work/folder.fmm" --precision f32 "$pictures" --json
mkdir "$work/empty"
expect 2 "" "$fm" compile "${model[@]}" --precision int8 --calibration "$work/empty" -o "$work/x.fmm"
[ ! -e "$work/x.fmm" ] || fail "a refused package was written"

# The resident memory of 400 predictions of ever new sizes, floats and integers, one and four threads of the caller.
for package in model folder; do
  expect 0 "steady" "$bin/steady_memory" "$work/$package.fmm" 400 1
  expect 0 "steady" "$bin/steady_memory" "$work/$package.fmm" 400 4
done
exit $((failures > 0))
