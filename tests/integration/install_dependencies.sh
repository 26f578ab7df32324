#!/bin/bash
# tools/install_dependencies.sh with stand-ins for apt-get, dpkg-query, sudo and id: what it calls, says and ends with.
# Nothing is installed.
# Usage: install_dependencies.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
install="$2/tools/install_dependencies.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0

# A folder of commands that stands in for the whole PATH: the script sees a machine with these and no others.
fresh_machine() {
  rm -rf "${work:?}/bin" "$work/calls"
  mkdir "$work/bin"
  : >"$work/calls"
  local command
  for command in bash awk grep cat env; do ln -s "$(command -v "$command")" "$work/bin/$command"; done
  stand_in dpkg-query 'exit 1'
  stand_in apt-get 'exit 0'
  stand_in id 'echo 0'
}

# stand_in NAME SCRIPT: a command that notes how it was called, then runs SCRIPT.
stand_in() {
  printf '#!/bin/bash\necho "%s $*" >>"%s"\n%s\n' "$1" "$work/calls" "$2" >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

wrong() {
  echo "FAILED: $*; output:"
  printf "%s\n" "$output"
  echo "  calls:"
  sed 's/^/  | /' "$work/calls"
  failures=$((failures + 1))
}

run_install() {
  output="$(PATH="$work/bin" "$work/bin/bash" "$install" 2>&1)"
  status=$?
}

says() { grep -qF -- "$1" <<<"$output" || wrong "must say '$1'"; }
calls() { grep -qE -- "$1" "$work/calls" || wrong "must call '$1'"; }
calls_no() { ! grep -qE -- "$1" "$work/calls" || wrong "must not call '$1'"; }
ends_with() { [ "$status" -eq "$1" ] || wrong "must end with status $1, got $status"; }

# What the script wants, read off a machine that has nothing.
fresh_machine
run_install
ends_with 0
says "Debian packages and what they depend on: g++ cmake"
calls '^apt-get .*update$'
calls '^apt-get .*install --yes --no-install-recommends g\+\+ cmake'
packages="$(sed -n 's/.*--no-install-recommends //p' "$work/calls")"

# dpkg-query as on a machine that has all of them, and all but two.
all_installed="printf '%s installed\n' $packages"
fresh_machine
stand_in dpkg-query "$all_installed"
run_install
ends_with 0
calls_no '^apt-get'
[ -z "$output" ] || wrong "must be silent when nothing is missing"

fresh_machine
stand_in dpkg-query "printf '%s installed\n' ${packages/ninja-build/} | sed 's/^lld installed/lld config-files/'"
ln -s "$(command -v sed)" "$work/bin/sed"
run_install
ends_with 0
says "installing 2 Debian packages and what they depend on: ninja-build lld"
calls 'install --yes --no-install-recommends ninja-build lld$'

# Not root.
fresh_machine
stand_in id 'echo 1000'
run_install
ends_with 1
says "installing them needs root or sudo. Run as root:"
says "apt-get install --no-install-recommends $packages"
calls_no '^apt-get'

fresh_machine
stand_in id 'echo 1000'
# shellcheck disable=SC2016  # expanded by the stand-in
stand_in sudo 'exec "$@"'
run_install
ends_with 0
calls '^sudo env DEBIAN_FRONTEND=noninteractive apt-get .*install'

# No net: old package lists may still do; a failing installation is the end.
fresh_machine
# shellcheck disable=SC2016
stand_in apt-get '[[ "$*" != *update ]]'
run_install
ends_with 0
says "apt-get update failed; going on with the package lists that are there"

fresh_machine
stand_in apt-get 'exit 100'
run_install
ends_with 1
says "apt-get could not install the packages"
says "  libtorch-dev"

# Not Debian.
fresh_machine
rm "$work/bin/apt-get"
run_install
ends_with 1
says "this is not Debian"
says "FASTERMASK_SKIP_INSTALL=1"
says "  libyaml-cpp-dev"

fresh_machine
rm "$work/bin/apt-get"
export FASTERMASK_SKIP_INSTALL=1
run_install
ends_with 0

[ "$failures" -eq 0 ] && echo "install_dependencies: all as expected"
exit "$((failures > 0))"
