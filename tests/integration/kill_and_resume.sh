#!/bin/bash
# A training that is killed (SIGKILL) twenty times at random moments, saving after every step so that many of them fall
# into a checkpoint being written, and goes on with --resume each time: its losses and its weights must equal those of
# the same training left alone, bit for bit. And a disk that is full.
# Usage: kill_and_resume.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
mounted=""
trap '[ -n "$mounted" ] && umount "$mounted" 2>/dev/null; rm -rf "$work"' EXIT
failures=0
RANDOM=20 # the moments are random, but the same in every run of the test

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

fm="$bin/fastermask"
"$fm" data synth --output "$work/s" --train 8 --val 1 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
train() { # FOLDER [KEY VALUE ...]; started with & only in a subshell that `exec`s, or the kill would hit the subshell
  local folder="$1"
  shift
  ${instead_of_the_shell:-} "$bin/fastermask-train" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" --resume \
    MODEL.RESNETS.DEPTH 50 MODEL.RESNETS.NORM BN MODEL.RESNETS.RES2_OUT_CHANNELS 32 MODEL.RESNETS.STEM_OUT_CHANNELS 8 \
    MODEL.RESNETS.WIDTH_PER_GROUP 8 MODEL.FPN.NORM "" MODEL.FPN.OUT_CHANNELS 16 MODEL.ROI_BOX_HEAD.FC_DIM 32 \
    MODEL.ROI_MASK_HEAD.NORM "" MODEL.ROI_MASK_HEAD.CONV_DIM 16 INPUT.MIN_SIZE_TRAIN "(64,)" SOLVER.IMS_PER_BATCH 2 SEED 7 MODEL.ROI_HEADS.NUM_CLASSES 5 \
    SOLVER.MAX_ITER 60 SOLVER.CHECKPOINT_PERIOD 1 SOLVER.CHECKPOINT_KEEP 2 \
    DATASETS.TRAIN "('$work/s/annotations/instances_train.json:$work/s/images/train',)" DATASETS.TEST "()" \
    OUTPUT_DIR "$folder" "$@"
}
checksums() { "$fm" info weights "$1" --checksum | grep -v "$work"; }

# "iteration total_loss", of each iteration the newest line.
losses() {
  awk -F'[,:{}]' '{
    iteration = ""; loss = ""
    for (i = 1; i < NF; ++i) {
      if ($i ~ /"iteration"/) iteration = $(i + 1)
      if ($i ~ /"total_loss"/) loss = $(i + 1)
    }
    if (loss != "") newest[iteration] = loss
  } END { for (i in newest) print i, newest[i] }' "$1/metrics.json" | sort -n
}

# Starts `train "$@"` in the background as $pid and waits until its first step is about to begin.
start_training() { # LOG FOLDER
  rm -f "$1"
  (instead_of_the_shell=exec; train "$2" >"$1" 2>&1) &
  pid=$!
}
await_first_step() { # LOG
  until grep -q "Starting training from iteration" "$1" 2>/dev/null; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.01
  done
}

start_training "$work/alone.log" "$work/alone"
await_first_step "$work/alone.log"
started="$(date +%s%N)"
wait "$pid" || { tail -n 20 "$work/alone.log"; fail "the training left alone"; }
alone_ms=$((($(date +%s%N) - started) / 1000000))

# Every fifth kill comes while the training starts up, the others up to a few steps after that: in all about two fifths of
# the training, so that it does not end early where the machine was slower while it was left alone.
kills=0
for i in $(seq 20); do
  start_training "$work/killed.log" "$work/killed"
  [ $((i % 5)) -eq 0 ] || await_first_step "$work/killed.log"
  delay=$((RANDOM % (alone_ms / 20 + 1)))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill -KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  [ $? -eq 137 ] && kills=$((kills + 1))
done
[ "$kills" -ge 15 ] || fail "only $kills of 20 kills came before the end of the training"
train "$work/killed" >"$work/killed.log" 2>&1 || { tail -n 20 "$work/killed.log"; fail "the last resume"; }
reached="$(sed -n 's/.*Starting training from iteration \([0-9]*\).*/\1/p' "$work/killed.log" | head -n 1)"
[ "${reached:-0}" -ge 5 ] || fail "the kills came too early or too late: the last start was at iteration ${reached:-none}"
pgrep -f "$work/killed" >/dev/null && fail "a killed training is still there"
[ "$(checksums "$work/alone/model_final.pth")" = "$(checksums "$work/killed/model_final.pth")" ] ||
  fail "after 20 kills the weights must equal those of the training left alone"
[ -n "$(losses "$work/alone")" ] || fail "metrics.json must hold losses"
diff <(losses "$work/alone") <(losses "$work/killed") || fail "after 20 kills the losses must equal those of the training left alone"
if compgen -G "$work/killed/*.tmp-*" >/dev/null; then fail "half-written files must be removed: $(ls "$work/killed")"; fi

# A disk without room: refused at the start. One that fills up later: the training goes on, and what was saved stays.
mkdir "$work/disk"
if mount -t tmpfs -o size=60m tmpfs "$work/disk" 2>/dev/null; then
  mounted="$work/disk"
  head -c 55m /dev/zero >"$work/disk/filler"
  output="$(train "$work/disk/run" 2>&1)" && fail "a full disk must be an error"
  grep -qE "a checkpoint needs .* but the disk has only .* left|No space left" <<<"$output" || fail "a full disk must be named: $(tail -n 3 <<<"$output")"
  rm -rf "$work/disk/filler" "$work/disk/run"
else
  echo "skipped: the full disk (no right to mount a small one)"
fi

echo "$kills kills within $reached iterations of a training of $alone_ms ms"
[ "$failures" -eq 0 ]
