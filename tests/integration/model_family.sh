#!/bin/bash
# The less usual models as a user runs them, small: a proposal network and a Fast R-CNN on its proposals, deformable
# convolutions, DC5, batch norms with precise statistics, training on predicted boxes, DEBUG_MODE and FIX_SHAPE.
# Usage: model_family.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect STATUS PATTERN COMMAND...: the command ends with STATUS and its output (both streams) holds PATTERN.
expect() {
  local status="$1" pattern="$2" output got
  shift 2
  output="$("$@" 2>&1)"
  got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$pattern" <<<"$output"; then
    fail "$*"
    echo "  expected status $status and '$pattern'; got status $got and:"
    tail -n 12 <<<"$output" | sed 's/^/  | /'
  fi
}

fm="$bin/fastermask"
zoo="$source/configs"
"$fm" data synth --output "$work/s" --train 6 --val 2 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
train="$work/s/annotations/instances_train.json:$work/s/images/train"
val="$work/s/annotations/instances_val.json:$work/s/images/val"
sets=(DATASETS.TRAIN "('$train',)" DATASETS.TEST "('$val',)" INPUT.MIN_SIZE_TRAIN "(64,)" INPUT.MIN_SIZE_TEST 64 SEED 7
      SOLVER.MAX_ITER 2 SOLVER.IMS_PER_BATCH 2 MODEL.WEIGHTS "" MODEL.ROI_HEADS.NUM_CLASSES 5
      MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0 MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 32
      MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_MASK_HEAD.CONV_DIM 16)
# A ResNet-50 of few channels, so that every block is there and nothing takes long.
narrow=(MODEL.RESNETS.STEM_OUT_CHANNELS 16 MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.WIDTH_PER_GROUP 8
        MODEL.BACKBONE.FREEZE_AT 0)
pyramid=(MODEL.FPN.OUT_CHANNELS 32)
# shellcheck disable=SC2317  # called through expect
train_small() { # train_small CONFIG OUTPUT KEY VALUE ...
  local config="$1" output="$2"
  shift 2
  "$fm" train --config-file "$zoo/$config" "${sets[@]}" "${narrow[@]}" OUTPUT_DIR "$work/$output" "$@"
}

# Proposals of one model are another's input.
expect 0 "Proposal metrics" train_small COCO-Detection/rpn_R_50_FPN_1x.yaml rpn "${pyramid[@]}"
[ -s "$work/rpn/inference/box_proposals.pkl" ] || fail "a proposal network must write box_proposals.pkl"
expect 0 '"AR@1000"' "$fm" evaluate --config-file "$work/rpn/config.yaml" --weights "$work/rpn/model_final.pth" \
  --dataset "$train" --output "$work/proposals" --json
given=(DATASETS.PROPOSAL_FILES_TRAIN "('$work/proposals/box_proposals.pkl',)"
       DATASETS.PROPOSAL_FILES_TEST "('$work/rpn/inference/box_proposals.pkl',)")
expect 0 "Average Precision" train_small COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml fast "${pyramid[@]}" "${given[@]}"
grep -q '"loss_rpn_cls"' "$work/fast/metrics.json" && fail "a Fast R-CNN has no RPN losses"
grep -q '"loss_cls"' "$work/fast/metrics.json" || fail "a Fast R-CNN must learn classes"
expect 1 "there are none for image" train_small COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml fast2 "${pyramid[@]}" \
  "${given[@]}" DATASETS.PROPOSAL_FILES_TRAIN "('$work/rpn/inference/box_proposals.pkl',)"
expect 2 "PROPOSAL_FILES_TRAIN is empty" train_small COCO-Detection/fast_rcnn_R_50_FPN_1x.yaml fast3 "${pyramid[@]}" \
  DATASETS.PROPOSAL_FILES_TRAIN "()" DATASETS.PROPOSAL_FILES_TEST "()"
expect 1 "runs on data sets only" "$fm" predict --config-file "$work/fast/config.yaml" \
  --weights "$work/fast/model_final.pth" --json "$work/s/images/val"

# Deformable stages, plain and modulated with two groups of offsets; with groups of channels in the cascade.
expect 0 "Overall training speed" train_small Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml dconv "${pyramid[@]}" \
  SOLVER.MAX_ITER 3
expect 0 "res3.0.conv2_offset.weight" "$fm" info weights "$work/dconv/model_final.pth"
expect 0 "Overall training speed" train_small Misc/mask_rcnn_R_50_FPN_1x_dconv_c3-c5.yaml dconv2 "${pyramid[@]}" \
  SOLVER.MAX_ITER 3 \
  MODEL.RESNETS.DEFORM_MODULATED True MODEL.RESNETS.DEFORM_NUM_GROUPS 2 MODEL.RESNETS.NUM_GROUPS 2 \
  MODEL.RESNETS.WIDTH_PER_GROUP 4
expect 0 "Average Precision" "$fm" train --eval-only --config-file "$work/dconv2/config.yaml" \
  MODEL.WEIGHTS "$work/dconv2/model_final.pth"
expect 0 "Overall training speed" train_small Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml cascade "${pyramid[@]}"
expect 0 "Average Precision" train_small COCO-InstanceSegmentation/mask_rcnn_R_50_DC5_1x.yaml dc5
expect 0 "Average Precision" train_small COCO-InstanceSegmentation/mask_rcnn_R_50_C4_1x.yaml c4
expect 0 "Average Precision" train_small COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x_giou.yaml giou "${pyramid[@]}"
expect 0 "Overall training speed" train_small quick_schedules/mask_rcnn_R_50_FPN_pred_boxes_training_acc_test.yaml pred \
  "${pyramid[@]}" TEST.EXPECTED_RESULTS "[]"

# Batch norms: their statistics are averaged over NUM_ITER batches before the last checkpoint.
expect 0 "Running precise-BN for 3 iterations" train_small Misc/scratch_mask_rcnn_R_50_FPN_9x_syncbn.yaml bn "${pyramid[@]}" \
  MODEL.ROI_BOX_HEAD.CONV_DIM 32 TEST.PRECISE_BN.NUM_ITER 3

# DEBUG_MODE leaves features and gradients of each step; FIX_SHAPE pads every picture to it, in tests too.
expect 0 "Average Precision" train_small COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml debug "${pyramid[@]}" DEBUG_MODE 1 \
  INPUT.FIX_SHAPE "(128, 96)"
for file in npu_fp_feature_0 npu_bp_feature_1 npu_grad_dict_1; do
  [ -s "$work/debug/$file.pth" ] || fail "DEBUG_MODE must write $file.pth"
done
expect 0 "backbone.bottom_up.stem.conv1" "$fm" info weights "$work/debug/npu_fp_feature_0.pth"
expect 0 "[2, 16, 48, 64]" "$fm" info weights "$work/debug/npu_fp_feature_0.pth"
expect 0 "roi_heads.box_predictor.cls_score" "$fm" info weights "$work/debug/npu_bp_feature_1.pth"
expect 0 "proposal_generator.rpn_head.conv.weight" "$fm" info weights "$work/debug/npu_grad_dict_1.pth"
expect 1 "do not fit into INPUT.FIX_SHAPE" "$fm" evaluate --config-file "$work/debug/config.yaml" \
  --weights "$work/debug/model_final.pth" INPUT.FIX_SHAPE "(64, 64)" INPUT.MIN_SIZE_TEST 96

[ "$failures" -eq 0 ] && echo "model family: all as expected"
exit "$((failures > 0))"
