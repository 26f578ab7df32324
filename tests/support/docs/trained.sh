#!/bin/bash
# Leaves in the current folder what trainings and downloads would have: a model of three classes in output/mine and in
# output, COCO's validation set with results, weights, and a step whose values were not finite. Run by world.sh, with
# the folder of the docs' fastermask first in PATH.  trained.sh FOLDER_FOR_THE_REST
set -eu
rest="$1"

fastermask train --config-file configs/tiny/Base-RCNN-R_18-FPN.yaml MODEL.MASK_ON True MODEL.ROI_HEADS.NUM_CLASSES 3 \
  DATASETS.TRAIN '("my/train.json:my/images",)' DATASETS.TEST '("my/val.json:my/images",)' \
  MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0 TEST.DETECTIONS_PER_IMAGE 20 OUTPUT_DIR output/mine
cp output/mine/config.yaml output/mine/model_final.pth output
cp my/val.json instances_val2017.json
ln -s my/images val2017
cp output/mine/inference/coco_instances_results.json results.json

fastermask train --config-file configs/COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x.yaml MODEL.WEIGHTS "" \
  MODEL.RESNETS.NORM BN MODEL.BACKBONE.FREEZE_AT 0 TEST.DETECTIONS_PER_IMAGE 5 OUTPUT_DIR "$rest/downloaded"
mkdir weights
fastermask convert "$rest/downloaded/model_final.pth" model_final_f10217.pkl
cp model_final_f10217.pkl weights/R-50.pkl

if fastermask train --config-file output/config.yaml SOLVER.BASE_LR 1e30 SOLVER.WARMUP_ITERS 0 OUTPUT_DIR "$rest/nan"; then
  echo "trained.sh: a training with a rate of 1e30 went well"
  exit 1
fi
cp "$rest"/nan/replay_*.pth output/replay_0000123.pth
