#!/bin/bash
# fastermask cocoeval: what it prints, and what it says about files that are wrong.
# Usage: cocoeval.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0
fm="$bin/fastermask"

complain() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# expect STATUS PATTERN COMMAND...: the command ends with STATUS and its output (both streams) holds PATTERN.
expect() {
  local status="$1" pattern="$2" output got
  shift 2
  output="$("$@" 2>&1)"
  got=$?
  if [ "$got" -ne "$status" ] || ! grep -qF -- "$pattern" <<<"$output"; then
    complain "$*"
    echo "  expected status $status and '$pattern'; got status $got and:"
    sed 's/^/  | /' <<<"$output"
  fi
}

cat >gt.json <<'END'
{"images": [{"id": 7, "height": 10, "width": 20}, {"id": 9, "height": 10, "width": 20}],
 "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
 "annotations": [
  {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 1, 6, 6], "area": 36, "iscrowd": 0,
   "segmentation": [[1, 1, 7, 1, 7, 7, 1, 7]]},
  {"id": 2, "image_id": 9, "category_id": 5, "bbox": [8, 2, 4, 4], "area": 16, "iscrowd": 0,
   "segmentation": {"size": [10, 20], "counts": [82, 4, 6, 4, 6, 4, 6, 4, 84]}}]}
END
# The cat is found; the dog is found second, after a false alarm.
cat >boxes.json <<'END'
[{"image_id": 7, "category_id": 3, "bbox": [1, 1, 6, 6], "score": 0.9},
 {"image_id": 7, "category_id": 5, "bbox": [1, 1, 6, 6], "score": 0.8},
 {"image_id": 9, "category_id": 5, "bbox": [8, 2, 4, 4], "score": 0.7}]
END
cat >masks.json <<'END'
[{"image_id": 9, "category_id": 5, "score": 1,
  "segmentation": {"size": [10, 20], "counts": [82, 4, 6, 4, 6, 4, 6, 4, 84]}}]
END
# One of the two proposed; and the cat called a dog.
sed 's/"score": 1,/"score": 1, "bbox": [8, 2, 4, 4],/' masks.json >masks_and_boxes.json
sed '/0.9}/s/"category_id": 3/"category_id": 5/; /0.8}/d' boxes.json >swapped.json

expect 0 " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 0.750" "$fm" cocoeval --gt gt.json --dt boxes.json
expect 0 " Average Recall     (AR) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = -1.000" "$fm" cocoeval --gt gt.json --dt boxes.json
expect 0 "| cat        | 100.000 | dog        | 50.000 |" "$fm" cocoeval --gt gt.json --dt boxes.json --per-class
expect 0 "maxDets=300 ] = 0.750" "$fm" cocoeval --gt gt.json --dt boxes.json --max-dets 1,10,300
expect 0 "maxDets=100 ] = 0.500" "$fm" cocoeval --gt gt.json --dt masks.json
[ "$("$fm" cocoeval --gt gt.json --dt boxes.json 2>/dev/null | wc -l)" -eq 12 ] || complain "stdout must hold the 12 lines alone"
"$fm" cocoeval --gt gt.json --dt boxes.json --json 2>/dev/null >boxes.out || complain "--json must succeed"
[ "$(head -c 1 boxes.out)" = "{" ] || complain "--json must print one JSON document alone"
grep -qF '"stats": [' boxes.out && grep -qF '"dog": {' boxes.out || complain "--json must hold stats and per_class"

# Free parameters: other thresholds, sizes, images.
expect 0 "area=   all | maxDets=100 ] = 0.750" "$fm" cocoeval --gt gt.json --dt boxes.json --iou-thresholds 0.3,0.6
expect 0 "area= small | maxDets=100 ] = 1.000" "$fm" cocoeval --gt gt.json --dt boxes.json --area-ranges all:0:1e10,small:20:50
expect 0 "maxDets=100 ] = 1.000" "$fm" cocoeval --gt gt.json --dt boxes.json --image-ids 9
expect 2 "--area-ranges must be label:low:high" "$fm" cocoeval --gt gt.json --dt boxes.json --area-ranges small:9
expect 1 "IoU thresholds must be in [0, 1], got 50" "$fm" cocoeval --gt gt.json --dt boxes.json --iou-thresholds 50
expect 1 "recall thresholds must rise from 0 to 1" "$fm" cocoeval --gt gt.json --dt boxes.json --recall-points 0.5,0.1

# Other metrics.
expect 0 "| 75.000 | 75.000 | 75.000 |" "$fm" cocoeval --gt gt.json --dt boxes.json --metric voc12 --per-class
expect 0 '"AP50": 0.7' "$fm" cocoeval --gt gt.json --dt boxes.json --metric voc07 --json
expect 0 '"AR@100": 1.0' "$fm" cocoeval --gt gt.json --dt boxes.json --metric proposals --json
expect 0 '"ARs@5": 1.0' "$fm" cocoeval --gt gt.json --dt masks_and_boxes.json --metric proposals --max-dets 5 --json
expect 2 "--metric voc07 evaluates boxes" "$fm" cocoeval --gt gt.json --dt masks.json --metric voc07 --task segm
expect 1 "no image has neg_category_ids" "$fm" cocoeval --gt gt.json --dt boxes.json --metric lvis
sed 's/"width": 20}/"width": 20, "neg_category_ids": [], "not_exhaustive_category_ids": []}/g; s/"name": "dog"/"name": "dog", "frequency": "r"/' gt.json >lvis.json
expect 0 "area=   all | maxDets=300 catIds=  r] = 1.000" "$fm" cocoeval --gt lvis.json --dt boxes.json --metric lvis
expect 0 '"APr": 0.99999' "$fm" cocoeval --gt lvis.json --dt boxes.json --metric lvis --json
expect 0 "maxDets=100 ] = 0.500" "$fm" cocoeval --gt gt.json --dt masks.json --boundary
expect 2 "--boundary compares masks" "$fm" cocoeval --gt gt.json --dt boxes.json --boundary
expect 0 " classification        1   +0.250" "$fm" cocoeval --gt gt.json --dt boxes.json --errors
expect 0 " cat taken for dog: 1" "$fm" cocoeval --gt gt.json --dt swapped.json --errors
expect 0 '"AP_gain": 0.25' "$fm" cocoeval --gt gt.json --dt boxes.json --errors --json

# The page.
expect 0 "maxDets=100 ] = 0.750" "$fm" cocoeval --gt gt.json --dt boxes.json --report page.html
grep -qF '<h2>Errors</h2>' page.html && grep -qF '<polyline' page.html || complain "--report must hold errors and curves"
expect 2 "--images are for the page" "$fm" cocoeval --gt gt.json --dt boxes.json --images .
expect 2 "--report goes with" "$fm" cocoeval --gt gt.json --dt boxes.json --metric voc07 --report page.html

gzip -k boxes.json gt.json
expect 0 "= 0.750" "$fm" cocoeval --gt gt.json.gz --dt boxes.json.gz
head -c 60 boxes.json.gz >half.json.gz
expect 1 "fastermask: cocoeval: half.json.gz: the gzip data is damaged or cut off" "$fm" cocoeval --gt gt.json --dt half.json.gz --task bbox

# with_record RECORD: boxes.json with one more record, number 3.
with_record() {
  sed "s/0.7}]/0.7}, $1]/" boxes.json >wrong.json
}
with_record '{"image_id": 8, "category_id": 5, "bbox": [8, 2, 4, 4], "score": 0.7}'
expect 1 "fastermask: cocoeval: wrong.json: record 3: image_id 8 is not among the 2 images of gt.json" "$fm" cocoeval --gt gt.json --dt wrong.json
with_record '{"image_id": 9, "category_id": 91, "bbox": [8, 2, 4, 4], "score": 0.7}'
expect 1 "record 3: category_id 91 is not among the 2 categories of gt.json" "$fm" cocoeval --gt gt.json --dt wrong.json
with_record '{"image_id": 9, "category_id": 5, "bbox": [8, 2, 4, 4], "score": NaN}'
expect 1 "record 3: score must be a finite number, got NaN" "$fm" cocoeval --gt gt.json --dt wrong.json
head -c 150 boxes.json >wrong.json
expect 1 "record 2: broken JSON at byte" "$fm" cocoeval --gt gt.json --dt wrong.json
sed 's/\[10, 20\]/[20, 10]/' masks.json >wrong.json
expect 1 "record 0: segmentation size is 20 x 10, image 9 is 10 x 20" "$fm" cocoeval --gt gt.json --dt wrong.json

expect 1 "ground truth: none.json: cannot open: No such file or directory" "$fm" cocoeval --gt none.json --dt boxes.json
expect 2 "did you mean 'segm'?" "$fm" cocoeval --gt gt.json --dt boxes.json --task seg
expect 2 "--max-dets must be three rising numbers" "$fm" cocoeval --gt gt.json --dt boxes.json --max-dets 10
expect 2 "--gt is required" "$fm" cocoeval --dt boxes.json
expect 0 "fastermask cocoeval --gt" "$fm" cocoeval --help

[ "$failures" -eq 0 ] && echo "cocoeval: all as expected"
exit "$((failures > 0))"
