#!/bin/bash
# What the training scripts beside this file share. They keep the names, the arguments and the output of the launch
# scripts of the Ascend ModelZoo's "Faster Mask RCNN for PyTorch", so that whatever starts and reads those goes on working.
# A script sources this file, sets what sets it apart, and calls  run_case "$@".
#
# Nothing outside test/output/ is written, and no source file is edited: the data folder is linked, not copied.
set -uo pipefail

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# What a script may set before run_case.
network=mask     # mask or faster: the config, and the name in the logs
kind=perf        # perf or acc: the end of CaseName
batch_size=64    # pictures a step, of all processes together
train_steps=200
base_lr=0.02
workers=8        # DATALOADER.NUM_WORKERS
procs=8          # processes (devices) on each machine
evaluates=yes    # no: exports PERF_ONLY
accuracy=no      # yes: reports the first Average Precision
compile_time=no  # yes: reports the time of the first two steps
style=single     # single, nodes (--nnodes ...) or servers (--fix_node_ip ... --linux_num)
servers_size=0   # servers: the number of processes in the script's name

# Arguments. Names with '-' instead of '_' are taken, too.
declare -A argument=()
flags=" hf32 fp32 help "
known=" data_path batch_size device_id train_steps nnodes node_rank local_addr master_addr master_port hf32 fp32 \
precision_mode over_dump data_dump_flag data_dump_step profiling test_path_dir conda_name fix_node_ip devicesnum \
conf_path server_index one_node_ip linux_num help device weights override num_procs max_restarts output plugin "

usage() {
  cat <<END
Usage: bash test/$(basename "$0") --data_path=FOLDER [--name=value ...]

  --data_path=FOLDER     holds coco/ or coco2017/ (train2017, val2017, annotations) and R-101.pkl
  --batch_size=N         pictures a step, of all processes together ($batch_size)
  --train_steps=N        steps ($train_steps)
  --device_id=N          the device to train on, and the folder test/output/N (0; \$ASCEND_DEVICE_ID goes before)
  --hf32, --fp32         no mixed precision
  --device=cpu|cuda|npu  (what is there)
  --weights=FILE|none    in the place of R-101.pkl; none: from scratch
  --override="KEY VALUE ..."   changes the config
  --num_procs=N          processes on this machine ($procs)
  --max_restarts=N       starts again from the last checkpoint when a process is lost, so many times (0)
  --plugin=LIBRARY       a LibTorch backend to load
  --output=FOLDER        in the place of test/output
END
  case "$style" in
    nodes) cat <<END
  --nnodes=N --node_rank=R       machines that train together (1), and this one's number from 0
  --master_addr=A --master_port=P   where machine 0 listens (127.0.0.1, 23333)
  --local_addr=A         this machine's address for the others (127.0.0.1)
END
      ;;
    servers) cat <<END
  --linux_num=N --server_index=R   machines that train together, and this one's number from 0
  --one_node_ip=A        machine 0's address; --conf_path=FOLDER of server_ADDRESS_N.info files gives it and the number
  --fix_node_ip=A        this machine's address for the others
  --devicesnum=TEXT      as many characters as each machine has devices (8)
END
      ;;
  esac
  echo "  precision_mode, over_dump, data_dump_flag, data_dump_step, profiling, test_path_dir and conda_name are taken and"
  echo "  change nothing."
}

fail() {
  echo "[Error] $*" >&2
  exit 1
}

read_arguments() {
  local word name
  while [ $# -gt 0 ]; do
    word="$1"
    shift
    [ "$word" = -h ] && word=--help
    name="${word#--}"
    name="${name%%=*}"
    name="${name//-/_}"
    if [[ "$word" != --* ]] || [[ "$known" != *" $name "* ]]; then
      echo "[Warning] $(basename "$0") does not know '$word'; --help lists what it knows" >&2
    elif [[ "$word" == *=* ]]; then
      argument[$name]="${word#*=}"
    elif [[ "$flags" == *" $name "* ]]; then
      argument[$name]=True
    else
      [ $# -gt 0 ] || fail "--$name must have a value: --$name=VALUE"
      argument[$name]="$1"
      shift
    fi
  done
}

# number NAME DEFAULT: the argument, which must be a whole number.
number() {
  local value="${argument[$1]:-$2}"
  [[ "$value" =~ ^[0-9]+$ ]] || fail "--$1 must be a whole number, got '$value'"
  echo "$value"
}

# Sets machines, machine_rank, master_addr, master_port and local_addr.
find_machines() {
  machines=1 machine_rank=0 master_addr="${argument[master_addr]:-127.0.0.1}" local_addr=""
  master_port="$(number master_port 23333)" || exit 1
  case "$style" in
    nodes)
      machines="$(number nnodes 1)" && machine_rank="$(number node_rank 0)" || exit 1
      local_addr="${argument[local_addr]:-}"
      ;;
    servers)
      local devices="${argument[devicesnum]:-}" conf="${argument[conf_path]:-}" first
      [ -n "$devices" ] && procs="${#devices}"
      local expected=$((servers_size / procs > 0 ? servers_size / procs : 1))
      master_port="$(number master_port 29688)" && machines="$(number linux_num $expected)" &&
        machine_rank="$(number server_index 0)" || exit 1
      master_addr="${argument[one_node_ip]:-$master_addr}"
      local_addr="${argument[fix_node_ip]:-}"
      if [ -n "$conf" ]; then
        first="$(find "$conf" -name 'server_*0.info' | sort | head -n 1)"
        [ -n "$first" ] || fail "--conf_path: '$conf' holds no server_ADDRESS_0.info, the file of machine 0"
        first="$(basename "$first")"
        first="${first#server_}"
        master_addr="${first%%_*}"
        machines="$(find "$conf" -name 'server_*.info' | wc -l)"
      fi
      ;;
  esac
  [ "$machine_rank" -lt "$machines" ] ||
    fail "this machine's number must be below the number of machines, $machines; got $machine_rank"
}

# Sets coco, the folder with train2017, val2017 and annotations.
find_data() {
  local data="${argument[data_path]:-}" name
  # The words of the scripts that came before: somebody may look for them.
  [ -n "$data" ] || fail 'para "data_path" must be confing: --data_path=FOLDER, which holds coco/ or coco2017/'
  [ -d "$data" ] || fail "--data_path: '$data' is not a folder"
  data_path="$(cd "$data" && pwd)"
  for name in coco coco2017 .; do
    coco="$data_path/$name"
    [ -d "$coco/annotations" ] && return
  done
  fail "--data_path: '$data' holds neither coco/annotations nor coco2017/annotations; expected there: train2017/," \
    "val2017/ and annotations/instances_{train,val}2017.json of https://cocodataset.org/#download"
}

# Prints MODEL.WEIGHTS.
find_weights() {
  local weights="${argument[weights]:-}"
  case "$weights" in
    none) echo "" ;;
    "")
      [ -f "$data_path/R-101.pkl" ] || fail "$data_path/R-101.pkl is not there. It is published at" \
        "https://dl.fbaipublicfiles.com/detectron2/ImageNetPretrained/MSRA/R-101.pkl; --weights=FILE takes another," \
        "--weights=none trains from scratch"
      echo "$data_path/R-101.pkl"
      ;;
    *) echo "$weights" ;;
  esac
}

# Sets bin, the folder of the programs.
find_programs() {
  local folder
  for folder in "${FASTERMASK_BIN:-}" "$repository"/build/{release,debug}/bin; do
    bin="$folder"
    [ -n "$folder" ] && [ -x "$folder/fastermask" ] && return
  done
  bin="$(dirname "$(command -v fastermask || echo /)")"
  [ -x "$bin/fastermask" ] || fail "fastermask is not built: run tools/build.sh, or name its folder in FASTERMASK_BIN"
}

# Makes the output folder anew, as `folder`, and links the data set into it under the name that the configs know.
make_output() {
  local all="${argument[output]:-$repository/test/output}"
  mkdir -p "$all" && all="$(cd "$all" && pwd)" || exit 1
  folder="$all/$ASCEND_DEVICE_ID"
  exec 9>"$all/.$ASCEND_DEVICE_ID.lock"
  flock -n 9 || fail "$folder is being written by another run of these scripts; give each its --device_id or --output"
  rm -rf "$folder"
  mkdir -p "$folder/ckpt" "$folder/datasets" || exit 1
  ln -s "$coco" "$folder/datasets/coco"
  export FASTERMASK_DATASETS="$folder/datasets"
  # The scripts that came before made these when asked, though nothing wrote to them.
  [ -z "${argument[over_dump]:-}" ] || mkdir -p "$all/overflow_dump"
  [ -z "${argument[data_dump_flag]:-}" ] || mkdir -p "$all/data_dump"
  [ -z "${argument[profiling]:-}" ] || mkdir -p "$all/profiling"
}

export_environment() {
  export RANK_SIZE=$((procs * machines)) JOB_ID=10087 ASCEND_GLOBAL_LOG_LEVEL_ETP=3
  if [ "${etp_running_flag:-}" != true ]; then source "$repository/test/env_npu.sh"; fi
  if [ -n "$local_addr" ]; then export HCCL_IF_IP="$local_addr" FASTERMASK_LOCAL_ADDR="$local_addr"; fi
  [ "$style" != servers ] || export NPU_WORLD_SIZE="$RANK_SIZE"
  [ -z "${argument[hf32]:-}" ] || export ALLOW_HF32=True
  [ -z "${argument[fp32]:-}" ] || export ALLOW_FP32=True
  [ -z "${argument[plugin]:-}" ] || export FASTERMASK_PLUGINS="${argument[plugin]}"
  [ "$evaluates" = yes ] || export PERF_ONLY=True
  # A launcher's variables of an earlier run would make this process one of its ranks.
  unset RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT
}

# read_override NAME: the array's words become those of --override, which are quoted as in a shell.
read_override() {
  # shellcheck disable=SC2178,SC2034  # a reference
  local -n list="$1"
  list=()
  # shellcheck disable=SC2034
  [ -z "${argument[override]:-}" ] || mapfile -t list < <(xargs -n1 printf '%s\n' <<<"${argument[override]}")
}

# Sets command.
make_command() {
  local config weights device="${argument[device]:-auto}" ids=() words=()
  case "$device" in auto | cpu | cuda | npu) ;; *) fail "--device must be cpu, cuda or npu, got '$device'" ;; esac
  config=COCO-InstanceSegmentation/mask_rcnn_R_101_FPN_3x.yaml
  [ "$network" = mask ] || config=COCO-Detection/faster_rcnn_R_101_FPN_3x.yaml
  weights="$(find_weights)" || exit 1
  mapfile -t ids < <(if [ "$procs" -eq 1 ]; then echo "$ASCEND_DEVICE_ID"; else seq 0 $((procs - 1)); fi)
  read_override words
  command=("$bin/fastermask" train --config-file "$repository/configs/$config" --num-gpus "$procs"
    --device-ids "${ids[@]}" --num-machines "$machines" --machine-rank "$machine_rank"
    --master-addr "$master_addr" --master-port "$master_port" --max-restarts "${argument[max_restarts]:-0}"
    AMP 1 OPT_LEVEL O2 LOSS_SCALE_VALUE 64 MODEL.DEVICE "$device" MODEL.WEIGHTS "$weights"
    SOLVER.IMS_PER_BATCH "$batch_size" SOLVER.MAX_ITER "$train_steps" SEED 1234 MODEL.RPN.NMS_THRESH 0.8
    MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO 2 MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO 2
    DATALOADER.NUM_WORKERS "$workers" SOLVER.BASE_LR "$base_lr" OUTPUT_DIR "$folder/run" "${words[@]}")
}

# Runs `command` with its output in `log`; signals are handed on to it, so that it saves a checkpoint.
run_training() {
  local status=0
  "${command[@]}" >"$log" 2>&1 9>&- &
  local pid=$!
  trap 'kill -TERM "$pid" 2>/dev/null' TERM INT HUP
  while kill -0 "$pid" 2>/dev/null; do wait "$pid" && status=0 || status=$?; done
  trap - TERM INT HUP
  if [ "$status" -ne 0 ]; then
    echo "[Error] the training ended with status $status; the end of $log:" >&2
    tail -n 20 "$log" >&2
    exit "$status"
  fi
}

# Pictures a second: the mean of the lines "FPS = X"; a run too short for one: from the time of all its steps.
images_per_second() {
  local batch="$1" fps seconds
  fps="$(awk '/^FPS = / { sum += $NF; ++count } END { if (count) printf "%.3f", sum / count }' "$log")"
  if [ -z "$fps" ]; then
    seconds="$(sed -n 's/.*Overall training speed: .*(\([0-9.]*\) s \/ it).*/\1/p' "$log" | tail -n 1)"
    fps="$(awk -v batch="$batch" -v seconds="${seconds:-0}" \
      'BEGIN { if (seconds > 0) printf "%.3f", batch / seconds }')"
  fi
  echo "$fps"
}

# What people and their tools read: stdout, train_${CaseName}_loss.txt and ${CaseName}.log.
report() {
  local e2e="$1" fps average precision="" name losses case_log
  name=Faster_Mask_RCNN_ID0101_for_PyTorch
  [ "$network" = mask ] || name=Faster_RCNN_for_PyTorch
  local case_name="${name}_bs${batch_size}_${RANK_SIZE}p_${kind}"
  losses="$folder/train_${case_name}_loss.txt"
  case_log="$folder/$case_name.log"
  fps="$(images_per_second "$batch_size")"
  average="$(awk -v batch="$batch_size" -v fps="${fps:-0}" 'BEGIN { if (fps > 0) printf "%.2f", batch * 1000 / fps }')"
  sed -n 's/.*total_loss: \([^ ]*\).*/\1/p' "$log" >"$losses"
  echo "------------------ Final result ------------------"
  echo "Final Performance images/sec : $fps"
  if [ "$accuracy" = yes ]; then
    precision="$(awk -F '=' '/Average Precision/ { print $NF; exit }' "$log")"
    echo "Final Train Accuracy : $precision"
  fi
  echo "E2E Training Duration sec : $e2e"
  {
    echo "Network = $name"
    echo "RankSize = $RANK_SIZE"
    echo "BatchSize = $batch_size"
    echo "DeviceType = $(uname -m)"
    echo "CaseName = $case_name"
    echo "ActualFPS = $fps"
    echo "TrainingTime = $average"
    [ "$accuracy" = no ] || echo "TrainAccuracy = $precision"
    echo "ActualLoss = $(tail -n 1 "$losses")"
    echo "E2ETrainingTime = $e2e"
    [ "$compile_time" = no ] ||
      echo "CompileTime = $(awk '/^step_time = / { sum += $3 } END { printf "%.4f", sum }' "$log")"
  } >"$case_log"
}

run_case() {
  read_arguments "$@"
  if [ -n "${argument[help]:-}" ]; then
    usage
    exit 0
  fi
  batch_size="$(number batch_size "$batch_size")" && train_steps="$(number train_steps "$train_steps")" &&
    procs="$(number num_procs "$procs")" || exit 1
  export ASCEND_DEVICE_ID="${ASCEND_DEVICE_ID:-$(number device_id 0)}"
  find_machines
  find_data
  find_programs
  make_output
  log="$folder/train_$ASCEND_DEVICE_ID.log"
  export_environment
  make_command
  echo "device id is $ASCEND_DEVICE_ID"
  local started
  started="$(date +%s)"
  run_training
  report $(($(date +%s) - started))
}

# eval.sh: MODEL.WEIGHTS on DATASETS.TEST.
run_evaluation() {
  read_arguments "$@"
  if [ -n "${argument[help]:-}" ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$repository/eval.sh"
    exit 0
  fi
  procs="$(number num_procs "$procs")" || exit 1
  find_programs
  local links="" words=() status=0 config=COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x
  if [ -n "${argument[data_path]:-}" ]; then
    find_data
    links="$(mktemp -d)"
    ln -s "$coco" "$links/coco"
    export FASTERMASK_DATASETS="$links"
  fi
  read_override words
  "$bin/fastermask" train --eval-only --config-file "$repository/configs/$config.yaml" \
    --num-gpus "$procs" MODEL.DEVICE "${argument[device]:-auto}" \
    MODEL.WEIGHTS "${argument[weights]:-detectron2://$config/137260431/model_final_a54504.pkl}" \
    "${words[@]}" || status=$?
  [ -z "$links" ] || rm -rf "$links"
  exit "$status"
}
