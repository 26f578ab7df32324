#!/bin/bash
# What several processes on this machine gain, and what they spend on each other: pictures a second, the share of a step
# waited for other processes, bytes summed over them a step. Mask R-CNN R50-FPN from scratch on generated pictures.
#   bench/training/processes.sh [STEPS [SIZE [BATCH]]]      (14 steps, 160 pixels, 4 pictures a step); FASTERMASK_BIN
set -eu
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
bin="${FASTERMASK_BIN:-$root/build/release/bin}"
steps="${1:-14}" size="${2:-160}" batch="${3:-4}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$bin/fastermask" data synth --output "$work/s" --train 32 --val 1 --size "$((size * 5 / 4))x$size" --seed 3 >/dev/null 2>&1
export PERF_ONLY=1
echo "| processes | images/s | step s | waited for others s | share | MB a step |"
echo "|---|---|---|---|---|---|"
port=29500
for n in 1 2 4; do
  port=$((port + 1))
  "$bin/fastermask" train --config-file "$root/configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml" --num-procs $n \
    --master-port $port MODEL.WEIGHTS "" MODEL.RESNETS.NORM GN MODEL.BACKBONE.FREEZE_AT 0 MODEL.ROI_HEADS.NUM_CLASSES 5 \
    MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 64 MODEL.RPN.POST_NMS_TOPK_TRAIN 200 \
    DATASETS.TRAIN "('$work/s/annotations/instances_train.json:$work/s/images/train',)" DATASETS.TEST "()" SEED 1 \
    INPUT.MIN_SIZE_TRAIN "($size,)" INPUT.MAX_SIZE_TRAIN 1000 SOLVER.IMS_PER_BATCH "$batch" SOLVER.MAX_ITER "$steps" \
    SOLVER.BASE_LR 0.0001 OUTPUT_DIR "$work/$n" >"$work/$n.log" 2>&1 || { tail "$work/$n.log" >&2; exit 1; }
  value() { grep -o "\"$1\": [^,}]*" "$work/$n/metrics.json" | tail -n 1 | cut -d' ' -f2; }
  awk -v n=$n -v fps="$(awk '/^FPS = / { sum += $3; ++c } END { print sum / c }' "$work/$n.log")" -v time="$(value time)" \
    -v wait="$(value communication_time)" -v mb="$(value communication_megabytes)" \
    'BEGIN { printf "| %d | %.2f | %.2f | %.3f | %.1f %% | %.1f |\n", n, fps, time, wait, 100 * wait / time, mb }'
done
