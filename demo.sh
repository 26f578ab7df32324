#!/bin/bash
# From nothing to a trained Mask R-CNN: installs what is missing, builds, generates scenes of shapes, trains on them for
# about five minutes on two cores, evaluates, draws what the model finds in scenes it has not seen, and says where the
# pictures and the report are. Everything is written to ./demo_output.
#
#   ./demo.sh            run it again and the finished model is used; an interrupted training goes on where it stopped
#   ./demo.sh --fresh    start over
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

out=demo_output
case "${1:-}" in
  "") ;;
  --fresh) rm -rf "$out" ;;
  -h | --help)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
  *)
    echo "demo: unknown argument '$1'; ./demo.sh takes none, or --fresh to start over" >&2
    exit 2
    ;;
esac

step() { printf '\n==> %s\n' "$*"; }

step "Build"
tools/build.sh release fastermask-program fastermask-train
fastermask=build/release/bin/fastermask

step "Data: scenes of shapes with exact outlines, in $out/scenes"
# "unseen" is another seed, hence other scenes; a set always has both parts, of which only val is used here.
if [ ! -f "$out/scenes/annotations/instances_val.json" ]; then
  "$fastermask" data synth --output "$out/scenes" --train 400 --val 40 --seed 1 --classes disc,star,ring
fi
if [ ! -f "$out/unseen/annotations/instances_val.json" ]; then
  "$fastermask" data synth --output "$out/unseen" --train 1 --val 12 --seed 2 --classes disc,star,ring
fi

run="$out/training"
model="$run/model_final.pth"
if [ -f "$model" ]; then
  step "Train: $model is there already and is used; './demo.sh --fresh' starts over"
else
  step "Train a Mask R-CNN with a ResNet-18 and FPN from scratch: about five minutes on two cores"
  "$fastermask" train --config-file configs/tiny/synth_mask_rcnn_R_18_FPN.yaml --resume \
    DATASETS.TRAIN "('$out/scenes/annotations/instances_train.json:$out/scenes/images/train',)" \
    DATASETS.TEST "('$out/scenes/annotations/instances_val.json:$out/scenes/images/val',)" \
    OUTPUT_DIR "$run"
  if [ ! -f "$model" ]; then
    printf '\ndemo: the training was stopped; ./demo.sh goes on from there\n' >&2
    exit 1
  fi
fi

if [ "$out/evaluation.json" -nt "$model" ]; then
  step "Evaluate: this model was evaluated before"
else
  step "Evaluate on the validation scenes"
  "$fastermask" evaluate --config-file "$run/config.yaml" --weights "$model" --output "$out/evaluation" --json \
    >"$out/evaluation.json.part"
  mv "$out/evaluation.json.part" "$out/evaluation.json"
fi

step "Predict on scenes the model has not seen"
"$fastermask" predict --config-file "$run/config.yaml" --weights "$model" --output "$out/predictions" \
  "$out/unseen/images/val"

# A line of figures from the JSON that evaluate printed: {"bbox": {"AP": 53.2, ...}, "segm": {...}}, in percent.
figures() {
  awk -v task="\"$1\":" -v name="$2" '
    $2 == "{" { current = $1 }
    current == task { gsub(/[",:]/, " "); value[$1] = $2 == "null" ? "none" : sprintf("%.1f", $2) }
    END { printf "  %-6s   AP %s   AP50 %s   AP75 %s\n", name, value["AP"], value["AP50"], value["AP75"] }
  ' "$out/evaluation.json"
}

step "Done"
echo "On the validation scenes (average precision in percent):"
figures bbox boxes
figures segm masks
echo
echo "Drawn pictures:  $PWD/$out/predictions/"
if [ -f "$run/report.html" ]; then
  echo "Report:          $PWD/$run/report.html"
fi
echo "Model:           $PWD/$model"
echo
echo "Your own pictures: docs/your_own_data.md"
