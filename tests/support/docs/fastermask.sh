#!/bin/bash
# What `fastermask` is to the commands of the docs when docs_commands.sh runs them: the real program, but trainings take
# two small steps of a narrow network, 400 scenes are 24, and a server goes to the background, at a port that is free. Arguments
# are handed on as they are written; what is added comes behind them.
#   DOCS_BIN     folder of the real programs
#   DOCS_HIDDEN  folder for what the reader does not see: server.pid, server.log
set -eu
real="$DOCS_BIN/fastermask"

# Keys of the narrow network. are narrow in other places than R-18.
narrow=(MODEL.FPN.OUT_CHANNELS 32 MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_MASK_HEAD.CONV_DIM 32
  MODEL.ROI_MASK_HEAD.NUM_CONV 1 MODEL.RPN.PRE_NMS_TOPK_TEST 100 MODEL.RPN.POST_NMS_TOPK_TRAIN 100
  MODEL.RPN.POST_NMS_TOPK_TEST 50 MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 32
  INPUT.MIN_SIZE_TRAIN "(64,)" INPUT.MAX_SIZE_TRAIN 128 INPUT.MIN_SIZE_TEST 64 INPUT.MAX_SIZE_TEST 128
  SOLVER.IMS_PER_BATCH 4 SOLVER.MAX_ITER 2 SOLVER.STEPS "()" DATALOADER.NUM_WORKERS 1)
case " $* " in
  *R_50* | *R_101*)
    narrow+=(MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.STEM_OUT_CHANNELS 8 MODEL.RESNETS.WIDTH_PER_GROUP 8)
    ;;
esac

case "${1:-} $*" in
  data\ *synth*)
    # Fewer scenes.
    words=()
    for word in "$@"; do
      case "$word" in 400) words+=(24) ;; 40) words+=(6) ;; *) words+=("$word") ;; esac
    done
    exec "$real" "${words[@]}"
    ;;
  train\ *--replay*) exec "$real" "$@" ;;
  train\ *--num-procs*) exec "$real" "$@" "${narrow[@]}" --master-port "$((21000 + $$ % 2000))" ;;
  train\ *) exec "$real" "$@" "${narrow[@]}" ;;
  serve\ *)
    # The last --port counts nowhere, so the reader's is taken out.
    words=()
    while [ $# -gt 0 ]; do
      if [ "$1" = --port ]; then shift; else words+=("$1"); fi
      shift
    done
    "$real" "${words[@]}" --port 0 2>"$DOCS_HIDDEN/server.log" >&2 &
    echo $! >"$DOCS_HIDDEN/server.pid"
    for _ in $(seq 600); do
      if grep -q 'http://[0-9.]*:' "$DOCS_HIDDEN/server.log"; then exit 0; fi
      kill -0 "$!" 2>/dev/null || break
      sleep 0.05
    done
    cat "$DOCS_HIDDEN/server.log"
    exit 1
    ;;
  *) exec "$real" "$@" ;;
esac
