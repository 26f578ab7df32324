#!/bin/bash
# A ResNet-50 written out in PyTorch, with torchvision's deformable convolution and RoIAlign, against ours with the same
# random weights: deformable stages (modulated, groups of offsets and of channels) under an FPN, and a dilated res5 (DC5).
# Skipped without the packages python3-torch and python3-torchvision.
# Usage: torchvision_models.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
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

cat >"$work/make.py" <<'PYTHON'
import json
import sys
import torch

# Random weights for the arrays that `fastermask info model --names --json` lists on stdin.
torch.manual_seed(0)
state = {}
for array in json.load(sys.stdin)["arrays"]:
    name, shape = array["name"], array["shape"]
    tensor = torch.randn(shape)
    if name.endswith("running_var"):
        tensor = 0.5 + torch.rand(shape)
    elif len(shape) > 1:
        fan_in = tensor[0].numel()
        tensor *= (1.0 if "offset" in name else 1.4) / fan_in**0.5
    elif name.endswith("weight"):
        tensor = 0.3 + 0.3 * torch.rand(shape)
    else:
        tensor *= 0.2
    state[name] = tensor
torch.save(state, sys.argv[1])
PYTHON
cat >"$work/compare.py" <<'PYTHON'
import sys
import numpy as np
import torch
import torch.nn.functional as F
from torchvision.ops import deform_conv2d, roi_align

kind, weights, dump = sys.argv[1:]
state, dump = torch.load(weights), np.load(dump)
backbone = "backbone.bottom_up." if kind == "deformable" else "backbone."
worst = 0


def compare(name, theirs):
    global worst
    error = np.abs(theirs.numpy() - dump[name]).max() / theirs.abs().max().item()
    print("%s %-16s %.1e" % (kind, name, error))
    worst = max(worst, error)


def conv(x, name, stride=1, padding=0, dilation=1):
    weight = state[name + ".weight"]
    return F.conv2d(x, weight, state.get(name + ".bias"), stride, padding, dilation, x.shape[1] // weight.shape[1])


def normed(x, name):
    part = lambda what: state[name + ".norm." + what].view(1, -1, 1, 1)
    return (x - part("running_mean")) * (part("running_var") + 1e-5).rsqrt() * part("weight") + part("bias")


def block(x, name, stride, dilation, stride_in_1x1):
    first, second = (stride, 1) if stride_in_1x1 else (1, stride)
    out = F.relu(normed(conv(x, name + "conv1", first), name + "conv1"))
    if name + "conv2_offset.weight" in state:
        across, down, logits = torch.chunk(conv(out, name + "conv2_offset", second, 1), 3, 1)
        out = deform_conv2d(out, torch.cat((across, down), 1), state[name + "conv2.weight"], None, second, 1, 1, logits.sigmoid())
    else:
        out = conv(out, name + "conv2", second, dilation, dilation)
    out = normed(conv(F.relu(normed(out, name + "conv2")), name + "conv3"), name + "conv3")
    if name + "shortcut.weight" in state:
        x = normed(conv(x, name + "shortcut", stride), name + "shortcut")
    return F.relu(out + x)


with torch.no_grad():
    x = torch.from_numpy(dump["input"])
    x = F.max_pool2d(F.relu(normed(conv(x, backbone + "stem.conv1", 2, 3), backbone + "stem.conv1")), 3, 2, 1)
    stages = {}
    for stage, blocks in zip((2, 3, 4, 5), (3, 4, 6, 3)):
        dilated = kind == "dc5" and stage == 5
        for i in range(blocks):
            stride = 2 if i == 0 and stage > 2 and not dilated else 1
            x = block(x, "%sres%d.%d." % (backbone, stage, i), stride, 2 if dilated else 1, kind == "dc5")
        stages[stage] = x
    if kind == "deformable":
        top = None
        for stage in (5, 4, 3, 2):
            lateral = conv(stages[stage], "backbone.fpn_lateral%d" % stage)
            top = lateral if top is None else lateral + F.interpolate(top, scale_factor=2)
            compare("p%d" % stage, conv(top, "backbone.fpn_output%d" % stage, 1, 1))
    else:
        compare("res5", x)
        head = "proposal_generator.rpn_head."
        hidden = F.relu(conv(x, head + "conv", 1, 1))
        compare("rpn.logits.res5", conv(hidden, head + "objectness_logits"))
        compare("rpn.deltas.res5", conv(hidden, head + "anchor_deltas"))
        regions = roi_align(x, [torch.from_numpy(dump["proposals.boxes"])], 7, 1 / 16, 0, True).flatten(1)
        linear = lambda value, name: F.linear(value, state["roi_heads." + name + ".weight"], state["roi_heads." + name + ".bias"])
        for name in ("box_head.fc1", "box_head.fc2"):
            regions = F.relu(linear(regions, name))
        compare("box.logits", linear(regions, "box_predictor.cls_score"))
        compare("box.deltas", linear(regions, "box_predictor.bbox_pred"))
sys.exit(int(worst > 1e-4))
PYTHON

"$bin/fastermask" data synth --output "$work/s" --train 1 --val 1 --size 96x80 --seed 3 >/dev/null 2>&1
picture=("$work"/s/images/train/*)
failures=0
check() { # check KIND CONFIG KEY VALUE ...
  local kind="$1" config="$source/configs/$2"
  shift 2
  local keys=("$@" MODEL.RESNETS.STEM_OUT_CHANNELS 16 MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.ROI_BOX_HEAD.FC_DIM 32
              MODEL.ROI_MASK_HEAD.CONV_DIM 16 INPUT.MIN_SIZE_TEST 96 MODEL.ROI_HEADS.NUM_CLASSES 5)
  "$bin/fastermask" info model --config-file "$config" --json --names "${keys[@]}" | "$python" "$work/make.py" "$work/$kind.pth"
  "$bin/fastermask" predict --config-file "$config" --weights "$work/$kind.pth" --dump "$work/$kind.npz" "${picture[0]}" \
    "${keys[@]}" >"$work/log" 2>&1 || failures=1
  if [ ! -s "$work/$kind.npz" ] || grep -q "Not in the file" "$work/log"; then
    cat "$work/log"
    failures=1
  fi
  "$python" "$work/compare.py" "$kind" "$work/$kind.pth" "$work/$kind.npz" || failures=1
}
check deformable Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml MODEL.RESNETS.DEFORM_MODULATED True \
  MODEL.RESNETS.DEFORM_NUM_GROUPS 2 MODEL.RESNETS.NUM_GROUPS 2 MODEL.RESNETS.WIDTH_PER_GROUP 4 \
  MODEL.RESNETS.STRIDE_IN_1X1 False MODEL.FPN.OUT_CHANNELS 32
check dc5 COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_1x.yaml MODEL.RESNETS.WIDTH_PER_GROUP 8
[ "$failures" -eq 0 ] && echo "ResNets in PyTorch: all as expected"
exit "$failures"
