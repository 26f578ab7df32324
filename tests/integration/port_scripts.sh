#!/bin/bash
# Every launch script in test/ trains a tiny model and leaves the output that it is known for; eval.sh evaluates one. The
# first ones run on generated scenes in the layout coco2017/, and, where the reference data are, all others on COCO.
# Usage: port_scripts.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
export FASTERMASK_BIN="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export FASTERMASK_TIMEOUT=60 etp_running_flag=false
unset ASCEND_DEVICE_ID
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
port=$((18000 + $$ % 2500)) # other tests that run meanwhile have other thousands

# Scenes as coco2017/, and beside them weights that are none.
"$FASTERMASK_BIN/fastermask" data synth --output "$work/s" --train 16 --val 3 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
mkdir -p "$work/scenes/coco2017/annotations"
for part in train val; do
  ln -s "$work/s/images/$part" "$work/scenes/coco2017/${part}2017"
  ln -s "$work/s/annotations/instances_$part.json" "$work/scenes/coco2017/annotations/instances_${part}2017.json"
done
narrow="MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_MASK_HEAD.CONV_DIM 16 MODEL.ROI_MASK_HEAD.NUM_CONV 1
  INPUT.MIN_SIZE_TRAIN (64,) INPUT.MAX_SIZE_TRAIN 128 INPUT.MIN_SIZE_TEST 64 INPUT.MAX_SIZE_TEST 128
  MODEL.RPN.PRE_NMS_TOPK_TEST 100 MODEL.RPN.POST_NMS_TOPK_TRAIN 100 MODEL.RPN.POST_NMS_TOPK_TEST 50
  MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE 32 DATALOADER.NUM_WORKERS 1 MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0"
eighteen="MODEL.RESNETS.DEPTH 18 MODEL.RESNETS.RES2_OUT_CHANNELS 64 $narrow"
small="MODEL.RESNETS.DEPTH 50 MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.STEM_OUT_CHANNELS 8
  MODEL.RESNETS.WIDTH_PER_GROUP 8 $narrow"
scenes="$small MODEL.ROI_HEADS.NUM_CLASSES 5"
coco="$small"
data="$work/scenes"
if [ -d "${FASTERMASK_REFERENCE:-}/data/coco/annotations" ]; then
  data="$FASTERMASK_REFERENCE/data"
else
  echo "skipped: the scripts on COCO's pictures (FASTERMASK_REFERENCE is not set); they run on generated scenes"
  coco="$scenes"
fi

# run NAME DATA OVERRIDE [ARGUMENT ...]: its stdout is left in $work/NAME.out, its folder is $work/NAME/0.
run() {
  local name="$1" data="$2" override="$3"
  shift 3
  bash "$source/test/$name.sh" --data_path="$data" --weights none --device cpu --output "$work/$name" \
    --override "$override" "$@" >"$work/$name.out" 2>&1 || fail "$name: $(tail -n 4 "$work/$name.out")"
}

# check NAME CASE [WORD ...]: the output of NAME, whose CaseName must be CASE; further names of lines in its log.
check() {
  local name="$1" case="$2" word number='[0-9][0-9.e+-]*$'
  shift 2
  local log="$work/$name/0/$case.log" out="$work/$name.out"
  grep -qxF -e "------------------ Final result ------------------" "$out" || fail "$name: no final result: $(cat "$out")"
  grep -qE "^Final Performance images/sec : $number" "$out" || fail "$name: no images/sec"
  grep -qE "^E2E Training Duration sec : [0-9]+$" "$out" || fail "$name: no duration"
  [ -s "$work/$name/0/train_0.log" ] || fail "$name: no train_0.log"
  [ -s "$work/$name/0/train_${case}_loss.txt" ] || fail "$name: no losses"
  [ -f "$log" ] || { fail "$name: no $case.log among $(ls "$work/$name/0")"; return; }
  local ranks="${case%p_*}" batch="${case##*_bs}"
  for word in "CaseName = $case" "DeviceType = $(uname -m)" "RankSize = ${ranks##*_}" "BatchSize = ${batch%%_*}"; do
    grep -qxF "$word" "$log" || fail "$name: $case.log lacks '$word'"
  done
  for word in ActualFPS TrainingTime ActualLoss E2ETrainingTime "$@"; do
    grep -qE "^$word = *$number" "$log" || fail "$name: $case.log lacks a number for $word: $(grep "^$word" "$log")"
  done
  for word in CompileTime TrainAccuracy; do
    [[ " $* " == *" $word "* ]] || ! grep -q "^$word" "$log" || fail "$name: $case.log must have no $word"
  done
}
faster=Faster_RCNN_for_PyTorch
mask=Faster_Mask_RCNN_ID0101_for_PyTorch

git -C "$source" status --porcelain >"$work/before" 2>/dev/null

# One process. The first one is long enough for the program's own FPS line.
run train_performance_1p "$work/scenes" "$eighteen MODEL.ROI_HEADS.NUM_CLASSES 5" --batch_size=2 --train_steps=12 --conda_name=any --precision_mode=any
check train_performance_1p "${mask}_bs2_1p_perf" CompileTime
grep -q "^FPS = " "$work/train_performance_1p/0/train_0.log" || fail "train_0.log must hold an FPS line"
grep -q "Average Precision" "$work/train_performance_1p/0/train_0.log" && fail "PERF_ONLY: nothing may be evaluated"
run train_faster_rcnn_performance_1p "$work/scenes" "$scenes" --batch_size=2 --train_steps=2 --fp32
check train_faster_rcnn_performance_1p "${faster}_bs2_1p_perf" CompileTime
run train_faster_rcnn_full_1p "$data" "$coco" --batch_size=2 --train_steps=2 --hf32
check train_faster_rcnn_full_1p "${faster}_bs2_1p_acc" TrainAccuracy
grep -qE "^Final Train Accuracy :  ?-?[0-9.]+" "$work/train_faster_rcnn_full_1p.out" || fail "the accuracy must be printed"

# Eight processes; the other scripts of that kind with two, for the sake of time.
for script in train_full_8p train_performance_8p train_faster_rcnn_full_8p train_faster_rcnn_performance_8p; do
  port=$((port + 1)) procs=2
  [ $script = train_full_8p ] && procs=8
  run $script "$data" "$coco" --batch_size=8 --train_steps=1 --num_procs=$procs --master_port=$port
  name=$mask kind=perf more=()
  [[ $script == *faster* ]] && name=$faster
  [[ $script == *full* ]] && kind=acc more=(TrainAccuracy)
  check $script "${name}_bs8_${procs}p_$kind" "${more[@]}"
done

# Two machines that are two addresses of this one. Of the second one's output, the fact that it ends well is enough.
machines() { # NAME CASE FIRST_ARGUMENTS SECOND_ARGUMENTS ARGUMENT ...
  local name="$1" case="$2" first="$3" second="$4"
  shift 4
  # shellcheck disable=SC2086  # words
  bash "$source/test/$name.sh" --data_path="$data" --weights=none --device=cpu --output="$work/second_$name" \
    --override="$coco" --train_steps=2 "$@" $second >"$work/second_$name.out" 2>&1 &
  local other=$!
  # shellcheck disable=SC2086
  run "$name" "$data" "$coco" --train_steps=2 "$@" $first
  wait $other || fail "$name, machine 1: $(tail -n 4 "$work/second_$name.out")"
  check "$name" "$case"
}
for script in train_performance_multinodes train_faster_rcnn_performance_multinodes; do
  port=$((port + 1))
  name=$mask
  [[ $script == *faster* ]] && name=$faster
  machines $script "${name}_bs4_4p_perf" "--node_rank=0 --local_addr=127.0.0.1" "--node_rank=1 --local_addr=127.0.0.2" \
    --nnodes=2 --master_addr=127.0.0.1 --master_port=$port --batch_size=4 --num_procs=2
done
mkdir "$work/conf"
touch "$work/conf/server_127.0.0.1_0.info" "$work/conf/server_127.0.0.2_1.info"
for number in 16 32 64; do
  port=$((port + 1))
  where=(--one_node_ip=127.0.0.1 --linux_num=2)
  [ $number = 64 ] && where=(--conf_path="$work/conf")
  machines train_performance_${number}p "${mask}_bs2_2p_perf" "--server_index=0 --fix_node_ip=127.0.0.1" \
    "--server_index=1 --fix_node_ip=127.0.0.2" "${where[@]}" --devicesnum=0 --master_port=$port --batch_size=2
done

# Evaluation alone, of what a script trained.
# shellcheck disable=SC2086
bash "$source/eval.sh" --data_path="$data" --device=cpu --weights="$work/train_full_8p/0/run/model_final.pth" \
  --override="$coco OUTPUT_DIR $work/evaluated" >"$work/eval.out" 2>&1 || fail "eval.sh: $(tail -n 4 "$work/eval.out")"
grep -q "Average Precision" "$work/eval.out" || fail "eval.sh must evaluate"

# What goes wrong says so.
refused() { # TEXT ARGUMENT ...
  local text="$1" output
  shift
  output="$(bash "$source/test/train_performance_1p.sh" --output="$work/refused" --device=cpu "$@" 2>&1)" && fail "must be refused: $*"
  grep -qF -e "$text" <<<"$output" || fail "expected '$text', got: $output"
}
refused 'para "data_path" must be confing'
refused "is not a folder" --data_path="$work/none"
refused "holds neither coco/annotations nor coco2017/annotations" --data_path="$work/s/images"
refused "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/R-101.pkl" --data_path="$work/scenes"
refused "--batch_size must be a whole number, got 'two'" --data_path="$work/scenes" --batch_size=two
refused "the training ended with status 2" --data_path="$work/scenes" --weights=none --override="NO.SUCH_KEY 1"
bash "$source/test/train_full_8p.sh" --help | grep -q -- "--data_path=FOLDER" || fail "--help must list the arguments"

git -C "$source" status --porcelain 2>/dev/null | diff "$work/before" - || fail "the scripts must leave the sources alone"
[ "$failures" -eq 0 ]
