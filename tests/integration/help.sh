#!/bin/bash
# --help of every command: a summary, usage, a description for each option, examples whose words exist, exit status; and
# the man page made of it, in roff that groff takes without a warning.
# Usage: help.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -u
bin="$1"
source="$2"
fm="$bin/fastermask"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
failures=0
checked=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# Options without a description, neither beside them nor on the line below.
undescribed() {
  awk '
    function told() { if (option != "") print option; option = "" }
    substr($0, 1, 30) ~ /^ +$/ && substr($0, 31, 1) != " " { option = ""; next }
    { told() }
    /^  -/ { if (!match(substr($0, 3), /  +[^ ]/)) option = $0 }
    END { told() }' "$1"
}

# Options in the examples that their command does not have. Examples of other programs are passed over.
check_examples() {
  local text="$1" words option help
  sed -n '/^Examples:/,/^$/p' "$text" | sed -e ':a' -e '/\\$/N' -e 's/\\\n//' -e 'ta' | grep -o 'fastermask .*' |
    while read -r -a words; do
      help="$work/${words[1]}-${words[2]:-}"
      [ -f "$help" ] || help="$work/${words[1]}-"
      [ -f "$help" ] || { echo "no such command: ${words[*]}"; continue; }
      for option in "${words[@]}"; do
        [[ "$option" == --* ]] || continue
        grep -qE -- "(^|[ ,])$option( |,|$)" "$help" || echo "no option $option: ${words[*]}"
      done
    done
}

check_command() {
  local name="$*" text wrong
  text="$work/${1:-}-${2:-}"
  checked=$((checked + 1))
  [[ "$(head -n 1 "$text")" =~ ^[A-Z].{15,} ]] || fail "$name: no summary in the first line"
  grep -q "^Usage: fastermask${name:+ $name}" "$text" || fail "$name: no usage"
  for heading in Examples "Exit status"; do grep -qx "$heading:" "$text" || fail "$name: no '$heading'"; done
  wrong="$(undescribed "$text")"
  [ -z "$wrong" ] || fail "$name: options without a description: $wrong"
  wrong="$(check_examples "$text")"
  [ -z "$wrong" ] || fail "$name: $wrong"
  wrong="$(awk 'length($0) > 120' "$text")"
  [ -z "$wrong" ] || fail "$name: lines too long: $wrong"
  "$fm" __man "$@" >"$work/page.1" || fail "$name: no man page"
  for heading in NAME SYNOPSIS OPTIONS EXAMPLES "EXIT STATUS"; do
    grep -qx ".SH $heading" "$work/page.1" || fail "$name: no $heading in the man page"
  done
  command -v groff >/dev/null || return
  wrong="$(groff -man -Tutf8 -ww -z "$work/page.1" 2>&1)"
  [ -z "$wrong" ] || fail "$name: $wrong"
}

# The helps of all commands first: examples speak of other commands than their own.
commands=("")
for command in $("$fm" __complete ""); do
  [ "$command" != train ] || [ -x "$bin/fastermask-train" ] || continue
  commands+=("$command")
  for below in $("$fm" __complete "$command" ""); do
    [ "$command $below" != "bench train" ] || [ -x "$bin/fastermask-train" ] || continue
    commands+=("$command $below")
  done
done
for command in "${commands[@]}"; do
  read -ra words <<<"$command"
  "$fm" "${words[@]}" --help >"$work/${words[0]:-}-${words[1]:-}" || fail "$command: --help fails"
done
for command in "${commands[@]}"; do
  read -ra words <<<"$command"
  check_command "${words[@]}"
done

# Defaults and ranges are said; what is installed are these pages.
grep -qE -- '--port N .*\[0 to 65535; default 8080\]' "$work/serve-" || fail "serve: the port's default is not said"
grep -q 'no such command\|there is no command' <("$fm" __man nonsense 2>&1) || fail "a man page of nothing"
bash "$source/tools/make_man_pages.sh" "$fm" "$work/man" || fail "make_man_pages.sh"
[ "$(find "$work/man" -name '*.1' | wc -l)" -eq "$checked" ] || fail "$checked commands, pages: $(ls "$work/man")"

# Wrong usage is told in words, and where it is wrong.
refuses() {  # refuses MESSAGE WORD...
  local message="$1" status=0
  shift
  "$fm" "$@" >"$work/refusal" 2>&1 || status=$?
  [ "$status" -eq 2 ] && grep -qFx -- "fastermask: $message" "$work/refusal" ||
    fail "$*: status $status and $(head -n 1 "$work/refusal")"
}
refuses "--queue must be above 0, got 0" serve --queue 0
refuses "--port must be in [0, 65535], got 70000" serve --port 70000
refuses "--threads must be at least 0, got -1" predict --threads -1
refuses "unknown command 'serv'; did you mean 'serve'?" serv
refuses "unknown command 'chek'; did you mean 'check'?" data chek

[ "$checked" -ge 20 ] || fail "only $checked commands were found"
[ "$failures" -eq 0 ] || exit 1
echo "help: passed ($checked commands)"
