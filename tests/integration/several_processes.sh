#!/bin/bash
# Two and four processes train as one does, evaluate alike, and survive the loss of one.
# Usage: several_processes.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export FASTERMASK_TIMEOUT=10
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

"$bin/fastermask" data synth --output "$work/s" --train 16 --val 3 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
train() { # FOLDER [OPTION ...]
  local folder="$1"
  shift
  "$bin/fastermask-train" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" --exact "$@" \
    MODEL.RESNETS.DEPTH 50 MODEL.RESNETS.NORM FrozenBN MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.STEM_OUT_CHANNELS 8 \
    MODEL.RESNETS.WIDTH_PER_GROUP 8 MODEL.FPN.NORM "" MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 32 \
    MODEL.ROI_MASK_HEAD.NORM "" MODEL.ROI_MASK_HEAD.CONV_DIM 16 INPUT.MIN_SIZE_TRAIN "(64,96)" SOLVER.IMS_PER_BATCH 4 \
    SEED 7 MODEL.ROI_HEADS.NUM_CLASSES 5 SOLVER.MAX_ITER 20 \
    DATASETS.TRAIN "('$work/s/annotations/instances_train.json:$work/s/images/train',)" \
    DATASETS.TEST "('$work/s/annotations/instances_val.json:$work/s/images/val',)" OUTPUT_DIR "$folder" >"$folder.log" 2>&1
}
value() { grep -o "\"$2\": [^,}]*" "$1/metrics.json" | tail -n 1 | cut -d' ' -f2; }
same_as_one() { # FOLDER
  local loss
  for loss in total_loss loss_cls loss_box_reg loss_mask loss_rpn_cls loss_rpn_loc; do
    awk -v a="$(value "$work/1" $loss)" -v b="$(value "$1" $loss)" \
      'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a > 0 && d <= 1e-5 * a) }' ||
      fail "$1: $loss is $(value "$1" $loss), with one process $(value "$work/1" $loss)"
  done
}
port=$((20000 + $$ % 20000))

train "$work/1" || fail "one process: $(tail -n 3 "$work/1.log")"
for n in 2 4; do
  port=$((port + 1))
  train "$work/$n" --num-procs $n --master-port $port || fail "$n processes: $(tail -n 3 "$work/$n.log")"
  same_as_one "$work/$n"
done

# A lost process: named, and made up for.
port=$((port + 1))
train "$work/killed" --num-procs 2 --master-port $port --max-restarts 1 &
until grep -q "Starting training" "$work/killed.log" 2>/dev/null; do
  kill -0 $! 2>/dev/null || break
  sleep 0.05
done
kill -KILL "$(sed -n 's/.*rank 1 of 2 is process \([0-9]*\).*/\1/p' "$work/killed.log" | head -n 1)"
wait $! || fail "a restart must finish the training: $(tail -n 3 "$work/killed.log")"
grep -q "Lost: rank 1, last seen in: " "$work/killed.log" || fail "the lost rank must be named"
same_as_one "$work/killed"
[ "$failures" -eq 0 ]
