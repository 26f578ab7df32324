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
train() { # FOLDER [KEY VALUE ...]
  local folder="$1"
  shift
  "$bin/fastermask-train" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" --resume \
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

started="$(date +%s%N)"
train "$work/alone" >"$work/alone.log" 2>&1 || { tail -n 20 "$work/alone.log"; fail "the training left alone"; }
alone_ms=$((($(date +%s%N) - started) / 1000000))

# Moments from before the first step to a few steps later: on the average a twenty-fifth of the training is done.
kills=0
for _ in $(seq 20); do
  train "$work/killed" >"$work/killed.log" 2>&1 &
  pid=$!
  delay=$((alone_ms / 25 + RANDOM % (alone_ms / 12 + 1)))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  if kill -KILL "$pid" 2>/dev/null; then kills=$((kills + 1)); fi
  wait "$pid" 2>/dev/null
done
[ "$kills" -ge 10 ] || fail "only $kills of 20 kills came before the end of the training"
train "$work/killed" >"$work/killed.log" 2>&1 || { tail -n 20 "$work/killed.log"; fail "the last resume"; }
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

echo "$kills kills in a training of $alone_ms ms"
[ "$failures" -eq 0 ]
