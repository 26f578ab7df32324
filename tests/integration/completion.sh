#!/bin/bash
# What bash offers at a Tab. Usage: completion.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
failures=0
PATH="$bin:$PATH"

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

source <("$bin/fastermask" completion bash) || fail "the script for bash"
complete -p fastermask >/dev/null 2>&1 || fail "bash knows no completion of fastermask"

# Sets COMPREPLY as bash does after a Tab behind these words.
press_tab() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _fastermask
}
offers() { printf '%s\n' "${COMPREPLY[@]}" | grep -qx -- "$1"; }

press_tab fastermask ""
for command in train evaluate predict data serve completion; do offers "$command" || fail "$command is not offered"; done
offers __complete && fail "the inner command is offered"
press_tab fastermask pre
[ "${COMPREPLY[*]}" = predict ] || fail "pre gives ${COMPREPLY[*]}"
press_tab fastermask data ch
[ "${COMPREPLY[*]}" = check ] || fail "data ch gives ${COMPREPLY[*]}"
press_tab fastermask evaluate --wei
[ "${COMPREPLY[*]}" = --weights ] || fail "evaluate --wei gives ${COMPREPLY[*]}"
press_tab fastermask evaluate --config-file ""
[ "${#COMPREPLY[@]}" -eq 0 ] || fail "files belong behind --config-file, not ${COMPREPLY[*]}"
press_tab fastermask cocoeval --task s
[ "${COMPREPLY[*]}" = segm ] || fail "--task s gives ${COMPREPLY[*]}"
press_tab fastermask evaluate --weights x.pth MODEL.RPN.NMS
[ "${COMPREPLY[*]}" = MODEL.RPN.NMS_THRESH ] || fail "a key gives ${COMPREPLY[*]}"
if [ -x "$bin/fastermask-train" ]; then
  press_tab fastermask train --resu
  [ "${COMPREPLY[*]}" = --resume ] || fail "train --resu gives ${COMPREPLY[*]}"
  press_tab fastermask bench train --rep
  [ "${COMPREPLY[*]}" = --repeat ] || fail "bench train --rep gives ${COMPREPLY[*]}"
fi
press_tab fastermask nonsense ""
[ "${#COMPREPLY[@]}" -eq 0 ] || [ "${COMPREPLY[0]}" != "" ] || fail "an unknown command disturbs the line"

if command -v zsh >/dev/null; then
  "$bin/fastermask" completion zsh | zsh -n || fail "zsh does not read its script"
fi
"$bin/fastermask" completion fish >/dev/null 2>&1 && fail "an unknown shell is wrong usage"

[ "$failures" -eq 0 ] || exit 1
echo "completion: passed"
