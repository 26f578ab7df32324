#!/bin/bash
# As someone does who embeds FasterMask: install it, build the example programs out of tree with find_package, and run
# them on a model package. Usage: embed.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -eu
bin="$1"
source="$2"
build="$(dirname "$bin")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
fm="$bin/fastermask"

fail() {
  echo "FAILED: $*"
  exit 1
}

[ -e "$build/lib/libfastermask.so" ] || cmake --build "$build" --target fastermask_shared >/dev/null
cmake --install "$build" --prefix "$work/installed" >"$work/install.log" 2>&1 || { cat "$work/install.log"; fail install; }
cmake -G Ninja -S "$source/examples/predict_picture" -B "$work/example" -DCMAKE_PREFIX_PATH="$work/installed" \
  -DCMAKE_BUILD_TYPE=Release >"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; fail "find_package(FasterMask)"; }
cmake --build "$work/example" >"$work/build.log" 2>&1 || { cat "$work/build.log"; fail "the example does not build"; }

# Only the interface is visible: a host program's own libraries must not meet ours.
foreign="$(nm -D --defined-only "$build/lib/libfastermask.so" | grep -E ' [TBDR] ' | awk '{print $3}' |
  grep -vE '^fm_|Predictor|PredictionStream|RunLengthMask' || true)"
[ -z "$foreign" ] || { echo "$foreign" | head; fail "libfastermask.so shows symbols that are not its interface"; }
readelf -d "$build/lib/libfastermask.so" | grep -q NODELETE ||
  fail "libfastermask.so must stay when a program closes it: its threads wait for work"

"$fm" data synth --output "$work/s" --train 4 --val 2 --size 96x80 --seed 3 >/dev/null 2>&1
train="$work/s/annotations/instances_train.json:$work/s/images/train"
"$fm" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" INPUT.MIN_SIZE_TRAIN "(64,)" \
  INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 2 MODEL.FPN.OUT_CHANNELS 32 MODEL.ROI_MASK_HEAD.CONV_DIM 32 \
  MODEL.ROI_BOX_HEAD.FC_DIM 32 MODEL.ROI_HEADS.NUM_CLASSES 5 DATASETS.TRAIN "('$train',)" DATASETS.TEST "('$train',)" \
  SOLVER.MAX_ITER 2 OUTPUT_DIR "$work/run" >"$work/train.log" 2>&1 || { tail "$work/train.log"; fail train; }
"$fm" compile --config-file "$work/run/config.yaml" --weights "$work/run/model_final.pth" -o "$work/model.fmm" 2>/dev/null
pictures=("$work"/s/images/val/*)
"$work/example/predict_picture" "$work/model.fmm" 0.06 "${pictures[@]}" >"$work/cpp.txt" || fail "the C++ example"
"$work/example/predict_picture_c" "$work/model.fmm" 0.06 "${pictures[@]}" >"$work/c.txt" || fail "the C example"
[ -s "$work/cpp.txt" ] || fail "nothing was found"
cmp "$work/cpp.txt" "$work/c.txt" || fail "C and C++ differ"
"$fm" predict --model "$work/model.fmm" --json --score-threshold 0.06 "${pictures[@]}" >"$work/records.json" 2>/dev/null
found="$(grep -o '"score"' "$work/records.json" | wc -l)"
[ "$found" -eq "$(wc -l <"$work/cpp.txt")" ] || fail "predict finds $found instances, the examples $(wc -l <"$work/cpp.txt")"

# Errors are told, and nothing crashes.
head -c 3000 "$work/model.fmm" >"$work/short.fmm"
for program in predict_picture predict_picture_c; do
  message="$("$work/example/$program" "$work/short.fmm" 0.5 "${pictures[0]}" 2>&1)" && fail "a truncated package must fail"
  grep -q "where .* were written" <<<"$message" || fail "a truncated package is not named: $message"
  message="$("$work/example/$program" "$work/model.fmm" 0.5 "$work/none.jpg" 2>&1)" && fail "a missing picture must fail"
  grep -q "none.jpg" <<<"$message" || fail "a missing picture is not named: $message"
done
echo "embed: passed"
