#!/bin/bash
# predict on videos: the drawn video, records with frames, files a frame; videos among pictures, damaged ones, Ctrl-C;
# and what is said where the module for videos is missing.
# Usage: videos.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -eu
bin="$1"
source="$2"
if [ ! -x "$bin/make_test_video" ]; then
  echo "videos: skipped, built without FASTERMASK_VIDEO"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

. "$source/tests/support/tiny_model.sh"
make_tiny_model "$bin" "$source" "$work" || fail "no model"
predict() { "$bin/fastermask" predict --model "$work/model.fmm" --score-threshold 0.1 "$@"; }

mkdir "$work/in"
"$bin/make_test_video" "$work/in/clip.mp4" "$work"/s/images/*/* 2>/dev/null || fail "no video"
cp "$(ls "$work"/s/images/val/* | head -1)" "$work/in/picture.jpg"
head -c 2000 "$work/in/clip.mp4" >"$work/in/cut.mov"

# A folder of all kinds: the damaged video is told at the end and the others are done.
status=0
predict --json --output "$work/out" --csv "$work/table.csv" --labelme "$work/labelme" --masks "$work/masks" \
  "$work/in" >"$work/records.json" 2>"$work/log" || status=$?
[ "$status" -eq 1 ] || { cat "$work/log"; fail "a damaged video among good files must give status 1, got $status"; }
tail -1 "$work/log" | grep -q "cut.mov" || { cat "$work/log"; fail "the damaged video is not told at the end"; }
[ -s "$work/out/clip.mp4" ] && [ -s "$work/out/picture.jpg" ] || fail "no drawn video or picture"
[ "$(ls "$work/out" | wc -l)" -eq 2 ] || { ls "$work/out"; fail "other files than the two were left"; }
grep -q "6 frames of " "$work/log" || { cat "$work/log"; fail "the frames are not counted"; }
for frame in 0 1 2 3 4 5; do
  grep -q "\"frame\":$frame,\"score\":[^}]*\"seconds\":$(awk "BEGIN { print $frame / 4 }" | sed 's/^\([0-9]*\)$/\1.0/')" \
    "$work/records.json" || fail "no record of frame $frame with its time"
  grep -q "clip.mp4,.*,$frame\$" "$work/table.csv" || fail "no line of frame $frame in the table"
  [ -s "$work/labelme/clip-00000$frame.jpg" ] || fail "labelme's picture of frame $frame is missing"
  grep -q "\"imagePath\": \"clip-00000$frame.jpg\"" "$work/labelme/clip-00000$frame.json" || fail "labelme's imagePath"
  [ -s "$work/masks/clip-00000$frame.png" ] || fail "no mask of frame $frame"
done
grep -q "picture.jpg,.*,\$" "$work/table.csv" || fail "a picture's line must have no frame"

# The drawn video is a video: it can be predicted again, every second frame, in batches, with the same records of a
# frame as without batches.
predict --json --every 2 "$work/out/clip.mp4" >"$work/single.json" 2>"$work/log" || fail "the output is no video"
grep -q "3 frames of " "$work/log" || fail "--every 2 must take 3 of 6 frames"
predict --json --every 2 --batch 2 "$work/out/clip.mp4" >"$work/batched.json" 2>/dev/null
cmp "$work/single.json" "$work/batched.json" || fail "batches change the result"

# Ctrl-C: the video so far is whole, and the status tells. (A background job of a script ignores SIGINT: hence TERM.)
for _ in $(seq 40); do ls "$work"/s/images/*/*; done >"$work/list"
xargs "$bin/make_test_video" "$work/long.mp4" <"$work/list" 2>/dev/null
"$bin/fastermask" predict --model "$work/model.fmm" --output "$work/stopped" "$work/long.mp4" 2>"$work/log" &
process=$!
until ls "$work/stopped/" 2>/dev/null | grep -q unfinished; do sleep 0.05; done
kill -TERM "$process"
status=0
wait "$process" || status=$?
[ "$status" -eq 130 ] || { cat "$work/log"; fail "an interrupted run must give status 130, got $status"; }
predict --json --every 1000 "$work/stopped/long.mp4" >/dev/null 2>&1 || fail "what was done before Ctrl-C is not whole"
[ "$(ls "$work/stopped")" = long.mp4 ] || fail "an unfinished file was left"

# Without the module: a message that says what to install, and pictures go on.
status=0
FASTERMASK_VIDEO_MODULE="$work/none.so" predict --output "$work/none" "$work/in/clip.mp4" "$work/in/picture.jpg" \
  2>"$work/log" || status=$?
[ "$status" -eq 1 ] && [ -s "$work/none/picture.jpg" ] || fail "the picture was not done without the module"
grep -q "none.so; install the package fastermask-video" "$work/log" || { cat "$work/log"; fail "no hint to install"; }
echo "videos: passed"
