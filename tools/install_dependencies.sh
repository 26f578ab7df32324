#!/bin/bash
# Installs the Debian packages that building FasterMask needs, and only those that are missing: telling which, and
# without a word when nothing is. Called by ./test.sh and ./demo.sh; run it yourself to do no more than this.
#
# Needs root or sudo when something is missing. FASTERMASK_SKIP_INSTALL=1 turns it off, for machines where the libraries
# were put in place by other means.
set -euo pipefail

packages=(
  # building
  g++ cmake ninja-build pkg-config
  ccache             # a second build takes seconds
  lld                # links a program in a second instead of ten
  # tensors and autograd, for training
  libtorch-dev
  libopenblas0-openmp  # LibTorch's matrix products; the reference BLAS it would come with is ten times slower
  # reading and writing files
  libsimdjson-dev nlohmann-json3-dev libpugixml-dev libyaml-cpp-dev libzip-dev zlib1g-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev
  libxxhash-dev  # checksums of model packages
  libcpp-httplib-dev  # serving
  libopencv-videoio-dev  # frames of videos; only the module for them is linked with it
  # drawing
  libcairo2-dev fonts-dejavu-core
  # the command line, its messages, and spans
  libcli11-dev libspdlog-dev libfmt-dev libmsgsl-dev
  dpkg-dev file  # making packages: finding out what they depend on
  # tests
  libgtest-dev libgmock-dev curl
)

if [ "${FASTERMASK_SKIP_INSTALL:-0}" = 1 ]; then
  exit 0
fi

say() { printf 'install: %s\n' "$*" >&2; }

# Every package of the list, indented, for people who install by hand.
list_all() { printf '  %s\n' "${packages[@]}" >&2; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  say "this is not Debian (no dpkg-query and apt-get), so nothing was installed. FasterMask needs what these Debian 12"
  say "packages hold; install their like and run again with FASTERMASK_SKIP_INSTALL=1:"
  list_all
  exit 1
fi

# One call for all: names of those that are installed.
installed="$(dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
  awk '$2 == "installed" { print $1 }' || true)"
missing=()
for package in "${packages[@]}"; do
  grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done
if [ "${#missing[@]}" -eq 0 ]; then
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    say "${#missing[@]} packages are missing, and installing them needs root or sudo. Run as root:"
    say "apt-get install --no-install-recommends ${missing[*]}"
    exit 1
  fi
  as_root=(sudo)
fi

say "installing ${#missing[@]} Debian packages and what they depend on: ${missing[*]}"
# A lock that another apt holds is waited for; nothing is asked.
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get --option DPkg::Lock::Timeout=300 --quiet)
if ! "${apt[@]}" update; then
  say "apt-get update failed; going on with the package lists that are there"
fi
if ! "${apt[@]}" install --yes --no-install-recommends "${missing[@]}"; then
  say "apt-get could not install the packages; its messages are above. Needed are, by their names in Debian 12:"
  list_all
  exit 1
fi
