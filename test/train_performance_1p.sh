#!/bin/bash
# Mask R-CNN R101-FPN on one device: its speed. Nothing is evaluated.
#   bash test/train_performance_1p.sh --data_path=FOLDER [--name=value ...]      (--help lists them)
# shellcheck source=test/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck disable=SC2034  # read by common.sh
network=mask batch_size=8 train_steps=400 base_lr=.0025 workers=4 procs=1 evaluates=no compile_time=yes
run_case "$@"
