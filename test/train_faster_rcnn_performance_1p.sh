#!/bin/bash
# Faster R-CNN R101-FPN on one device: its speed.
#   bash test/train_faster_rcnn_performance_1p.sh --data_path=FOLDER [--name=value ...]      (--help lists them)
# shellcheck source=test/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck disable=SC2034  # read by common.sh
network=faster batch_size=8 train_steps=3000 base_lr=.0025 workers=4 procs=1 compile_time=yes
run_case "$@"
