#!/bin/bash
# Mask R-CNN R101-FPN on 64 devices of several machines: its speed.
#   bash test/train_performance_64p.sh --data_path=FOLDER [--name=value ...]      (--help lists them)
# shellcheck source=test/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck disable=SC2034  # read by common.sh
network=mask batch_size=512 train_steps=800 base_lr=.02 workers=8 procs=8 style=servers servers_size=64
run_case "$@"
