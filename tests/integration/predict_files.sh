#!/bin/bash
# predict's files: CSV, labelme, crops, masks; and bad pictures among good ones, told at the end.
# Usage: predict_files.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -eu
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

. "$source/tests/support/tiny_model.sh"
make_tiny_model "$bin" "$source" "$work" || fail "no model"
mkdir "$work/in"
cp "$work"/s/images/val/* "$work/in"
head -c 500 "$(ls "$work"/s/images/val/* | head -1)" >"$work/in/000000_cut.jpg"
echo "no picture" >"$work/in/zzz.png"
status=0
"$bin/fastermask" predict --model "$work/model.fmm" --score-threshold 0.1 --json --csv "$work/table.csv" \
  --labelme "$work/labelme" --crops "$work/crops" --masks "$work/masks" "$work/in" \
  >"$work/records.json" 2>"$work/log" || status=$?
[ "$status" -eq 1 ] || fail "bad pictures among good ones must give status 1, got $status"
for bad in 000000_cut.jpg zzz.png; do
  grep -q "$bad" <(tail -2 "$work/log") || { cat "$work/log"; fail "$bad is not told at the end"; }
done

found="$(grep -o '"score"' "$work/records.json" | wc -l)"
[ "$found" -gt 0 ] || fail "nothing was found"
[ "$(head -1 "$work/table.csv")" = "file_name,category_id,category,score,x,y,width,height,area,frame" ] || fail "CSV header"
[ "$(tail -n +2 "$work/table.csv" | grep -c "$work/in/")" -eq "$found" ] || fail "CSV has another number of lines"
[ "$(ls "$work/crops" | wc -l)" -eq "$found" ] || fail "crops have another number"
for name in $(cd "$work/s/images/val" && ls | sed 's/\..*//'); do
  grep -q '"shape_type": "polygon"' "$work/labelme/$name.json" || fail "no polygons in $name.json"
  grep -q '"imageHeight": [1-9]' "$work/labelme/$name.json" || fail "no size in $name.json"
  [ "$(head -c 4 "$work/masks/$name.png" | tail -c 3)" = PNG ] || fail "no mask of $name"
done
echo "predict_files: passed"
