#!/bin/bash
# Installs the Debian packages in a fresh Debian 12 and uses them there: tools/check_packages.sh FOLDER_OF_PACKAGES
#
# The fresh root is made with debootstrap, from the package sources of this machine, and removed at the end. Needs root,
# debootstrap, and some 3 GB under $TMPDIR (or /tmp). Prints one line a step; ends with status 0 when all steps worked.
set -euo pipefail

packages="$(realpath "${1:?usage: tools/check_packages.sh FOLDER_OF_PACKAGES}")"
source="$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")"
root="$(mktemp -d "${TMPDIR:-/tmp}/fastermask-root-XXXXXX")"
say() { printf 'check_packages: %s\n' "$*"; }

leave() {
  umount "$root/proc" 2>/dev/null || true
  rm -rf --one-file-system "$root"
}
trap leave EXIT

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
  say "needs root and debootstrap"
  exit 2
fi

# The mirror of this machine's first source, with the settings of its apt.
mirror="$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
  awk '$1 == "deb" { for (i = 2; i <= NF; ++i) if ($i ~ /^https?:/) { print $i } } $1 == "URIs:" { print $2 }' | head -1)"
say "making a fresh root"
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || { tail "$root.log"; exit 1; }
rm -f "$root.log" "$root/etc/apt/sources.list"
for item in sources.list sources.list.d apt.conf.d trusted.gpg.d auth.conf auth.conf.d; do
  if [ -e "/etc/apt/$item" ]; then cp -rT "/etc/apt/$item" "$root/etc/apt/$item"; fi
done
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mkdir "$root/packages" && cp "$packages"/*.deb "$root/packages"
mkdir -p "$root/example" && cp -r "$source"/examples/* "$root/example"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
install() { inside sh -c "apt-get install --yes --no-install-recommends $*" >"$root/log" 2>&1 || { tail -20 "$root/log"; exit 1; }; }
inside apt-get update >"$root/log" 2>&1 || { tail "$root/log"; exit 1; }

say "fastermask alone: no LibTorch, no OpenCV; it says what is missing"
install /packages/fastermask_*.deb
inside sh -c '! ls /usr/lib/*/libtorch* /usr/lib/*/libopencv* 2>/dev/null'
inside fastermask --version
inside fastermask data synth --output /s --train 8 --val 2 --size 160x128 --seed 3 >/dev/null
inside sh -c '! fastermask train --help 2>/m' && inside grep -q "training package" /m

say "all packages: training, compiling, predicting on pictures and on a video"
install /packages/fastermask-train_*.deb /packages/fastermask-video_*.deb
inside fastermask train --config-file tiny/synth_mask_rcnn_R_18_FPN.yaml INPUT.MIN_SIZE_TRAIN "(64,)" \
  INPUT.MIN_SIZE_TEST 64 SOLVER.IMS_PER_BATCH 2 SOLVER.MAX_ITER 2 OUTPUT_DIR /run1 MODEL.ROI_HEADS.NUM_CLASSES 5 \
  DATASETS.TRAIN "('/s/annotations/instances_train.json:/s/images/train',)" \
  DATASETS.TEST "('/s/annotations/instances_val.json:/s/images/val',)" >"$root/log" 2>&1 || { tail -20 "$root/log"; exit 1; }
inside fastermask compile --config-file /run1/config.yaml --weights /run1/model_final.pth -o /m.fmm 2>/dev/null
inside fastermask predict --model /m.fmm --score-threshold 0.1 --output /drawn /s/images/val 2>/dev/null
inside sh -c 'test "$(ls /drawn | wc -l)" -eq 2'
inside sh -c 'head -c 1000 /dev/zero >/v.mp4; ! fastermask predict --model /m.fmm --output /drawn /v.mp4 2>/m'
inside grep -q "not a video" /m  # said by the module: it was found and loaded

say "libfastermask-dev: an example program, built out of tree"
install /packages/libfastermask*.deb g++ cmake make
inside sh -c 'cmake -S /example/predict_picture -B /b >/m 2>&1 && cmake --build /b >>/m 2>&1 || { tail /m; exit 1; }'
picture="$(inside sh -c 'ls /s/images/val/* | head -1')"
inside sh -c "/b/predict_picture /m.fmm 0.06 $picture >/cpp.txt && /b/predict_picture_c /m.fmm 0.06 $picture >/c.txt"
inside cmp /cpp.txt /c.txt
inside test -s /cpp.txt

say "removing them leaves nothing behind"
inside sh -c 'dpkg --purge fastermask fastermask-train fastermask-video libfastermask-dev libfastermask0 >/dev/null 2>&1'
inside sh -c '! find /usr -iname "*fastermask*" | grep .'
say "passed"
