#!/bin/bash
# Evaluates a Mask R-CNN R50-FPN on COCO's val2017, as the Ascend ModelZoo's script of this name does.
#   bash eval.sh [--data_path=FOLDER] [--weights=FILE] [--device=cpu|cuda|npu] [--num_procs=N] [--override="KEY VALUE ..."]
# Without --data_path the data set is looked for where the configs look: $FASTERMASK_DATASETS, $DETECTRON2_DATASETS,
# ./datasets.
# shellcheck source=test/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/test/common.sh"
# shellcheck disable=SC2034  # read by common.sh
procs=1 style=evaluation
run_evaluation "$@"
