#!/bin/bash
# Data that is not plain COCO JSON: a Pascal VOC folder and masks in PNG files are checked, converted, trained and
# evaluated on, with class names from the config.
# Usage: data_sources.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export FASTERMASK_CACHE="$work/cache"
failures=0
fm="$bin/fastermask"

# expect STATUS PATTERN COMMAND...: the command ends with STATUS and its output (both streams) holds PATTERN.
expect() {
  local status="$1" pattern="$2" output got
  shift 2
  output="$("$@" 2>&1)"
  got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$pattern" <<<"$output"; then
    echo "FAILED: $*"
    echo "  expected status $status and '$pattern'; got status $got and:"
    tail -n 15 <<<"$output" | sed 's/^/  | /'
    failures=$((failures + 1))
  fi
}

"$fm" data synth --output "$work/s" --train 4 --val 1 --size 96x80 --seed 3 >/dev/null 2>&1
voc="$work/mine"
mkdir -p "$voc/Annotations" "$voc/ImageSets/Main"
cp -r "$work/s/images/train" "$voc/JPEGImages"
for picture in "$voc"/JPEGImages/*.jpg; do
  id="$(basename "$picture" .jpg)"
  echo "$id" >>"$voc/ImageSets/Main/train.txt"
  echo "<annotation><filename>$id.jpg</filename><size><width>96</width><height>80</height><depth>3</depth></size>
    <object><name>thing</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>50</xmax><ymax>60</ymax>
    </bndbox></object><object><name>part</name><difficult>1</difficult><bndbox><xmin>40</xmin><ymin>30</ymin>
    <xmax>96</xmax><ymax>80</ymax></bndbox></object></annotation>" >"$voc/Annotations/$id.xml"
done

expect 0 "4 images, 8 annotations, 0 problems" "$fm" data check "$voc@train"
expect 0 "$work/voc.json:$voc/JPEGImages (4 pictures)" "$fm" data convert "$voc@train" "$work/voc.json"
expect 0 "8 of 2 classes" "$fm" data stats "$work/voc.json:$voc/JPEGImages"
expect 1 "no such split; did you mean 'train'?" "$fm" data stats "$voc@trian"

train=("$fm" train --config-file "$source/configs/tiny/synth_mask_rcnn_R_18_FPN.yaml" INPUT.MIN_SIZE_TRAIN "(64,)"
  INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 2 MODEL.FPN.OUT_CHANNELS 32 MODEL.ROI_MASK_HEAD.CONV_DIM 32
  MODEL.ROI_BOX_HEAD.FC_DIM 32 SEED 7 SOLVER.MAX_ITER 2)
expect 0 "Evaluation results for bbox" "${train[@]}" DATASETS.TRAIN "('$voc@train',)" DATASETS.TEST "('$voc@train',)" \
  MODEL.MASK_ON False MODEL.ROI_HEADS.NUM_CLASSES 2 MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0 \
  DATASETS.CLASS_NAMES "('thing', 'part')" OUTPUT_DIR "$work/voc_out"
grep -q '"bbox/AP50"' "$work/voc_out/metrics.json" || { echo "FAILED: no AP50"; failures=$((failures + 1)); }
grep -q '"bbox/APs"' "$work/voc_out/metrics.json" && { echo "FAILED: COCO's metrics"; failures=$((failures + 1)); }
grep -q '"thing"' "$work/voc_out/classes.json" || { echo "FAILED: no class names"; failures=$((failures + 1)); }
expect 2 "DATASETS.CLASS_NAMES must have 2 names, as MODEL.ROI_HEADS.NUM_CLASSES says, got 1" "${train[@]}" \
  DATASETS.TRAIN "('$voc@train',)" MODEL.ROI_HEADS.NUM_CLASSES 2 DATASETS.CLASS_NAMES "('thing',)" OUTPUT_DIR "$work/x"

# Masks in PNG files: any picture of the right size is one; the scenes are nowhere black.
"$fm" data synth --output "$work/p" --train 2 --val 1 --size 96x80 --seed 3 --format png >/dev/null 2>&1
masks="$work/masks.json"
{
  echo '{"categories":[{"id":1,"name":"a"}],"images":['
  echo '{"id":1,"file_name":"000001.png","width":96,"height":80},{"id":2,"file_name":"000002.png","width":96,"height":80}'
  echo '],"annotations":['
  echo '{"id":1,"image_id":1,"category_id":1,"bbox":[0,0,96,80],"segmentation":"000002.png"},'
  echo '{"id":2,"image_id":2,"category_id":1,"bbox":[0,0,96,80],"segmentation":{"png":"000001.png"}}]}'
} >"$masks"
expect 0 "2 images, 2 annotations, 0 problems" "$fm" data check "$masks:$work/p/images/train"
expect 0 "Evaluation results for segm" "${train[@]}" DATASETS.TRAIN "('$masks:$work/p/images/train',)" \
  DATASETS.TEST "('$masks:$work/p/images/train',)" MODEL.ROI_HEADS.NUM_CLASSES 1 MODEL.ROI_HEADS.SCORE_THRESH_TEST 0.0 \
  OUTPUT_DIR "$work/mask_out"
sed -i 's/"000001.png"}/"none.png"}/' "$masks"
expect 1 "1 bad_mask_file (error)" "$fm" data check "$masks:$work/p/images/train"
expect 1 "annotation 2 (image 2): mask: $work/p/images/train/none.png: no such file" "$fm" data convert \
  "$masks:$work/p/images/train" "$work/x.json"

[ "$failures" -eq 0 ] && echo "data sources: all as expected"
exit "$((failures > 0))"
