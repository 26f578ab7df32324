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

# labelme's files can be trained on: they come back as the masks they were made of.
"$bin/fastermask" data convert "$work/labelme" "$work/back.json" >"$work/log" 2>&1 ||
  { cat "$work/log"; fail "no way back"; }
instances="$(for file in "$work"/labelme/*.json; do grep -o '"group_id": [0-9]*' "$file" | sort -u; done | wc -l)"
grep -q "^$work/back.json:$work/labelme (2 pictures, $instances instances)$" "$work/log" ||
  { cat "$work/log"; fail "other data"; }
"$bin/fastermask" data stats "$work/back.json:$work/labelme" >/dev/null || fail "what came back is no data set"

# Names: a JPEG of another ending, and two pictures that differ in theirs only, among others that must not suffer.
predict() {
  "$bin/fastermask" predict --model "$work/model.fmm" --score-threshold 0.1 "$@" >"$work/records.json" 2>"$work/log"
}
mkdir "$work/names"
for name in photo a.jpg a.jpeg z.jpg; do cp "$work/s/images/val/000001.jpg" "$work/names/$name"; done
predict --output "$work/drawn" --labelme "$work/notes" --json "$work"/names/* || { cat "$work/log"; fail "names"; }
for name in photo.jpg a.jpeg a-2.jpg z.jpg; do
  [ -s "$work/drawn/$name" ] || { ls "$work/drawn"; fail "no $name is drawn"; }
  [ -s "$work/notes/${name%.*}.json" ] || { ls "$work/notes"; fail "no annotations of $name"; }
done

# What cannot be written of one picture is told at the end, too.
mkdir -p "$work/taken/a.jpg"
status=0
predict --output "$work/taken" --json --csv "$work/taken.csv" "$work"/names/{a,z}.jpg || status=$?
[ "$status" -eq 1 ] || fail "output that cannot be written must give status 1, got $status"
tail -1 "$work/log" | grep -q "taken/a.jpg" || { cat "$work/log"; fail "what cannot be written is not told"; }
[ -s "$work/taken/z.jpg" ] && [ -s "$work/taken.csv" ] || fail "the others were not done"
[ "$(grep -o '"score"' "$work/records.json" | wc -l)" -gt 0 ] || fail "the records were lost"

# Drawings and masks must not take the place of the pictures.
before="$(cksum "$work"/names/*)"
for option in --output --masks; do
  status=0
  predict "$option" "$work/names" "$work/names/z.jpg" || status=$?
  [ "$status" -eq 2 ] && grep -q "would be written over" "$work/log" || fail "$option into the pictures' folder: $status"
done
[ "$before" = "$(cksum "$work"/names/*)" ] || fail "a picture was written over"
echo "predict_files: passed"
