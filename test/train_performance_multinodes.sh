#!/bin/bash
# Mask R-CNN R101-FPN on several machines of eight devices: its speed. Nothing is evaluated.
#   bash test/train_performance_multinodes.sh --data_path=FOLDER [--name=value ...]      (--help lists them)
# shellcheck source=test/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck disable=SC2034  # read by common.sh
network=mask batch_size=64 train_steps=200 base_lr=.02 workers=8 procs=8 evaluates=no style=nodes
run_case "$@"
