# A tiny Mask R-CNN for tests of what runs models: source it, then  make_tiny_model BIN SOURCE FOLDER  leaves
# FOLDER/model.fmm, the run it came from in FOLDER/run and generated scenes in FOLDER/s. It has hardly been trained: it
# finds much, all of it with low scores.
make_tiny_model() {
  local bin="$1" source="$2" work="$3" train
  "$bin/fastermask" data synth --output "$work/s" --train 4 --val 2 --size 96x80 --seed 3 >/dev/null 2>&1 || return 1
  train="$work/s/annotations/instances_train.json:$work/s/images/train"
  "$bin/fastermask" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" \
    INPUT.MIN_SIZE_TRAIN "(64,)" INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 2 MODEL.FPN.OUT_CHANNELS 32 \
    MODEL.ROI_MASK_HEAD.CONV_DIM 32 MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_HEADS.NUM_CLASSES 5 \
    DATASETS.TRAIN "('$train',)" DATASETS.TEST "('$train',)" SOLVER.MAX_ITER 2 OUTPUT_DIR "$work/run" \
    >"$work/train.log" 2>&1 || { tail "$work/train.log"; return 1; }
  "$bin/fastermask" compile --config-file "$work/run/config.yaml" --weights "$work/run/model_final.pth" \
    -o "$work/model.fmm" 2>/dev/null
}
