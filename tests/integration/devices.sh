#!/bin/bash
# MODEL.DEVICE: what is there, what is not, and a training on the device of a plug-in (tests/unit/training/
# host_device_plugin.cpp), one process and two, against the same training on the CPU.
# Usage: devices.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
source "$source/tests/support/tiny_training.sh"
plugin="$bin/../lib/libhost_device_plugin.so"
export FASTERMASK_TIMEOUT=60
unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT FASTERMASK_PLUGINS
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
[ -f "$plugin" ] || { echo "skipped: $plugin is not built"; exit 77; }
make_tiny_scenes || fail "data synth"
quick=(SOLVER.MAX_ITER 4 DATASETS.TEST "()")

refused() { # TEXT [OPTION ...] -- [KEY VALUE ...]
  local text="$1"
  shift
  train "$work/refused" "$@" && fail "must be refused: $*"
  grep -qF -e "$text" "$work/refused.log" || fail "expected '$text': $(tail -n 3 "$work/refused.log")"
}
refused "MODEL.DEVICE is npu:0, but there is none here; there is: cpu" -- MODEL.DEVICE npu:0
refused "--plugin or in FASTERMASK_PLUGINS" -- MODEL.DEVICE npu
refused "MODEL.DEVICE must be auto, cpu, cuda" -- MODEL.DEVICE quantum
refused "plugin: $work/none.so cannot be loaded" --plugin "$work/none.so" --
refused "npu:2, which makes device 2 that of process 0, but there is: cpu, privateuseone (2 devices)" --plugin "$plugin" -- \
  MODEL.DEVICE npu:2

train "$work/cpu" -- "${quick[@]}" MODEL.DEVICE cpu || fail "cpu: $(tail -n 3 "$work/cpu.log")"
train "$work/npu" --plugin "$plugin" -- "${quick[@]}" MODEL.DEVICE npu:1 || fail "npu:1: $(tail -n 3 "$work/npu.log")"
grep -q "computes on privateuseone:1" "$work/npu.log" || fail "the device must be named"
grep -q "appears to be a view operator" "$work/npu.log" && fail "the test's own plug-in lacks an operation: $(grep "appears" "$work/npu.log")"
same_losses "$work/cpu" "$work/npu" || fail "the device must train as the CPU does"

# The plug-in from the environment, found by itself; each process has a device of its own; AdamW, averages, norms of all
# processes, evaluation.
more=(SOLVER.MAX_ITER 3 SOLVER.EMA.ENABLED True MODEL.FPN.NORM SyncBN SOLVER.OPTIMIZER AdamW SOLVER.BASE_LR 0.0001)
train "$work/cpu1" -- "${more[@]}" MODEL.DEVICE cpu || fail "cpu: $(tail -n 3 "$work/cpu1.log")"
(
  export FASTERMASK_PLUGINS="$plugin"
  train "$work/two" --num-procs 2 --device-ids 1 0 --master-port $((21000 + $$ % 2500)) -- "${more[@]}"
) || fail "two devices: $(tail -n 3 "$work/two.log")"
grep -q "rank 1 computes on privateuseone:0" "$work/two/log.txt.rank1" || fail "--device-ids must be followed"
same_losses "$work/cpu1" "$work/two" || fail "two devices must train as the CPU does"
[ "$failures" -eq 0 ]
