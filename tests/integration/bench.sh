#!/bin/bash
# `fastermask bench data` and `bench eval`: what they print as JSON, on generated data and on files of one's own.
# Usage: bench.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -eu
bin="$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

# positive FILE KEY...: each is there with a number above 0.
positive() {
  local file="$1" key value
  shift
  for key in "$@"; do
    value="$(sed -n "s/.*\"$key\": \([0-9.e+-]*\),\{0,1\}\$/\1/p" "$file" | head -1)"
    awk -v value="$value" 'BEGIN { exit !(value > 0) }' || { cat "$file"; fail "$key must be above 0, got '$value'"; }
  done
}

"$bin/fastermask" bench eval --objects 300 --detections 500 --repeat 1 --json >"$work/eval.json"
positive "$work/eval.json" truth_seconds results_megabytes parse_seconds evaluate_seconds peak_resident_bytes ap
[ "$(grep -c '"detections": 500' "$work/eval.json")" -eq 2 ] || fail "500 detections of boxes and of masks"

"$bin/fastermask" data synth --output "$work/s" --train 6 --val 2 --size 96x80 --seed 3 >/dev/null 2>&1
TMPDIR="$work" "$bin/fastermask" bench data --pictures 3 --threads 1 --json >"$work/data.json" 2>/dev/null
positive "$work/data.json" read_seconds decode_seconds map_seconds normalise_seconds loader_pictures_per_second
ls "$work" | grep -q fastermask-bench && fail "the generated scenes are left"
"$bin/fastermask" bench data --dataset "$work/s/annotations/instances_train.json:$work/s/images/train" --json \
  --threads 0 >"$work/data.json" 2>/dev/null
positive "$work/data.json" open_seconds pictures_per_second_one_thread

# Two detections that are the ground truth: the AP of one's own files.
cat >"$work/gt.json" <<'J'
{"images": [{"id": 1, "height": 50, "width": 60}], "categories": [{"id": 3, "name": "a"}],
 "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 100, "bbox": [5, 5, 10, 10]},
                 {"id": 2, "image_id": 1, "category_id": 3, "iscrowd": 0, "area": 200, "bbox": [25, 5, 20, 10]}]}
J
echo '[{"image_id": 1, "category_id": 3, "bbox": [5, 5, 10, 10], "score": 0.9},
       {"image_id": 1, "category_id": 3, "bbox": [25, 5, 20, 10], "score": 0.8}]' >"$work/dt.json"
"$bin/fastermask" bench eval --gt "$work/gt.json" --dt "$work/dt.json" --task bbox --json >"$work/own.json"
grep -qE '"ap": (1\.0|0\.99999)' "$work/own.json" || { cat "$work/own.json"; fail "the AP of perfect detections"; }
status=0
"$bin/fastermask" bench eval --gt "$work/gt.json" 2>/dev/null || status=$?
[ "$status" -eq 2 ] || fail "--gt without --dt must be wrong usage"
echo "bench: passed"
