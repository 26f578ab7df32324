# What the text between the blocks says, checked: commands, options and config keys exist, links lead somewhere. Source
# it after setting bin, source, work and fail(); call collect_known_words once, then  check_text PAGE TEXT.
# shellcheck shell=bash disable=SC2154

declare -A help_texts=() known_options=() known_keys=()
# Options of other programs than fastermask that the docs name.
foreign_options=(--fresh --no_python --opts --input)

# Fills the three: --help by command, all options, all config keys and the sections they are in.
collect_known_words() {
  local command below word
  for command in $("$bin/fastermask" __complete "" | grep -E '^[a-z]+$'); do
    help_texts["$command"]="$("$bin/fastermask" "$command" --help)"
    while read -r below; do
      help_texts["$command $below"]="$("$bin/fastermask" "$command" "$below" --help)"
    done < <(sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"${help_texts[$command]}")
  done
  while read -r word; do known_options["$word"]=1; done < <(
    printf '%s\n' "${foreign_options[@]}"
    { printf '%s\n' "${help_texts[@]}"; cat "$source"/test/*.sh "$source/demo.sh"; } | grep -oE -- '--[a-z][a-z0-9_-]*'
  )
  while read -r word; do
    while [ -n "$word" ]; do
      known_keys["$word"]=1
      [[ "$word" == *.* ]] || break
      known_keys["${word#*.}"]=1 # pages about MODEL.RPN may say RPN.CONV_DIMS
      word="${word%.*}"
    done
  done < <(grep -oE '^\| `[A-Z][A-Z0-9_.]*' "$source/docs/config.md" | tr -d '|` ')
  [[ "${#known_options[@]}" -gt 50 && "${#known_keys[@]}" -gt 200 ]] || fail "no options or keys found to compare with"
}

# check_span PAGE SPAN: what stands between two backquotes.
check_span() {
  local page="$1" span="$2" help="" word words
  read -ra words <<<"$span"
  if [ "${words[0]:-}" = fastermask ] && [[ "${words[1]:-}" =~ ^[a-z]+$ ]]; then
    help="${help_texts[${words[1]} ${words[2]:-}]:-${help_texts[${words[1]}]:-}}"
    [ -n "$help" ] || fail "$page: no such command: $span"
  fi
  for word in "${words[@]}"; do
    if [[ "$word" =~ ^\[?(--[a-z][a-z0-9_-]*) ]]; then
      word="${BASH_REMATCH[1]}"
      [ -n "${known_options[$word]:-}" ] || fail "$page: no program has the option $word: $span"
      [ -z "$help" ] || [[ "$help" == *"$word"* ]] || fail "$page: no option $word: $span"
    fi
  done
  if [[ "${words[0]:-}" =~ ^[A-Z][A-Z0-9_]*(\.[A-Z][A-Z0-9_]*)+$ ]]; then
    [ -n "${known_keys[${words[0]}]:-}" ] || fail "$page: no config key ${words[0]}"
  fi
}

# shellcheck disable=SC2016
check_text() {
  local page="$1" text="$2" span
  [ -f "$text" ] || return
  while IFS= read -r span; do check_span "$page" "$span"; done < <(
    tr '\n' ' ' <"$text" | grep -oE '`[^`]+`' | tr -d '`' | sort -u
  )
  check_links "$page" "$text"
  [ "$page" != docs/troubleshooting.md ] || check_messages "$page" "$text"
}

# What troubleshooting.md quotes is printed by one of the programs: code in a table's first column and in what is bold.
# "..." stands for what is filled in.
# shellcheck disable=SC2016
check_messages() {
  local page="$1" text="$2" message fragment count=0
  while IFS= read -r message; do
    count=$((count + 1))
    while IFS= read -r fragment; do
      fragment="$(sed 's/^ *//; s/ *$//' <<<"$fragment")"
      [ "${#fragment}" -lt 4 ] || LC_ALL=C grep -qaF -- "$fragment" "$bin"/fastermask "$bin"/fastermask-train* ||
        fail "$page: no program says '$fragment'"
    done <<<"${message//.../$'\n'}"
  done < <({ grep -E '^\|' "$text" | cut -d'|' -f2; grep -oE '^\*\*`[^*]*`\*\*' "$text"; } | grep -oE '`[^`]+`' | tr -d '`')
  [ "$count" -gt 20 ] || fail "$page: only $count messages found"
}

# Every link to a file of ours, and to a heading of it.
check_links() {
  local page="$1" text="$2" link file anchor folder
  folder="$source/$(dirname "$page")"
  while read -r link; do
    file="${link%%#*}" anchor=""
    [[ "$link" == *#* ]] && anchor="${link#*#}"
    [ -n "$file" ] || file="$(basename "$page")"
    [ -e "$folder/$file" ] || { fail "$page: a link leads nowhere: $link"; continue; }
    [ -z "$anchor" ] || headings "$folder/$file" | grep -qxF -- "$anchor" || fail "$page: no such heading: $link"
  done < <(grep -oE '\]\([^) ]+\)' "$text" | sed 's/^](//; s/)$//' | grep -vE '^https?:' | sort -u)
}

# headings FILE: as they stand behind a # in links.
headings() {
  grep -E '^#+ ' "$1" | sed -E 's/^#+ //' | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}
