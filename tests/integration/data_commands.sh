#!/bin/bash
# fastermask data synth, stats, show, check: what they write, print and exit with.
# Usage: data_commands.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

# expect STATUS PATTERN COMMAND...: the command ends with STATUS and its output (both streams) holds PATTERN.
expect() {
  local status="$1" pattern="$2" output got
  shift 2
  output="$("$@" 2>&1)"
  got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$pattern" <<<"$output"; then
    echo "FAILED: $*"
    echo "  expected status $status and '$pattern'; got status $got and:"
    sed 's/^/  | /' <<<"$output"
    failures=$((failures + 1))
  fi
}

fm="$bin/fastermask"
train="$work/s/annotations/instances_train.json:$work/s/images/train"
val="$work/s/annotations/instances_val.json:$work/s/images/val"

expect 0 "(6 pictures)" "$fm" data synth --output "$work/s" --train 6 --val 3 --size 160x120 --seed 5
expect 0 "(6 pictures)" "$fm" data synth --output "$work/again" --train 6 --val 3 --size 160x120 --seed 5
if ! diff -r "$work/s" "$work/again" >/dev/null; then
  echo "FAILED: equal seeds must give equal files"
  failures=$((failures + 1))
fi
expect 2 "did you mean 'disc'?" "$fm" data synth --output "$work/x" --classes dics
expect 2 "--size must be WIDTHxHEIGHT, such as 256x256, got '5'" "$fm" data synth --output "$work/x" --size 5
expect 2 "--output is required" "$fm" data synth

expect 0 "6 (6 wider than high, 0 without objects)" "$fm" data stats "$train"
expect 0 '"images": 6,' "$fm" data stats "$train" --json
expect 0 "Written: $work/stats.html" "$fm" data stats "$val" --html "$work/stats.html"
grep -q "data:image/jpeg;base64," "$work/stats.html" || { echo "FAILED: no pictures in stats.html"; failures=$((failures + 1)); }
grep -q "<svg viewBox" "$work/stats.html" || { echo "FAILED: no charts in stats.html"; failures=$((failures + 1)); }
expect 0 "anchors of p2 32, p3 64, p4 128, p5 256, p6 512; height / width 0.5, 1, 2" "$fm" data stats "$train"
expect 0 "anchors of p2 8, p3 16, p4 32, p5 64, p6 128" "$fm" data stats "$train" \
  --config-file "$source/configs/tiny/nuclei_mask_rcnn_R_18_FPN.yaml" INPUT.MIN_SIZE_TRAIN "(96, 120)"
expect 0 '"anchor_coverage": {' "$fm" data stats "$train" --json
expect 2 "unknown key 'INPUT.MIN_SIZE_TRAN'" "$fm" data stats "$train" INPUT.MIN_SIZE_TRAN 3
expect 1 "unknown data set 'coco_2017_vl'; did you mean 'coco_2017_val'?" "$fm" data stats coco_2017_vl
expect 1 "no such annotation file" "$fm" data stats "$work/none.json:$work"

expect 0 "2 pictures in $work/shown" "$fm" data show "$train" --output "$work/shown" --count 2 --augmented
[ "$(ls "$work/shown" | wc -l)" -eq 2 ] || { echo "FAILED: data show must write 2 pictures"; failures=$((failures + 1)); }

expect 0 "6 pictures in $work/list" "$fm" data show "$train" --output "$work/list" --count 2 --copies 3 --augmented \
  INPUT.AUGMENTATIONS '[ResizeScale(0.5, 2, 64, 64), FixedSizeCrop((64, 64)), RandomRotation([-9, 9]), CopyPaste(1)]'
expect 0 "2 pictures in $work/example" "$fm" data show "$train" --output "$work/example" --count 2 --augmented \
  --config-file "$source/configs/tiny/synth_lsj_copy_paste_mask_rcnn_R_18_FPN.yaml"
expect 2 "INPUT.AUGMENTATIONS[1]: unknown augmentation 'RandomFlop' (command line); did you mean 'RandomFlip'?" \
  "$fm" data show "$train" --output "$work/x" --augmented INPUT.AUGMENTATIONS '[RandomFlip(), RandomFlop()]'
expect 2 "add --augmented" "$fm" data show "$train" --output "$work/x" INPUT.AUGMENTATIONS 'RandomFlip()'
expect 2 "--min-size does not go together with INPUT.AUGMENTATIONS" "$fm" data show "$train" --output "$work/x" \
  --augmented --min-size 99 INPUT.AUGMENTATIONS 'RandomFlip()'

expect 0 "0 problems" "$fm" data check "$train" "$val"
expect 0 '"counts": {}' "$fm" data check "$train" --json
head -c 500 "$work/s/images/train/000002.jpg" >"$work/half" && mv "$work/half" "$work/s/images/train/000002.jpg"
rm "$work/s/images/train/000003.jpg"
expect 1 "1 unreadable_image (error)" "$fm" data check "$train"
expect 1 "1 missing_image (error)" "$fm" data check "$train"
expect 0 "3 image_in_two_sets (warning)" "$fm" data check "$val" \
  "$work/again/annotations/instances_val.json:$work/s/images/val" --all
expect 0 "repaired annotations" "$fm" data check "$train" --fix "$work/repaired.json"
expect 0 "4 images" "$fm" data check "$work/repaired.json:$work/s/images/train"

[ "$failures" -eq 0 ] && echo "data commands: all as expected"
exit "$((failures > 0))"
