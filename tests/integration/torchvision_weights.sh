#!/bin/bash
# A detection model of torchvision, its .pth read as it is: features, RPN and box head give torchvision's own numbers.
# Skipped without the packages python3-torch and python3-torchvision.
# Usage: torchvision_weights.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
python=/usr/bin/python3
if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
  echo "skipped: $python has no torchvision (package python3-torchvision)"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cat >"$work/model.py" <<'PYTHON'
import sys
from collections import OrderedDict
import numpy as np
import torch
from torchvision.models import detection, resnet18

task, work = sys.argv[1:]
model = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=6)
model.eval()
if task == "make":
    torch.manual_seed(0)
    for name, buffer in model.named_buffers():  # no two frozen norms alike
        low, high = (0.4, 0.7) if name.endswith(".weight") else (0.8, 1.2) if name.endswith("_var") else (-0.1, 0.1)
        if buffer.is_floating_point():
            buffer.uniform_(low, high)
    with torch.no_grad():  # probabilities between 0 and 1
        model.roi_heads.mask_predictor.mask_fcn_logits.weight.mul_(1e-3)
    torch.save(model.state_dict(), work + "/detection.pth")
    torch.save(resnet18(weights=None).state_dict(), work + "/imagenet.pth", _use_new_zipfile_serialization=False)
    sys.exit(0)

model.load_state_dict(torch.load(work + "/detection.pth"))
dump = np.load(work + "/dump.npz")
worst = 0


def compare(name, theirs, ours):
    global worst
    error = np.abs(theirs - ours).max() / np.abs(theirs).max()
    print("%-12s %.1e" % (name, error))
    worst = max(worst, error)


with torch.no_grad():
    images = torch.from_numpy(dump["input"])
    features = model.backbone(images)
    logits, deltas = model.rpn.head(list(features.values()))
    for i, feature in enumerate(features.values()):
        compare("p%d" % (i + 2), feature.numpy(), dump["p%d" % (i + 2)])
        compare("rpn.logits.p%d" % (i + 2), logits[i].numpy(), dump["rpn.logits.p%d" % (i + 2)])
        compare("rpn.deltas.p%d" % (i + 2), deltas[i].numpy(), dump["rpn.deltas.p%d" % (i + 2)])
    proposals = [torch.from_numpy(dump["proposals.boxes"])]
    pyramid = OrderedDict(list(features.items())[:4])
    pooled = model.roi_heads.box_roi_pool(pyramid, proposals, [tuple(images.shape[2:])])
    classes, boxes = model.roi_heads.box_predictor(model.roi_heads.box_head(pooled))
    compare("box.logits", np.roll(classes.numpy(), -1, 1), dump["box.logits"])  # background last
    compare("box.deltas", boxes.numpy()[:, 4:], dump["box.deltas"])
    found = [torch.from_numpy(dump["detections.boxes"])]
    masks = model.roi_heads.mask_head(model.roi_heads.mask_roi_pool(pyramid, found, [tuple(images.shape[2:])]))
    masks = model.roi_heads.mask_predictor(masks).sigmoid().numpy()[:, 1:]
    labels = dump["detections.classes"]
    compare("mask.soft", masks[np.arange(len(labels)), labels][:, None], dump["mask.soft"])
sys.exit(int(worst > 1e-4))
PYTHON

"$python" "$work/model.py" make "$work" || exit 1
"$bin/fastermask" data synth --output "$work/s" --train 1 --val 1 --size 96x80 --seed 3 >/dev/null 2>&1
picture=("$work"/s/images/train/*)
# beside the config: the file is found there by its name
cp "$source/configs/Base-RCNN-FPN.yaml" "$work/base.yaml"
printf '_BASE_: base.yaml\nMODEL: {WEIGHTS: detection.pth}\n' >"$work/model.yaml"
"$bin/fastermask" predict --config-file "$work/model.yaml" --dump "$work/dump.npz" "${picture[0]}" MODEL.MASK_ON True \
  MODEL.RESNETS.STRIDE_IN_1X1 False MODEL.ROI_HEADS.NUM_CLASSES 5 MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0 \
  MODEL.ROI_BOX_HEAD.POOLER_TYPE ROIAlign MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO 2 \
  MODEL.ROI_MASK_HEAD.POOLER_TYPE ROIAlign MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO 2 INPUT.MIN_SIZE_TEST 128 >"$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
grep -q "Not in the file" "$work/log" && { cat "$work/log"; exit 1; }
"$python" "$work/model.py" compare "$work" || { echo "FAILED: torchvision's numbers differ"; exit 1; }

# An ImageNet model in the old file format gives the backbone, under detectron2's names.
"$bin/fastermask" convert "$work/imagenet.pth" "$work/imagenet.pkl" --rename torchvision >/dev/null 2>&1 || exit 1
"$bin/fastermask" info weights "$work/imagenet.pkl" | grep -q "res5.1.conv2.norm.running_var" ||
  { echo "FAILED: the converted ImageNet model lacks res5.1.conv2.norm.running_var"; exit 1; }
echo "torchvision's weights: all as expected"
