#!/bin/bash
# The Debian packages: what each depends on, and that what they unpack to works from where it lies. (That they install in
# a fresh Debian is checked by tools/check_packages.sh, which takes minutes and the network; it is run from here when
# FASTERMASK_TEST_FRESH_ROOT=1.)
# Usage: packages.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -eu
bin="$(realpath "$1")"
source="$(realpath "$2")"
build="$(dirname "$bin")"
if ! command -v dpkg-shlibdeps >/dev/null || [ ! -e "$build/lib/fastermask/libfastermask_video.so" ] ||
  [ ! -x "$bin/fastermask-train" ]; then
  echo "packages: skipped, needs dpkg-dev and a build with training and videos"
  exit 77
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() {
  echo "FAILED: $*"
  exit 1
}

[ -e "$build/lib/libfastermask.so" ] || cmake --build "$build" --target fastermask_shared >/dev/null
cpack --config "$build/CPackConfig.cmake" -B "$work/packages" -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip \
  >"$work/log" 2>&1 || { tail -20 "$work/log"; fail "cpack"; }
rm -rf "$work/packages/_CPack_Packages"
[ "$(ls "$work/packages" | sed 's/_.*//' | sort | tr '\n' ' ')" = \
  "fastermask fastermask-train fastermask-video libfastermask-dev libfastermask0 " ] ||
  { ls "$work/packages"; fail "other packages than the five"; }

# depends PACKAGE: what it depends on, a name a line. field PACKAGE FIELD: as it stands.
field() { dpkg-deb --field "$work/packages/$1"_*.deb "$2"; }
depends() { field "$1" Depends | tr ',|' '\n\n' | awk '{ print $1 }'; }
for package in fastermask fastermask-video libfastermask0; do
  depends "$package" | grep -q '^libtorch' && fail "$package must not need LibTorch"
done
for package in fastermask fastermask-train libfastermask0; do
  depends "$package" | grep -q '^libopencv' && fail "$package must not need OpenCV"
done
depends fastermask-train | grep -qE '^libtorch[0-9]' || fail "fastermask-train must need LibTorch"
depends fastermask-train | grep -qx libopenblas0-openmp || fail "fastermask-train must need a fast BLAS"
depends fastermask-video | grep -q '^libopencv-videoio' || fail "fastermask-video must need OpenCV"
depends fastermask | grep -qx fonts-dejavu-core || fail "fastermask must need fonts for its labels"
version="$(field fastermask Version)"
for package in fastermask-train fastermask-video; do
  field "$package" Depends | grep -qF "fastermask (= $version)" || fail "$package must need fastermask of its version"
done
field libfastermask-dev Depends | grep -qF "libfastermask0 (= $version)" || fail "libfastermask-dev and its library"
"$bin/fastermask" --version | grep -qF "$version" || fail "the packages are not of the program's version"

# No file is in two packages, each has its licence, and nothing is of the builder's machine.
for package in "$work"/packages/*.deb; do
  dpkg-deb --extract "$package" "$work/root"
  dpkg-deb --contents "$package" | awk '$1 !~ /^d/ { print $6 }' >>"$work/files"
  name="$(basename "${package%%_*}")"
  [ -s "$work/root/usr/share/doc/$name/copyright" ] || fail "$name has no copyright file"
done
[ -z "$(sort "$work/files" | uniq -d)" ] || fail "in two packages: $(sort "$work/files" | uniq -d)"
grep -v '^\./usr/' "$work/files" && fail "files outside of /usr"

# The programs work from where they lie: their configs, the training program and the video module are found.
installed="$work/root/usr/bin"
. "$source/tests/support/tiny_model.sh"
mkdir "$work/elsewhere" && cd "$work/elsewhere"
"$installed/fastermask" info config --config-file COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml >/dev/null ||
  fail "the configs are not found"
make_tiny_model "$installed" "$source" "$work" || fail "training"
"$bin/make_test_video" "$work/clip.mp4" "$work"/s/images/val/* 2>/dev/null
"$installed/fastermask" predict --model "$work/model.fmm" --output "$work/drawn" "$work/clip.mp4" 2>"$work/log" ||
  { cat "$work/log"; fail "predicting on a video"; }
[ -s "$work/drawn/clip.mp4" ] || fail "no drawn video"
bash -n "$work/root/usr/share/bash-completion/completions/fastermask" || fail "completion"

if [ "${FASTERMASK_TEST_FRESH_ROOT:-0}" = 1 ]; then
  "$source/tools/check_packages.sh" "$work/packages" || fail "in a fresh Debian"
fi
echo "packages: passed"
