#!/bin/bash
# The layers, LibTorch's place, file sizes and plain text, as tools/check_source.sh checks them: the project keeps the
# rules, and a planted violation of each rule is found.
# Usage: source_rules.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
source_folder="$2"
check="$source_folder/tools/check_source.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

if ! "$check" "$source_folder"; then
  echo "FAILED: the lines above break the rules of CONTRIBUTING.md"
  failures=1
fi

# A small tree that keeps all rules.
plant_clean_tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/src/fastermask"/{base,data,training} "$work/tree/tests/unit/training"
  cd "$work/tree" || exit 1
  printf '# who may include whom\nbase:\ndata: base\ntraining: base data\n' >src/fastermask/LAYERS
  printf '#include <vector>\n' >src/fastermask/base/error.h
  printf '#include "fastermask/base/error.h"\n#include "fastermask/data/coco.h"\n' >src/fastermask/data/coco.cpp
  printf '#include <ATen/ATen.h>\n#include "fastermask/data/coco.h"\n' >src/fastermask/training/sgd.cpp
  printf '#include <torch/csrc/autograd/custom_function.h>\n' >tests/unit/training/sgd_test.cpp
}

# found TEXT: the tree as planted breaks one rule, and the check says so with TEXT.
found() {
  local output status
  output="$("$check" "$work/tree" 2>&1)"
  status=$?
  if [ "$status" -ne 1 ] || ! grep -qF -- "$1" <<<"$output"; then
    echo "FAILED: expected status 1 and '$1', got status $status and: $output"
    failures=$((failures + 1))
  fi
  plant_clean_tree
}

plant_clean_tree
if ! "$check" "$work/tree"; then
  echo "FAILED: a tree that keeps the rules was refused"
  failures=$((failures + 1))
fi

printf '#include "fastermask/data/coco.h"\n' >src/fastermask/base/file.cpp
found "src/fastermask/base/file.cpp:1: base/ may not include fastermask/data/coco.h"
printf '#include <vector>\n  #  include "fastermask/training/sgd.h"\n' >src/fastermask/data/loader.h
found "src/fastermask/data/loader.h:2: data/ may not include fastermask/training/sgd.h"
printf '#include "error.h"\n' >src/fastermask/base/file.cpp
found 'write the full path, fastermask/LAYER/FILE, got "error.h"'
mkdir src/fastermask/extra && printf '#include <vector>\n' >src/fastermask/extra/a.h
found "src/fastermask/extra: has no line in src/fastermask/LAYERS"
printf 'base: data\ndata: base\ntraining: base data\n' >src/fastermask/LAYERS
found "src/fastermask/LAYERS:1: base may include data, which has no line above"
printf '#include <ATen/ATen.h>\n' >src/fastermask/data/tensor.h
found "only training/ may include LibTorch"
mkdir apps && printf '#include <c10/util/Exception.h>\n' >apps/main.cpp
found "apps/main.cpp:1:#include <c10/util/Exception.h>  (only training/ may include LibTorch)"
printf '#include <torch/torch.h>\n' >src/fastermask/training/all.h
found "include the parts of LibTorch that are needed"
yes '// a line' | head -n 601 >src/fastermask/base/long.h
found "src/fastermask/base/long.h: 601 lines; 600 are the most a file may have"
printf 'int a;\n\tint b;\n' >src/fastermask/base/tab.h
found "a tab; indent with spaces"
printf 'int a; \n' >src/fastermask/base/blank.h
found "blanks at the end of the line"
printf 'int a;\r\n' >src/fastermask/base/carriage.h
found "a carriage return"
printf 'int a;' >src/fastermask/base/newline.h
found "src/fastermask/base/newline.h: does not end with a newline"
mkdir docs && printf 'see /home%s for more\n' /someone/notes >docs/notes.md
found "an absolute path on one person's machine"
rm src/fastermask/LAYERS
found "src/fastermask/LAYERS: missing"

[ "$failures" -eq 0 ] && echo "source rules: kept, and every planted violation is found"
exit "$((failures > 0))"
