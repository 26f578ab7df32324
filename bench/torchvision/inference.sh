#!/bin/bash
# Mask R-CNN R50-FPN on one 800 x 1216 picture: torchvision as it comes, torchvision with jemalloc, and FasterMask, taking
# turns on the same cores in the same minutes. Random weights, about 2000 boxes into the last NMS, 100 detections.
# Usage: inference.sh build/release/bin/fastermask [ROUNDS]
# Needs the packages python3-torch and python3-torchvision; libjemalloc2 for the second.
set -eu
program="$(realpath "$1")"
rounds="${2:-3}"
source="$(cd "$(dirname "$0")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/reference.py" <<'PYTHON'
import os, resource, time
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn

torch.manual_seed(0)
torch.set_num_threads(len(os.sched_getaffinity(0)))
model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=81, box_score_thresh=0.0,
                              min_size=800, max_size=1216).eval()
picture = torch.rand(3, 800, 1216)
heads = model.roi_heads
candidates = []
inner = heads.postprocess_detections

def watched(logits, deltas, proposals, shapes):
    scores = logits.softmax(-1)[:, 1:].flatten()
    if not candidates:
        heads.score_thresh = scores.kthvalue(max(1, scores.numel() - 2000)).values.item()
    candidates.append(int((scores > heads.score_thresh).sum()))
    return inner(logits, deltas, proposals, shapes)

heads.postprocess_detections = watched
with torch.inference_mode():
    model([picture])
    times = []
    for _ in range(3):
        start = time.perf_counter()
        found = model([picture])[0]
        times.append(time.perf_counter() - start)
    x, w = torch.rand(1000, 12544), torch.rand(1024, 12544)
    c, k = torch.rand(1, 256, 200, 304), torch.rand(256, 256, 3, 3)
    def rate(run, flops):
        run()
        best = 1e9
        for _ in range(3):
            start = time.perf_counter()
            run()
            best = min(best, time.perf_counter() - start)
        return flops / best / 1e9
    linear = rate(lambda: torch.nn.functional.linear(x, w), 2 * 1000 * 12544 * 1024)
    conv = rate(lambda: torch.nn.functional.conv2d(c, k, padding=1), 2 * 200 * 304 * 256 * 256 * 9)
print("%.3f s; %d detections of %d candidates; linear %.0f, convolution %.0f GFLOP/s; peak memory %.0f MB" % (
    sorted(times)[1], len(found["boxes"]), candidates[-1], linear, conv,
    resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))
PYTHON
jemalloc="$(find /usr/lib -name 'libjemalloc.so.2' 2>/dev/null | head -n 1)"
for ((round = 1; round <= rounds; ++round)); do
  echo "torchvision:           $(/usr/bin/python3 "$work/reference.py")"
  [ -z "$jemalloc" ] || echo "torchvision, jemalloc: $(LD_PRELOAD="$jemalloc" /usr/bin/python3 "$work/reference.py")"
  for way in "" --exact "--precision bf16" "--precision int8"; do
    # shellcheck disable=SC2086  # words
    "$program" bench infer --config-file "$source/configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml" \
      --repeat 3 --json $way 2>/dev/null >"$work/ours.json"
    /usr/bin/python3 - "$work/ours.json" "FasterMask${way:+ $way}" <<'PYTHON'
import json, sys
r = json.load(open(sys.argv[1]))
print("%-22s %.3f s; %d detections; peak %.0f GFLOP/s; peak memory %.0f MB" % (
    sys.argv[2] + ":", r["seconds"], r["detections"], r["peak_flops"] / 1e9, r["peak_resident_bytes"] / 1e6))
PYTHON
  done
done
