#!/bin/bash
# A folder of planted faults, one of each kind that breaks trainings: `data check` names every one, `--fix` repairs them and
# says what is lost, and training over the folder ends normally, telling what it leaves out.
# Usage: planted_faults.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export FASTERMASK_CACHE="$work/cache"
failures=0
fm="$bin/fastermask"

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# run STATUS COMMAND...: the command ends with STATUS; its output is in $output.
output=""
run() {
  local status="$1" got
  shift
  output="$("$@" 2>&1)"
  got=$?
  [ "$got" -eq "$status" ] && return
  fail "$* (status $got, not $status)"
  tail -n 12 <<<"$output" | sed 's/^/  | /'
}

# holds TEXT...: $output holds each of them.
holds() {
  local text
  for text in "$@"; do
    grep -qF -- "$text" <<<"$output" || fail "the output lacks: $text"
  done
}

# 80 good pictures of 96x80 pixels, and 10 of another set.
"$fm" data synth --output "$work/s" --train 80 --val 10 --size 96x80 --seed 3 >/dev/null 2>&1 || fail "data synth"
images="$work/images"
mkdir "$images"
cp "$work"/s/images/train/*.jpg "$images/"
good=("$images"/*.jpg)
size="$(stat -c %s "${good[0]}")"

# The bad ones: not a picture, half a picture, no picture, another size than the JSON says, turned by EXIF, in two sets.
echo "no picture at all" >"$images/unreadable.jpg"
head -c $((size / 2)) "${good[0]}" >"$images/truncated.jpg"
cp "${good[1]}" "$images/wrong_size.jpg"
{
  head -c 2 "${good[2]}"
  printf '\xFF\xE1\x00\x22Exif\x00\x00MM\x00\x2A\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06'
  printf '\x00\x00\x00\x00\x00\x00'
  tail -c +3 "${good[2]}"
} >"$images/turned.jpg"
cp "$work"/s/images/val/000001.jpg "$images/also_in_val.jpg"
rm "${good[1]}" "${good[2]}"  # no picture twice in one set
good=("$images"/0*.jpg)

image() { printf '{"id":%d,"file_name":"%s","width":%d,"height":%d}' "$1" "$2" "$3" "$4"; }
note() { printf '{"id":%d,"image_id":%d,"category_id":%d,"bbox":[%s],"area":100,"iscrowd":0,"segmentation":%s}' "$@"; }
{
  echo '{"info":{"about":"planted faults"},"categories":[{"id":1,"name":"a"},{"id":2,"name":"b"}],"images":['
  for i in "${!good[@]}"; do
    echo "$(image $((i + 1)) "$(basename "${good[i]}")" 96 80),"
  done
  echo "$(image 901 unreadable.jpg 96 80),"
  echo "$(image 902 truncated.jpg 96 80),"
  echo "$(image 903 missing.jpg 96 80),"
  echo "$(image 904 wrong_size.jpg 96 70),"
  echo "$(image 905 turned.jpg 96 80),"
  echo "$(image 906 also_in_val.jpg 96 80),"
  image 7 also_in_val.jpg 96 80  # an id used twice
  echo '],"annotations":['
  for i in "${!good[@]}"; do
    for k in 1 2; do
      echo "$(note $((2 * i + k)) $((i + 1)) "$k" "$((10 * k)),10,40,50" '[[10,10,50,10,50,60,20,60]]'),"
    done
  done
  for id in 901 902 903 904 905 906; do echo "$(note $id $id 1 "10,20,30,5" '[[10,20,40,20,40,25]]'),"; done
  echo "$(note 911 1 1 "80,10,40,20" null),"                          # over the edge
  echo "$(note 912 1 1 "10,10,0,20" null),"                           # empty
  echo "$(note 913 1 1 "10,10,10,10" '[[10,10,20,20]]'),"             # two points
  echo "$(note 914 1 1 "10,10,20,20" '[[10,10,30,30,30,10,10,30]]'),"  # crosses itself
  echo "$(note 915 1 1 "0,0,9,9" '{"size":[80,90],"counts":[7200]}'),"  # not the picture's size
  echo "$(note 916 1 7 "10,10,20,20" null),"                          # no such category
  note 1 2 1 "10,10,20,20" '[[10,10,30,10,30,30]]'                   # an id used twice
  echo ']}'
} >"$work/faults.json"
set="$work/faults.json:$images"
val="$work/s/annotations/instances_val.json:$work/s/images/val"

# 1. Every fault is reported with its file, image and annotation.
run 1 "$fm" data check "$val" "$set" --all
holds "85 images, 169 annotations, 14 problems" "1 duplicate_image_id (error)" "1 duplicate_annotation_id (error)" \
  "1 missing_image (error)" "2 unreadable_image (error)" "1 size_mismatch (error)" "1 exif_rotated (error)" \
  "1 image_in_two_sets (warning)" "1 unknown_category (error)" "1 empty_box (error)" "1 box_outside (warning)" \
  "1 short_polygon (error)" "1 crossing_polygon (warning)" "1 bad_rle (error)" \
  "unreadable.jpg, image 901: image: $images/unreadable.jpg: not a JPEG, PNG or WebP file" \
  "truncated.jpg, image 902: image: $images/truncated.jpg: truncated JPEG" "missing.jpg, image 903: no such file" \
  "image 904: the JSON says 96x70 (width x height), the picture is 96x80" \
  "image 905: the JSON says 96x80 (width x height), the picture is 80x96 once turned by its EXIF orientation 6" \
  "image 906: the same picture as image 1 ($work/s/images/val/000001.jpg) of $val" \
  "image 7: the id is used before" "image 1, annotation 911: bbox (80, 10, 40, 20) reaches over the edge" \
  "image 1, annotation 912: bbox (10, 10, 0, 20) is empty" "annotation 913: 1 of its polygons have fewer than 6" \
  "annotation 914: 1 of its polygons cross themselves" \
  "annotation 915: the RLE is 90x80 (width x height), the picture 96x80" \
  "annotation 916: category_id 7 is not among" "image 2, annotation 1: the id is used twice"
output="$("$fm" data check "$val" "$set" --json 2>/dev/null)"
holds '"bad_rle": 1' '"unreadable_image": 2' '"annotation_id": 915'

# 2. The repair says what is lost, and what it writes checks clean.
run 0 "$fm" data check "$val" "$set" --fix "$work/val_fixed.json" --fix "$work/fixed.json"
holds "images: 80 kept (2 of them changed), 5 removed" \
  "annotations: 161 kept (4 of them changed), 8 removed (4 of them with their image)"
run 0 "$fm" data check "$work/val_fixed.json:$work/s/images/val" "$work/fixed.json:$images"
holds "80 images, 161 annotations, 0 problems"
grep -qF '"info": {"about":"planted faults"}' "$work/fixed.json" || fail "the repaired file must keep other sections"
run 2 "$fm" data check "$val" "$set" --fix "$work/one.json"
holds "--fix is given once for each data set"
output="$("$fm" data check "$set" --fix "$work/alone.json" --json 2>/dev/null)"
holds '"annotations_removed": 7' '"annotations_removed_with_their_image": [' '"images_removed": 4'

# 3. Training over the folder as it is ends normally and tells what it leaves out.
train=("$fm" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" INPUT.MIN_SIZE_TRAIN "(64,)"
  INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 4 MODEL.FPN.OUT_CHANNELS 32 MODEL.ROI_MASK_HEAD.CONV_DIM 32
  MODEL.ROI_BOX_HEAD.FC_DIM 32 SEED 7 MODEL.ROI_HEADS.NUM_CLASSES 2 DATASETS.TRAIN "('$set',)" DATASETS.TEST "()"
  SOLVER.MAX_ITER 22 SOLVER.CHECKPOINT_PERIOD 1000)
run 0 "${train[@]}" OUTPUT_DIR "$work/out"
holds "Overall training speed: 22 iterations" "left out 1 of 85 images and 4 of 169 annotations" \
  "image 1, annotation 916: unknown_category" "annotation 915: bad_rle" "annotation 1: duplicate_annotation_id" \
  "image 7, annotation -1: duplicate_image_id" "Image 901 is left out and replaced by others (bad image" \
  "Image 902 is left out and replaced by others" "Image 903 is left out and replaced by others" \
  "Image 904 is left out and replaced by others" "Image 905 is left out and replaced by others (bad image" \
  "no such file" "truncated JPEG" "not a JPEG, PNG or WebP file" "expect 96x70 from the annotations" \
  "turned by its EXIF orientation"
[ "$(grep -c 'is left out and replaced' "$work/out/log.txt")" -eq 5 ] || fail "log.txt must tell of five images, once each"
[ -s "$work/out/model_final.pth" ] || fail "training must write its weights"

# 4. The share that may be bad is a key.
run 1 "${train[@]}" OUTPUT_DIR "$work/out" DATALOADER.MAX_BAD_SHARE 0.05
holds "images of $set cannot be used, more than the allowed share of 0.05"
run 1 "${train[@]}" OUTPUT_DIR "$work/out" DATALOADER.MAX_BAD_SHARE 0
holds "coco: $work/faults.json: image 7: the id is used twice"

[ "$failures" -eq 0 ] && echo "planted faults: all found, repaired and survived"
exit "$((failures > 0))"
