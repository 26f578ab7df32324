#!/bin/bash
# The server under load against one `predict` on the same pictures: pictures a second, times, memory before and after.
# Usage: bench/serve/run.sh BIN MODEL.fmm PICTURE_FOLDER [SECONDS=60] [CLIENTS=8]     (needs node)
#
# The predict loop gets each picture as often as takes about a third of the time, and its start is counted in its time.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
fm="$1/fastermask" model="$2" folder="$3" seconds="${4:-60}" clients="${5:-8}"
work="$(mktemp -d)"
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
pictures=("$folder"/*)

predict_loop() {  # pictures -> seconds, of one predict
  local start="$EPOCHREALTIME"
  "$fm" predict --model "$model" --json --score-threshold 0.5 "$@" >/dev/null 2>&1
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'
}
once="$(predict_loop "${pictures[@]}")"
rounds="$(awk -v t="$once" -v s="$seconds" 'BEGIN { r = int(s / 3 / t); print r < 1 ? 1 : r }')"
mkdir "$work/pictures"
for round in $(seq "$rounds"); do
  for picture in "${pictures[@]}"; do ln -s "$(realpath "$picture")" "$work/pictures/$round-$(basename "$picture")"; done
done
count="$(ls "$work/pictures" | wc -l)"
before="$(predict_loop "$work"/pictures/*)"

"$fm" serve --model "$model" --port 0 --score-threshold 0.5 --lowest-threshold 0.5 2>"$work/serve.log" &
server=$!
url=""
until [ -n "$url" ]; do
  sleep 0.1
  url="$(grep -o 'http://[0-9.:]*' "$work/serve.log" || true)"
  kill -0 "$server"
done
resident() { awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$server/status"; }
node "$here/load.js" "$url" "$clients" 5 "${pictures[@]}" >/dev/null
warm="$(resident)"
load="$(node "$here/load.js" "$url" "$clients" "$seconds" "${pictures[@]}")"
after="$(resident)"
kill -TERM "$server"
wait "$server"
server=""
again="$(predict_loop "$work"/pictures/*)"
echo "serve:   $load"
awk -v n="$count" -v a="$before" -v b="$again" \
  'BEGIN { printf "predict: %d pictures, %.2f and %.2f pictures/s (before and after)\n", n, n / a, n / b }'
served="$(grep -o '"pictures_a_second":[0-9.]*' <<<"$load" | cut -d: -f2)"
awk -v s="$served" -v n="$count" -v a="$before" -v b="$again" \
  'BEGIN { printf "ratio:   %.3f of the predict loop\n", s * (a + b) / 2 / n }'
echo "memory:  $warm MiB after 5 s of load, $after MiB at the end"
