#!/bin/bash
# Training pictures, JPEG to normalised batches of shorter side 800, beside Pillow + NumPy doing what detectron2's mapper
# does (reference_mapper.py), in turns. Usage: compare.sh PATH_OF_bench_data ANNOTATIONS.json IMAGES [ROUNDS]
# Needs Debian's python3-pil and python3-numpy.
set -eu
bench="$1"
annotations="$2"
images="$3"
rounds="${4:-3}"
here="$(cd "$(dirname "$0")" && pwd)"
export OMP_WAIT_POLICY=PASSIVE
"$bench" stages "$annotations:$images"
for _ in $(seq "$rounds"); do
  echo "Pillow + NumPy: $(/usr/bin/python3 "$here/reference_mapper.py" "$annotations" "$images" 4)"
  for threads in 1 2; do "$bench" pictures "$annotations:$images" "$threads" 300; done
done
