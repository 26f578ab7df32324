#!/bin/bash
# A training step of Mask R-CNN R50-FPN (or Faster R-CNN) on two pictures of 640 x 800: torchvision as it comes, with
# jemalloc, and FasterMask in float32, on LibTorch's kernels and in mixed precision, taking turns on the same cores in the
# same minutes, each waiting for its threads in its own way (OMP_WAIT_POLICY and GOMP_SPINCOUNT as they are set). Random
# weights, stem and first stage frozen, SGD; OBJECTS annotated objects a picture are about as many foreground regions.
# Usage: training.sh build/release/bin/fastermask [ROUNDS [OBJECTS [mask|faster]]]
# Needs the packages python3-torch and python3-torchvision; libjemalloc2 for the second.
set -eu
program="$(realpath "$1")"
rounds="${2:-2}"
objects="${3:-8}"
kind="${4:-mask}"
source="$(cd "$(dirname "$0")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
case "$kind" in
  mask) config=COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml ;;
  faster) config=COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml ;;
  *) echo "training.sh: $kind is neither mask nor faster" >&2; exit 2 ;;
esac
cat >"$work/reference.py" <<'PYTHON'
import os, resource, sys, time
import torch
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops.misc import FrozenBatchNorm2d

objects, masks = int(sys.argv[1]), sys.argv[2] == "mask"
torch.manual_seed(0)
torch.set_num_threads(len(os.sched_getaffinity(0)))
backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3)
for name, module in backbone.named_modules():  # frozen norms of random networks let values grow from block to block
    if name.endswith("bn3"):
        module.weight.fill_(0.2)
model = (MaskRCNN if masks else FasterRCNN)(backbone, 81, min_size=640, max_size=800).train()
optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-6, momentum=0.9, weight_decay=1e-4)
pictures = [torch.rand(3, 640, 800) for _ in range(2)]
targets = []
for _ in pictures:
    radius = torch.rand(objects) * 90 + 10
    x = radius + torch.rand(objects) * (800 - 2 * radius)
    y = radius + torch.rand(objects) * (640 - 2 * radius)
    target = {"boxes": torch.stack([x - radius, y - radius, x + radius, y + radius], 1),
              "labels": torch.randint(1, 81, (objects,))}
    if masks:
        target["masks"] = torch.zeros(objects, 640, 800, dtype=torch.uint8)
        for mask, (x0, y0, x1, y1) in zip(target["masks"], target["boxes"].int().tolist()):
            mask[y0:y1, x0:x1] = 1
    targets.append(target)
foreground = []
inner = model.roi_heads.select_training_samples
def watched(*arguments):
    chosen = inner(*arguments)
    foreground.append(sum(int((labels > 0).sum()) for labels in chosen[2]) / len(chosen[2]))
    return chosen
model.roi_heads.select_training_samples = watched
times = []
for step in range(6):  # in the first three memory still grows
    start = time.perf_counter()
    loss = sum(model(pictures, targets).values())
    middle = time.perf_counter()
    loss.backward()
    after = time.perf_counter()
    optimizer.step()
    optimizer.zero_grad()
    if step > 2:
        times.append((time.perf_counter() - start, middle - start, after - middle))
def rate(run, flops):
    best = 1e9
    for _ in range(3):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return flops / best / 1e9
with torch.no_grad():
    x, w = torch.rand(1000, 12544), torch.rand(1024, 12544)
    c, k = torch.rand(1, 256, 200, 304), torch.rand(256, 256, 3, 3)
    linear = rate(lambda: torch.nn.functional.linear(x, w), 2 * 1000 * 12544 * 1024)
    conv = rate(lambda: torch.nn.functional.conv2d(c, k, padding=1), 2 * 200 * 304 * 256 * 256 * 9)
whole, forward, backward = sorted(times)[len(times) // 2]
print("%.2f s (forward %.2f, backward %.2f); %.0f foreground; linear %.0f, convolution %.0f GFLOP/s; %.0f MiB" % (
    whole, forward, backward, foreground[-1], linear, conv, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
PYTHON
jemalloc="$(find /usr/lib -name 'libjemalloc.so.2' 2>/dev/null | head -n 1)"
for ((round = 1; round <= rounds; ++round)); do
  echo "torchvision:           $(/usr/bin/python3 "$work/reference.py" "$objects" "$kind")"
  [ -z "$jemalloc" ] ||
    echo "torchvision, jemalloc: $(LD_PRELOAD="$jemalloc" /usr/bin/python3 "$work/reference.py" "$objects" "$kind")"
  for way in "" --exact "AMP 1 OPT_LEVEL O1"; do
    "$program" bench train --config-file "$source/configs/$config" --objects "$objects" --json $way \
      >"$work/ours.json" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    /usr/bin/python3 - "$work/ours.json" "FasterMask${way:+ ${way%% *}}" <<'PYTHON'
import json, sys
r = json.load(open(sys.argv[1]))
print("%-24s %.2f s (forward %.2f, backward %.2f); %.0f foreground; linear %.0f, convolution %.0f GFLOP/s; %.0f MiB" % (
    "%s, %s:" % (sys.argv[2], r["precision"]), r["step"], r["forward"], r["backward"], r["foreground"], r["linear_flops"] / 1e9,
    r["convolution_flops"] / 1e9, r["peak_memory_mib"]))
PYTHON
  done
done
