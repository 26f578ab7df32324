#!/bin/bash
# Times a program that starts, loads a model package and predicts one picture, and what of that is not the prediction
# itself: start.sh FASTERMASK PICTURE MODEL.fmm ...  Each package is run with one picture and with six, by turns, $ROUNDS
# times (7); the fastest of each count. A further picture costs a fifth of their difference, which is the inference (with
# decoding and writing JSON); the rest of the first run is starting, loading, memory's first touch, and ending.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,5s/^# //p' "$0"; exit 2; }
bin="$1" picture="$2"
shift 2

seconds_of() {  # of `predict` with so many copies of the picture
  local model="$1" copies="$2" start end pictures=()
  for ((i = 0; i < copies; ++i)); do pictures+=("$picture"); done
  start=$(date +%s%N)
  "$bin" predict --model "$model" --score-threshold 0 --batch 1 --json "${pictures[@]}" >/dev/null 2>&1
  end=$(date +%s%N)
  echo $(((end - start) / 1000))
}

printf '%-24s%12s%12s%12s   (seconds)\n' package 'one picture' 'a further' 'the rest'
for model in "$@"; do
  ones=() sixes=()
  for ((round = 0; round < ${ROUNDS:-7}; ++round)); do
    ones+=("$(seconds_of "$model" 1)")
    sixes+=("$(seconds_of "$model" 6)")
  done
  one=$(printf '%s\n' "${ones[@]}" | sort -n | head -1)
  six=$(printf '%s\n' "${sixes[@]}" | sort -n | head -1)
  awk -v name="$(basename "$model")" -v one="$one" -v six="$six" 'BEGIN {
    further = (six - one) / 5
    printf "%-24s%12.3f%12.3f%12.3f\n", name, one / 1e6, further / 1e6, (one - further) / 1e6
  }'
done
