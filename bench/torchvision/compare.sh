#!/bin/bash
# Our operators beside torchvision's own on the same arrays, cores and minutes: times, and whether the results agree.
# Usage: compare.sh build/release/bin/bench_operators   (needs the packages python3-torch and python3-torchvision)
set -eu
program="$(realpath "$1")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cat >"$work/compare.py" <<'PYTHON'
import subprocess, sys, time
import numpy as np
import torch
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.roi_heads import paste_masks_in_image
from torchvision.ops import box_iou, nms, roi_align

program, work = sys.argv[1:]
torch.manual_seed(0)
threads = len(__import__("os").sched_getaffinity(0))
torch.set_num_threads(threads)
H, W = 800, 1216


def boxes(count, low, high):
    size = low * (high / low) ** torch.rand(count, 2)
    corner = torch.rand(count, 2) * (torch.tensor([W, H]) - size).clamp(min=0)
    return torch.cat([corner, torch.minimum(corner + size, torch.tensor([W, H]).float())], 1)


data = {}
features = [torch.randn(2, 256, H // s, W // s) for s in (4, 8, 16, 32)]
rois, images = boxes(512, 16, 700), torch.arange(512) % 2
gradient = torch.randn(512, 256, 7, 7)
for i, feature in enumerate(features):
    data["feature%d" % i] = feature.permute(0, 2, 3, 1).contiguous()
data.update(rois=rois, roi_images=images, roi_gradient=gradient.permute(0, 2, 3, 1).contiguous())
for count in (1000, 6000, 12000):
    # Clusters as an RPN makes them: many boxes about each object.
    centres = boxes(count // 20, 32, 500)
    data["nms_boxes%d" % count] = (centres.repeat(20, 1) + torch.randn(count, 4) * 12).clamp(min=0)
    b = data["nms_boxes%d" % count]
    b[:, 2:] = torch.maximum(b[:, 2:], b[:, :2] + 1)
    data["nms_scores%d" % count] = torch.rand(count)
data["anchors"], data["truths"] = boxes(270000, 32, 512), boxes(50, 16, 600)
data["paste_boxes"], data["paste_masks"] = boxes(100, 32, 600), torch.rand(100, 28, 28)
np.savez(work + "/data.npz", **{k: v.numpy() for k, v in data.items()})


def best(run):
    run()
    times, total = [], 0
    while len(times) < 7 or (total < 1 and len(times) < 1000):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
        total += times[-1]
    return min(times)


def level_of(boxes):
    sides = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()
    return torch.floor(4 + torch.log2(sides / 224 + 1e-8)).clamp(2, 5).long() - 2


def pooled():
    level = level_of(rois)
    table = torch.cat([images[:, None].float(), rois], 1)
    out = torch.zeros(512, 256, 7, 7)
    for i, feature in enumerate(features):
        at = torch.nonzero(level == i)[:, 0]
        out = out.index_put((at,), roi_align(feature, table[at], 7, 0.25 / 2**i, 0, True))
    return out


theirs, found = {}, {}


def run_theirs():
    for feature in features:
        feature.requires_grad_(False)
    theirs["roi_align forward"] = best(pooled)
    found["roi"] = pooled()
    for feature in features:
        feature.requires_grad_(True)
    out = pooled()

    def backward():
        for feature in features:
            feature.grad = None
        out.backward(gradient, retain_graph=True)

    theirs["roi_align backward"] = best(backward)
    for count in (1000, 6000, 12000):
        run = lambda: nms(data["nms_boxes%d" % count], data["nms_scores%d" % count], 0.7)
        theirs["nms %d" % count] = best(run)
        found["nms%d" % count] = run()
    matcher = Matcher(0.7, 0.3, allow_low_quality_matches=True)
    theirs["box_iou + matching"] = best(lambda: matcher(box_iou(data["truths"], data["anchors"])))
    found["match"] = matcher(box_iou(data["truths"], data["anchors"]))
    masks = data["paste_masks"][:, None]
    theirs["paste to bitmaps"] = best(lambda: paste_masks_in_image(masks, data["paste_boxes"], (H, W)) >= 0.5)
    theirs["paste to RLE"] = theirs["paste to bitmaps"]


ours, limits = {}, {}


def run_ours():
    for line in subprocess.check_output([program, work + "/data.npz", work + "/results.npz"], text=True).splitlines():
        kind, first, rest = line.split(" ", 2)
        if kind == "time":
            ours[rest] = min(ours.get(rest, 9e9), float(first))
        else:
            limits[first] = max(limits.get(first, 0), float(rest))


run_ours()
run_theirs()
run_ours()  # before and after theirs: whatever else the machine does meets both

r = np.load(work + "/results.npz")
say = {}
channels_last = lambda name: r[name].transpose(0, 3, 1, 2)
say["roi_align forward"] = "%.1e" % np.abs(channels_last("roi_output") - found["roi"].numpy()).max()
errors = [np.abs(channels_last("roi_grad%d" % i) - f.grad.numpy()).max() for i, f in enumerate(features)]
say["roi_align backward"] = "%.1e" % max(errors)
for count in (1000, 6000, 12000):
    say["nms %d" % count] = "equal" if list(r["nms%d" % count]) == found["nms%d" % count].tolist() else "DIFFERENT"
labels = torch.where(found["match"] >= 0, 1, torch.where(found["match"] == -1, 0, -1)).numpy()
say["box_iou + matching"] = "%d labels differ" % int((labels != r["match_labels"]).sum())

# What each operator cannot do without: bytes that move, operations that are done.
sides = (rois[:, 2:] - rois[:, :2]) * 0.25 / 2.0 ** level_of(rois)[:, None]
samples = float(torch.ceil(sides / 7).prod(1).sum()) * 49
feature_bytes = 4 * sum(f.numel() for f in features)
size = data["paste_boxes"][:, 2:] - data["paste_boxes"][:, :2]
pasting = 9 * float(size.prod(1).sum())
work_of = {
    "roi_align forward": (feature_bytes + 4 * gradient.numel(), 2 * 4 * 256 * samples),
    "roi_align backward": (2 * feature_bytes + 4 * gradient.numel(), 2 * 4 * 256 * samples),
    "box_iou + matching": (270000 * 24, 270000 * 50 * 14),
    "paste to bitmaps": (100 * H * W, pasting),
    "paste to RLE": (0, pasting),
}
for count in (1000, 6000, 12000):
    work_of["nms %d" % count] = (0, 14 * len(found["nms%d" % count]) * count / 2)
print("%d threads; copying %.1f GB/s, multiply-adds in the first cache %.0f GFLOP/s"
      % (threads, limits["memory"] / 1e9, limits["arithmetic"] / 1e9))
print("%-20s %12s %10s %7s %9s %11s  %s"
      % ("operator", "torchvision", "ours", "faster", "of memory", "of arithm.", "difference"))
for name, seconds in ours.items():
    moved, done = work_of[name]
    print("%-20s %9.2f ms %7.2f ms %6.1fx %8.0f%% %10.0f%%  %s"
          % (name, theirs[name] * 1e3, seconds * 1e3, theirs[name] / seconds, 100 * moved / limits["memory"] / seconds,
             100 * done / limits["arithmetic"] / seconds, say.get(name, "")))
PYTHON
/usr/bin/python3 "$work/compare.py" "$program" "$work"
