#!/bin/bash
# The reports of train, evaluate and cocoeval in headless Chromium: tables that sort, curves that are read and zoomed,
# pictures, narrow and wide, light and dark. Skipped where Chromium or node is missing.
# Usage: report_page.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER [FOLDER_FOR_SCREENSHOTS]
set -eu
bin="$1"
source="$2"
for program in chromium node; do
  command -v "$program" >/dev/null || { echo "report_page: skipped, $program is missing"; exit 77; }
done
work="$(mktemp -d)"
trap 'sleep 0.2; rm -rf "$work"' EXIT
fm="$bin/fastermask"

"$fm" data synth --output "$work/s" --train 12 --val 14 --size 160x120 --seed 3 >/dev/null 2>&1
sets() { printf '("%s",)' "$work/s/annotations/instances_$1.json:$work/s/images/$1"; }
"$fm" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" INPUT.MIN_SIZE_TRAIN "(96,)" \
  INPUT.MIN_SIZE_TEST 96 SOLVER.IMS_PER_BATCH 2 MODEL.FPN.OUT_CHANNELS 32 MODEL.ROI_MASK_HEAD.CONV_DIM 32 \
  MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_HEADS.NUM_CLASSES 5 DATASETS.TRAIN "$(sets train)" DATASETS.TEST "$(sets val)" \
  SOLVER.MAX_ITER 60 SOLVER.WARMUP_ITERS 5 TEST.EVAL_PERIOD 30 OUTPUT_DIR "$work/run" >"$work/train.log" 2>&1 ||
  { tail "$work/train.log"; exit 1; }
"$fm" evaluate --config-file "$work/run/config.yaml" --weights "$work/run/model_final.pth" --output "$work/evaluation" \
  >"$work/evaluate.log" 2>&1 || { tail "$work/evaluate.log"; exit 1; }
"$fm" cocoeval --gt "$work/s/annotations/instances_val.json" --dt "$work/evaluation/coco_instances_results.json" \
  --report "$work/page.html" --images "$work/s/images/val" --error-score 0.1 >"$work/cocoeval.log" 2>&1 ||
  { tail "$work/cocoeval.log"; exit 1; }

status=0
for page in "training:$work/run/report.html" "evaluation:$work/evaluation/report.html" "cocoeval:$work/page.html"; do
  mkdir -p "$work/${page%%:*}"
  node "$source/tests/browser/report_page.js" "$(command -v chromium)" "${page#*:}" "${page%%:*}" \
    "$work/${page%%:*}" ${3:+"$3"} || status=1
done
[ "$status" -eq 0 ] || exit 1
echo "report_page: passed"
