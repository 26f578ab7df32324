#!/bin/bash
# Faster R-CNN R101-FPN on eight devices, to its accuracy.
#   bash test/train_faster_rcnn_full_8p.sh --data_path=FOLDER [--name=value ...]      (--help lists them)
# shellcheck source=test/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck disable=SC2034  # read by common.sh
network=faster kind=acc batch_size=64 train_steps=11250 base_lr=.02 workers=8 procs=8 accuracy=yes
run_case "$@"
