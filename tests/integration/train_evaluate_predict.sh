#!/bin/bash
# The main job as a user does it, small: generate scenes, train, resume, evaluate, predict; and what bad input says.
# Usage: train_evaluate_predict.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

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
config="$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml"
"$fm" data synth --output "$work/s" --train 8 --val 3 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
train="$work/s/annotations/instances_train.json:$work/s/images/train"
val="$work/s/annotations/instances_val.json:$work/s/images/val"
small=(INPUT.MIN_SIZE_TRAIN "(64,)" INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 2 MODEL.FPN.OUT_CHANNELS 32
       MODEL.ROI_MASK_HEAD.CONV_DIM 32 MODEL.ROI_BOX_HEAD.FC_DIM 32 SEED 7
       MODEL.ROI_HEADS.NUM_CLASSES 5 DATASETS.TRAIN "('$train',)" DATASETS.TEST "('$val',)")

# Four iterations at once, and the same in two halves: equal weights to the last bit.
expect 0 "Overall training speed: 4 iterations" "$fm" train --config-file "$config" "${small[@]}" \
  SOLVER.MAX_ITER 4 SOLVER.CHECKPOINT_PERIOD 2 OUTPUT_DIR "$work/whole"
mkdir "$work/halves"
cp "$work/whole/model_0000001.pth" "$work/halves/"
echo model_0000001.pth >"$work/halves/last_checkpoint"
expect 0 "Starting training from iteration 2" "$fm" train --config-file "$config" --resume "${small[@]}" \
  SOLVER.MAX_ITER 4 OUTPUT_DIR "$work/halves"
checksums() { "$fm" info weights "$1" --checksum | grep -v "$work"; }
[ "$(checksums "$work/whole/model_final.pth")" = "$(checksums "$work/halves/model_final.pth")" ] ||
  fail "a resumed run must end with the weights of a run left alone"
for file in config.yaml log.txt metrics.json model_final.pth last_checkpoint report.html classes.json \
            inference/coco_instances_results.json; do
  [ -s "$work/whole/$file" ] || fail "training must write $file"
done
ls "$work"/whole/events.out.tfevents.* >/dev/null 2>&1 || fail "training must write TensorBoard events"
grep -q '"total_loss"' "$work/whole/metrics.json" || fail "metrics.json must hold total_loss"
grep -q "total_loss: " "$work/whole/log.txt" || fail "log.txt must hold the loss line"

expect 0 '"segm": {' "$fm" evaluate --config-file "$work/whole/config.yaml" \
  --weights "$work/whole/model_final.pth" --output "$work/evaluation" --json
expect 0 "Average Precision" "$fm" cocoeval --gt "$work/s/annotations/instances_val.json" \
  --dt "$work/evaluation/coco_instances_results.json" --task segm
expect 0 "3 pictures" "$fm" predict --config-file "$work/whole/config.yaml" \
  --weights "$work/whole/model_final.pth" --score-threshold 0 --output "$work/drawn" "$work/s/images/val"
[ "$(ls "$work/drawn" | wc -l)" -eq 3 ] || fail "predict must draw 3 pictures"

# A step is the same whoever asks for it, and --dump holds the intermediates.
expect 0 "arrays to" "$fm" train --config-file "$config" --dump-step "$work/step.npz" "${small[@]}"
expect 0 "loss.loss_mask" "$fm" info weights "$work/step.npz"
picture="$(ls "$work"/s/images/val/* | head -n 1)"
expect 0 "1 pictures" "$fm" predict --config-file "$work/whole/config.yaml" --weights "$work/whole/model_final.pth" \
  --dump "$work/dump.npz" "$picture"
expect 0 "proposals.boxes" "$fm" info weights "$work/dump.npz"

# What is wrong is said, and by the exit status.
expect 2 "no such file: none.yaml" "$fm" train --config-file none.yaml
expect 2 "did you mean 'SOLVER.BASE_LR'" "$fm" train --config-file "$config" SOLVER.BASE_RL 0.1
expect 2 "unknown option --resmue" "$fm" train --config-file "$config" --resmue
expect 2 "LOSS_SCALE_VALUE must be a positive number or dynamic, got 'fast'" "$fm" train --config-file "$config" "${small[@]}" \
  AMP 1 OPT_LEVEL O2 LOSS_SCALE_VALUE fast OUTPUT_DIR "$work/x"
expect 1 "no such annotation file" "$fm" train --config-file "$config" DATASETS.TRAIN "('none.json:$work',)" \
  OUTPUT_DIR "$work/x"
expect 2 "NUM_CLASSES must be 5" "$fm" train --config-file "$config" "${small[@]}" MODEL.ROI_HEADS.NUM_CLASSES 3 \
  OUTPUT_DIR "$work/x"
expect 0 "roi_heads.box_predictor.cls_score.weight: file [6, 32], model [4, 32]" "$fm" predict \
  --config-file "$work/whole/config.yaml" --weights "$work/whole/model_final.pth" --json "$picture" \
  MODEL.ROI_HEADS.NUM_CLASSES 3
expect 1 "no array of the file fits the model" "$fm" evaluate --config-file "$config" --weights "$work/dump.npz" \
  "${small[@]}"
sed 's/"height": *[0-9]*/"height": 33/g' "$work/s/annotations/instances_train.json" >"$work/wrong.json"
expect 1 "ismatched image shape" "$fm" train --config-file "$config" "${small[@]}" SOLVER.MAX_ITER 2 \
  DATASETS.TRAIN "('$work/wrong.json:$work/s/images/train',)" OUTPUT_DIR "$work/x"
head -c 300 "$work/s/annotations/instances_train.json" >"$work/broken.json"
expect 1 "broken.json" "$fm" train --config-file "$config" "${small[@]}" \
  DATASETS.TRAIN "('$work/broken.json:$work/s/images/train',)" OUTPUT_DIR "$work/x"
rm "$work"/s/images/val/000002.*
expect 1 "000002" "$fm" evaluate --config-file "$work/whole/config.yaml" --weights "$work/whole/model_final.pth"

[ "$failures" -eq 0 ] && echo "train, evaluate, predict: all as expected"
exit "$((failures > 0))"
