#!/bin/bash
# Two machines that are network namespaces with a cable between them: they find each other's addresses and train together
# through train_performance_multinodes.sh; when the cable is cut, both sides say so within the time-out and end. Needs the
# right to make namespaces. Usage: machines_apart.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
a="fm$$a" b="fm$$b"
trap 'ip netns del "$a" 2>/dev/null; ip netns del "$b" 2>/dev/null; rm -rf "$work"' EXIT
source "$source/tests/support/tiny_training.sh"
export FASTERMASK_BIN="$bin" FASTERMASK_TIMEOUT=8
unset RANK WORLD_SIZE LOCAL_RANK MASTER_ADDR MASTER_PORT ASCEND_DEVICE_ID
failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
if ! { ip netns add "$a" && ip netns add "$b" && ip -n "$a" link add cable type veth peer name cable netns "$b" &&
  ip -n "$a" address add 10.77.0.1/24 dev cable && ip -n "$b" address add 10.77.0.2/24 dev cable &&
  ip -n "$a" link set cable up && ip -n "$b" link set cable up && ip -n "$a" link set lo up && ip -n "$b" link set lo up; } \
  2>/dev/null; then
  echo "skipped: no right to make network namespaces, or no iproute2"
  exit 77
fi
make_tiny_scenes || fail "data synth"
mkdir -p "$work/scenes/coco/annotations"
for part in train val; do
  ln -s "$work/s/images/$part" "$work/scenes/coco/${part}2017"
  ln -s "$work/s/annotations/instances_$part.json" "$work/scenes/coco/annotations/instances_${part}2017.json"
done
small="MODEL.RESNETS.DEPTH 50 MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.STEM_OUT_CHANNELS 8
  MODEL.RESNETS.WIDTH_PER_GROUP 8 MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_MASK_HEAD.CONV_DIM 16
  INPUT.MIN_SIZE_TRAIN (64,) INPUT.MAX_SIZE_TRAIN 128 MODEL.ROI_HEADS.NUM_CLASSES 5"
node() { # NAMESPACE RANK
  ip netns exec "$1" bash "$source/test/train_performance_multinodes.sh" --data_path="$work/scenes" --weights=none --device=cpu \
    --nnodes=2 --node_rank="$2" --master_addr=10.77.0.1 --num_procs=1 --batch_size=2 --train_steps=2 \
    --override="$small" --output="$work/node$2" >"$work/node$2.out" 2>&1
}
node "$b" 1 &
node "$a" 0 || fail "node 0: $(tail -n 3 "$work/node0.out")"
wait $! || fail "node 1: $(tail -n 3 "$work/node1.out")"
grep -qx "RankSize = 2" "$work"/node0/0/*_2p_perf.log || fail "the log must count both machines' processes"

cut_off() { # NAMESPACE RANK
  # shellcheck disable=SC2016
  ip netns exec "$1" bash -c 'source "$source/tests/support/tiny_training.sh"; train "$work/cut$1" --num-machines 2 \
    --machine-rank "$1" --master-addr 10.77.0.1 -- SOLVER.MAX_ITER 5000 DATASETS.TEST "()" SOLVER.CHECKPOINT_PERIOD 5' cut "$2"
}
export bin source work
cut_off "$b" 1 &
other=$!
cut_off "$a" 0 &
main=$!
await test -f "$work/cut0/last_checkpoint" || fail "no training: $(tail -n 3 "$work/cut0.log")"
ip -n "$a" link set cable down
wait $main && fail "rank 0 must fail when the cable is cut"
wait $other && fail "rank 1 must fail when the cable is cut"
grep -q "Lost: rank 1, last seen in: " "$work/cut0.log" || fail "rank 0 must name rank 1: $(tail -n 4 "$work/cut0.log")"
grep -qE "Lost: rank 0, which holds the store|this process is cut off" "$work/cut1.log" ||
  fail "rank 1 must name rank 0: $(tail -n 4 "$work/cut1.log")"
[ "$failures" -eq 0 ]
