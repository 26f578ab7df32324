# The folder that the commands of the docs are run in: what a reader has before the first command of a page. Source it
# after setting bin, source and work, call make_world_template once, then  make_world PAGE FOLDER.
#
# The reader stands in the source folder, has built, and has by name what the pages speak of: my/ with annotated pictures,
# pictures/, photo.jpg, clip.mp4, COCO's validation set and results on it, a model trained on my/ in output/mine, coco below
# datasets/, downloaded weights. All of it is generated scenes of 128 x 96 and a network that has hardly been trained.
# shellcheck shell=bash disable=SC2154

# Files that are looked at only stand in the reader's folder as links to the source.
world_links=(configs test docs examples bench tools demo.sh eval.sh test.sh README.md)

# scenes FOLDER TRAIN VAL CLASSES: annotations/ and images/ there.
scenes() {
  "$bin/fastermask" data synth --output "$1" --train "$2" --val "$3" --classes "$4" --size 128x96 --seed 5 >/dev/null
}

# own_data SCENES FOLDER: train.json, val.json, and both's pictures in images/.
own_data() {
  local picture
  mkdir -p "$2/images"
  cp "$1/annotations/instances_train.json" "$2/train.json"
  sed "s/\"file_name\": *\"/&val_/g" "$1/annotations/instances_val.json" >"$2/val.json"
  cp "$1"/images/train/* "$2/images"
  for picture in "$1"/images/val/*; do cp "$picture" "$2/images/val_$(basename "$picture")"; done
}

# coco FOLDER SCENES: the scenes under COCO's names, with 80 categories of which few have objects.
coco() {
  local part file names
  mkdir -p "$1/annotations"
  names="$(seq 80 | sed 's/.*/{"id": &, "name": "class &"}/' | paste -sd,)"
  for part in train val; do
    cp -r "$2/images/$part" "$1/${part}2017"
    file="$1/annotations/instances_${part}2017.json"
    sed -E "s/\"categories\": *\[[^]]*\]/\"categories\": [$names]/" "$2/annotations/instances_$part.json" >"$file"
    grep -q '"class 80"' "$file" || { echo "world: cannot replace the categories"; return 1; }
  done
}

# drawn_by_hand FOLDER: labels/ as labelme writes it and via_project.json, of pictures in pictures/.
drawn_by_hand() {
  mkdir "$1/labels"
  cp "$1/photo.jpg" "$1/labels/fig.jpg"
  echo '{"version": "5.4.1", "imagePath": "fig.jpg", "imageData": null, "shapes": [{"label": "fig", "group_id": null,
    "shape_type": "polygon", "points": [[10, 10], [60, 12], [30, 50]]}]}' >"$1/labels/fig.json"
  echo '{"_via_settings": {}, "_via_img_metadata": {"000001.jpg99": {"filename": "000001.jpg", "size": 99,
    "file_attributes": {}, "regions": [{"region_attributes": {"kind": "fig", "ripe": "yes"}, "shape_attributes":
    {"name": "rect", "x": 10, "y": 10, "width": 30, "height": 20}}]}}}' >"$1/via_project.json"
}

make_world_template() {
  local world="$work/template" three="$work/scenes3" two="$work/scenes2" link
  mkdir -p "$world/build/release/bin" "$world/my" "$world/pictures" "$world/output" "$work/tools"
  for link in "${world_links[@]}"; do ln -s "$source/$link" "$world/$link"; done
  ln -s "$source/tests/support/docs/fastermask.sh" "$world/build/release/bin/fastermask"
  ln -s "$source/tests/support/docs/curl.sh" "$work/tools/curl"
  ln -s "$source/tests/support/docs/cmake.sh" "$work/tools/cmake"
  scenes "$three" 8 4 disc,star,ring || return 1
  scenes "$two" 8 4 disc,star || return 1
  own_data "$three" "$world/my"
  own_data "$two" "$work/two_classes"
  coco "$world/datasets/coco" "$three" || return 1
  cp "$three/images/val/000001.jpg" "$world/photo.jpg"
  cp "$three"/images/val/* "$world/pictures"
  drawn_by_hand "$world"
  if [ -x "$bin/make_test_video" ]; then
    "$bin/make_test_video" "$world/clip.mp4" "$three"/images/train/* 2>/dev/null || return 1
  fi
  for link in picture one two; do cp "$world/photo.jpg" "$world/$link.jpg"; done

  (cd "$world" && PATH="$world/build/release/bin:$PATH" DOCS_HIDDEN="$work/hidden" \
    bash "$source/tests/support/docs/trained.sh" "$work/rest") >"$work/template.log" 2>&1 ||
    { tail -n 20 "$work/template.log"; return 1; }
}

# make_world PAGE FOLDER. Pages about my/mask_rcnn.yaml, which your_own_data.md writes, speak of two classes, the others
# of three.
make_world() {
  cp -r "$work/template" "$2"
  if grep -q my/mask_rcnn.yaml "$source/$1"; then
    rm -r "$2/my"
    cp -r "$work/two_classes" "$2/my"
    sed -n '/^# my\/mask_rcnn.yaml/,/^```/p' "$source/docs/your_own_data.md" | sed '/^```/d' >"$2/my/mask_rcnn.yaml"
  fi
}
