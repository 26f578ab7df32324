#!/bin/bash
# What a training says and keeps when memory or disk run out. Usage: shortages.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0
fm="$bin/fastermask"

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

"$fm" data synth --output "$work/s" --train 4 --val 2 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
train="$work/s/annotations/instances_train.json:$work/s/images/train"
options=(--config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" INPUT.MIN_SIZE_TRAIN "(64,)"
         INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 2 MODEL.FPN.OUT_CHANNELS 32 MODEL.ROI_MASK_HEAD.CONV_DIM 32
         MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_HEADS.NUM_CLASSES 5 DATASETS.TRAIN "('$train',)" DATASETS.TEST "()"
         SOLVER.STEPS "()" SOLVER.MAX_ITER 6 SOLVER.CHECKPOINT_PERIOD 2)

# Memory: pictures far larger than the limit has room for. The message says where, how much, and what to lower.
output="$( (ulimit -v 4000000; exec "$fm" train "${options[@]}" INPUT.MIN_SIZE_TRAIN "(6000,)" INPUT.MAX_SIZE_TRAIN 9000 \
  OUTPUT_DIR "$work/memory") 2>&1)"
status=$?
[ "$status" -eq 1 ] || fail "a training without memory ends with 1, not $status"
grep -qE "out of memory in the (loading|forward pass|backward pass) of a batch" <<<"$output" ||
  { fail "the stage is not named"; tail -n 4 <<<"$output"; }
grep -q "GiB available. Lower SOLVER.IMS_PER_BATCH" <<<"$output" || fail "what to lower is not said"

# Disk: the third checkpoint does not fit any more. The training goes on, keeps what it has, and fails at the end.
"$fm" train "${options[@]}" SOLVER.MAX_ITER 2 OUTPUT_DIR "$work/disk" >/dev/null 2>&1 || fail "the first two steps"
before="$(cksum <"$work/disk/model_final.pth")"
kilobytes=$(($(stat -c %s "$work/disk/model_final.pth") / 2048))
output="$( (ulimit -f "$kilobytes"; exec "$fm" train "${options[@]}" --resume OUTPUT_DIR "$work/disk") 2>&1)"
status=$?
[ "$status" -eq 1 ] || fail "a training that cannot save its result ends with 1, not $status"
grep -q "This checkpoint was not saved; training goes on" <<<"$output" || fail "a missed checkpoint is not told"
grep -q "model_final.pth" <<<"$output" || fail "the file that could not be written is not named"
[ "$(cksum <"$work/disk/model_final.pth")" = "$before" ] || fail "the last whole checkpoint was touched"
[ "$(find "$work/disk" -name '*.tmp*' | wc -l)" -eq 0 ] || fail "half-written files were left behind"
# With room again it goes on from there.
"$fm" train "${options[@]}" --resume OUTPUT_DIR "$work/disk" >"$work/again.log" 2>&1 || fail "going on with room again"
grep -q "Starting training from iteration 2" "$work/again.log" || fail "it must go on from the last whole checkpoint"

[ "$failures" -eq 0 ] || exit 1
echo "shortages: passed"
