#!/bin/bash
# MODEL.DEVICE: what is there, what is not, and a training on the device of a plug-in (tests/unit/training/
# host_device_plugin.cpp), one process and two, against the same training on the CPU; --backend.
# Usage: devices.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
source "$source/tests/support/tiny_training.sh"
plugin="$bin/../lib/libhost_device_plugin.so"
export FASTERMASK_TIMEOUT=60
unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT FASTERMASK_PLUGINS FASTERMASK_BACKEND
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
[ -f "$plugin" ] || { echo "skipped: $plugin is not built"; exit 77; }
make_tiny_scenes || fail "data synth"
quick=(SOLVER.MAX_ITER 4 DATASETS.TEST "()")

refused() { # TEXT [OPTION ...] -- [KEY VALUE ...]: with status 2, or $status
  local text="$1" got
  shift
  train "$work/refused" "$@"
  got=$?
  [ "$got" -eq "${status:-2}" ] || fail "must be refused with status ${status:-2}, not $got: $*"
  grep -qF -e "$text" "$work/refused.log" || fail "expected '$text': $(tail -n 3 "$work/refused.log")"
}
refused "MODEL.DEVICE is npu:0, but there is none here; there is: cpu" -- MODEL.DEVICE npu:0
refused "--plugin or in FASTERMASK_PLUGINS" -- MODEL.DEVICE npu
refused "MODEL.DEVICE must be auto, cpu, cuda" -- MODEL.DEVICE quantum
status=1 refused "plugin: $work/none.so cannot be loaded" --plugin "$work/none.so" --
refused "npu:2, which makes device 2 that of process 0, but there is: cpu, privateuseone (2 devices)" --plugin "$plugin" -- \
  MODEL.DEVICE npu:2
if ! "$bin/fastermask-train" train --help | grep -q -e "--backend"; then fail "--help must name --backend"; fi
if ! ldd "$bin/fastermask-train" | grep -q libtorch_cuda; then
  refused "--backend nccl is not in this build; there is: gloo" --backend nccl --
  refused "It needs a LibTorch with CUDA and NCCL" --backend nccl --num-procs 2 --
  FASTERMASK_BACKEND=nccl refused "--backend nccl is not in this build" --
fi
refused "pigeon not in {auto,gloo,nccl,mpi,plugin}" --backend pigeon --
FASTERMASK_BACKEND=pigeon refused "must be auto, gloo, nccl, mpi or plugin, got 'pigeon'" --
refused "plugin needs a library, given with --plugin or in FASTERMASK_PLUGINS, that exports" --backend plugin -- MODEL.DEVICE cpu
refused "take --backend auto" --backend plugin --plugin "$plugin" -- MODEL.DEVICE cpu

train "$work/cpu" -- "${quick[@]}" MODEL.DEVICE cpu || fail "cpu: $(tail -n 3 "$work/cpu.log")"
train "$work/npu" --plugin "$plugin" -- "${quick[@]}" MODEL.DEVICE npu:1 || fail "npu:1: $(tail -n 3 "$work/npu.log")"
grep -q "computes on privateuseone:1" "$work/npu.log" || fail "the device must be named"
grep -q "appears to be a view operator" "$work/npu.log" && fail "the test's own plug-in lacks an operation: $(grep "appears" "$work/npu.log")"
same_losses "$work/cpu" "$work/npu" || fail "the device must train as the CPU does"

# The plug-in from the environment, found by itself; each process has a device of its own; AdamW, averages, norms of all
# processes, evaluation.
more=(SOLVER.MAX_ITER 3 SOLVER.EMA.ENABLED True MODEL.FPN.NORM SyncBN SOLVER.OPTIMIZER AdamW SOLVER.BASE_LR 0.0001)
train "$work/cpu1" -- "${more[@]}" MODEL.DEVICE cpu || fail "cpu: $(tail -n 3 "$work/cpu1.log")"
# Gradients travel by the plug-in's own process group while the backward pass goes on, or through the host.
two_devices() { # FOLDER [OPTION ...]
  local folder="$1"
  shift
  (
    export FASTERMASK_PLUGINS="$plugin"
    train "$folder" --num-procs 2 --device-ids 1 0 --master-port $((21000 + $$ % 2500)) "$@" -- "${more[@]}"
  ) || fail "two devices: $(tail -n 3 "$folder.log")"
  grep -q "rank 1 computes on privateuseone:0" "$folder/log.txt.rank1" || fail "--device-ids must be followed"
  same_losses "$work/cpu1" "$folder" || fail "two devices must train as the CPU does"
}
two_devices "$work/two"
grep -q "gradients travel by plugin" "$work/two/log.txt.rank1" || fail "the plug-in's group must be taken"
two_devices "$work/two_gloo" --backend gloo
grep -q "gradients travel by plugin" "$work/two_gloo/log.txt.rank1" && fail "--backend must be followed"
for folder in two two_gloo; do
  awk -v megabytes="$(value "$work/$folder" communication_megabytes)" 'BEGIN { exit !(megabytes > 0.1) }' ||
    fail "$folder: the gradients must be counted"
done

# A process group without a time-out of its own, and a rank that stops in the middle of the backward pass.
started=$SECONDS
if HOST_DEVICE_STALL=9 FASTERMASK_TIMEOUT=20 train "$work/stall" --plugin "$plugin" --num-procs 2 \
  --master-port $((21000 + ($$ + 7) % 2500)) -- SOLVER.MAX_ITER 20 DATASETS.TEST "()" MODEL.DEVICE npu; then
  fail "a rank that stops must end the training"
fi
grep -q "gradients sent by plugin have not come back for 24 s" "$work/stall.log" || fail "stall: $(tail -n 3 "$work/stall.log")"
grep -q "Lost: rank 1, last seen in: iteration [0-9]*: backward pass" "$work/stall.log" || fail "the lost rank must be named"
[ $((SECONDS - started)) -lt 150 ] || fail "the loss of a rank took $((SECONDS - started)) s"
[ "$failures" -eq 0 ]
