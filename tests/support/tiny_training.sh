# A training of seconds for tests of several processes: source it after setting bin, source and work, call
# make_tiny_scenes once, then  train FOLDER [OPTION ...] [-- KEY VALUE ...]  leaves its output in FOLDER and what it said in
# FOLDER.log. Frozen norms and no Winograd: its losses do not depend on how many processes share the batch of 4.
make_tiny_scenes() {
  "$bin/fastermask" data synth --output "$work/s" --train 16 --val 3 --size 96x80 --seed 3 >/dev/null 2>&1
}
train() {
  local folder="$1" options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# -eq 0 ] || shift
  "$bin/fastermask-train" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" --exact "${options[@]}" \
    MODEL.RESNETS.DEPTH 50 MODEL.RESNETS.NORM FrozenBN MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.STEM_OUT_CHANNELS 8 \
    MODEL.RESNETS.WIDTH_PER_GROUP 8 MODEL.FPN.NORM "" MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 32 \
    MODEL.ROI_MASK_HEAD.NORM "" MODEL.ROI_MASK_HEAD.CONV_DIM 16 INPUT.MIN_SIZE_TRAIN "(64,96)" SOLVER.IMS_PER_BATCH 4 \
    SEED 7 MODEL.ROI_HEADS.NUM_CLASSES 5 SOLVER.MAX_ITER 20 \
    DATASETS.TRAIN "('$work/s/annotations/instances_train.json:$work/s/images/train',)" \
    DATASETS.TEST "('$work/s/annotations/instances_val.json:$work/s/images/val',)" OUTPUT_DIR "$folder" "$@" >"$folder.log" 2>&1
}

# value FOLDER NAME: its newest value in metrics.json.
value() { grep -o "\"$2\": [^,}]*" "$1/metrics.json" | tail -n 1 | cut -d' ' -f2; }

# same_losses FOLDER OTHER: the newest losses of both are equal to 1e-5.
same_losses() {
  local loss status=0
  for loss in total_loss loss_cls loss_box_reg loss_mask loss_rpn_cls loss_rpn_loc; do
    awk -v a="$(value "$1" $loss)" -v b="$(value "$2" $loss)" \
      'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a > 0 && d <= 1e-5 * a) }' || {
      echo "$loss is $(value "$1" $loss) in $1 and $(value "$2" $loss) in $2"
      status=1
    }
  done
  return $status
}

# await COMMAND ...: until it succeeds, at most half a minute.
await() {
  local tries
  for tries in $(seq 600); do
    "$@" 2>/dev/null && return 0
    sleep 0.05
  done
  return "$((tries > 0))"
}

# rank_process LOG RANK: the number of the launcher's newest process of that rank.
rank_process() { sed -n "s/.*rank $2 of [0-9]* is process \([0-9]*\).*/\1/p" "$1" | tail -n 1; }
