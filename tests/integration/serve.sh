#!/bin/bash
# The HTTP server as clients meet it: good requests, and every kind of bad one, none of which may disturb the others.
# Usage: serve.sh FOLDER_OF_THE_PROGRAMS SOURCE_FOLDER
set -eu
bin="$1"
source="$2"
command -v curl >/dev/null || { echo "serve: skipped, curl is missing"; exit 77; }
work="$(mktemp -d)"
server=""
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$work"' EXIT
fm="$bin/fastermask"

fail() {
  echo "FAILED: $*"
  tail -5 "$work/serve.log" 2>/dev/null || true
  exit 1
}

start() {  # start OPTION...: sets $server and $url
  "$fm" serve --model "$work/model.fmm" --port 0 --lowest-threshold 0.02 --access-log "$work/access.log" "$@" \
    2>"$work/serve.log" &
  server=$!
  for _ in $(seq 200); do
    url="$(grep -o 'http://[0-9.:]*' "$work/serve.log" || true)"
    [ -z "$url" ] || return 0
    kill -0 "$server" 2>/dev/null || fail "the server did not start"
    sleep 0.05
  done
  fail "the server does not say where it listens"
}

stop() {  # the exit status must be 0
  kill -TERM "$server"
  wait "$server" || fail "the server's exit status is $?"
  server=""
}

status() { curl -s -m 20 -o "$work/body" -w '%{http_code}' "$@"; }
expect() {  # expect STATUS CURL_ARGUMENTS...
  local wanted="$1" got
  shift
  got="$(status "$@")" || true
  [ "$got" = "$wanted" ] || fail "expected $wanted, got $got for $*: $(head -c 300 "$work/body")"
}

. "$source/tests/support/tiny_model.sh"
make_tiny_model "$bin" "$source" "$work" || fail "no model"
pictures=("$work"/s/images/val/*)
start --request-timeout 2 --max-body 1 --max-megapixels 0.05 --max-pictures 3

# What it is for.
expect 200 "$url/healthz"
expect 200 "$url/"
grep -q "Drop a picture" "$work/body" || fail "the page is not at /"
! grep -oE '(src|href)="[^"d#]' "$work/body" || fail "the page loads something from elsewhere"
expect 200 --data-binary "@${pictures[0]}" "$url/v1/predict?threshold=0.06"
served="$(grep -o '"score"' "$work/body" | wc -l)"
counts="$(grep -o '"counts":"[^"]*"' "$work/body")"
"$fm" predict --model "$work/model.fmm" --json --score-threshold 0.06 "${pictures[0]}" >"$work/records" 2>/dev/null
[ "$served" -gt 0 ] && [ "$served" -eq "$(grep -o '"score"' "$work/records" | wc -l)" ] || fail "predict finds others"
[ "$counts" = "$(grep -o '"counts":"[^"]*"' "$work/records")" ] || fail "predict finds other masks"
expect 200 -F "a=@${pictures[0]}" -F "b=@${pictures[1]}" "$url/v1/predict"
[ "$(grep -o '"file_name"' "$work/body" | wc -l)" -eq 2 ] || fail "two pictures need two answers"

# What it refuses, saying why.
expect 404 "$url/none"
expect 400 --data-binary "@${pictures[0]}" "$url/v1/predict?threshold=2"
expect 400 -X POST "$url/v1/predict"
expect 422 --data-binary "no picture at all" "$url/v1/predict"
grep -q '"error"' "$work/body" || fail "a refusal must say why"
head -c 600 "${pictures[0]}" >"$work/cut"
expect 422 --data-binary "@$work/cut" "$url/v1/predict"
head -c 1100000 /dev/zero >"$work/large"
expect 413 --data-binary "@$work/large" "$url/v1/predict"
expect 413 -H "Transfer-Encoding: chunked" --data-binary "@$work/large" "$url/v1/predict"
expect 413 -F "a=@$work/large" "$url/v1/predict"
expect 415 -H "Content-Encoding: gzip" --data-binary "@${pictures[0]}" "$url/v1/predict"
four=()
for i in 1 2 3 4; do four+=(-F "p$i=@${pictures[0]}"); done
expect 413 "${four[@]}" "$url/v1/predict"
"$fm" data synth --output "$work/big" --train 1 --val 1 --size 300x200 --seed 1 >/dev/null 2>&1
expect 413 --data-binary "@$(ls "$work"/big/images/val/* | head -1)" "$url/v1/predict"
grep -q "300 x 200" "$work/body" || fail "the size of a picture too large must be told"

# Slow, half-open and malformed connections: cut off in time, while others are served.
port="${url##*:}"
talk() {  # talk TEXT SECONDS_OPEN FILE: sends the text, waits, keeps what came back
  exec 9<>"/dev/tcp/127.0.0.1/$port"
  printf "$1" >&9
  timeout "$2" cat <&9 >"$3" || echo open >>"$3"
  exec 9>&-
}
talk '' 8 "$work/silent" &
talk 'POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Le' 8 "$work/half_header" &
talk 'POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc' 8 "$work/half_body" &
talk 'rubbish\r\n\r\n' 8 "$work/rubbish" &
talk "GET / HTTP/1.1\r\nRange: bytes=$(printf '0-1,%.0s' $(seq 1500))0-1\r\n\r\n" 8 "$work/ranges" &
curl -s -m 20 --limit-rate 500 --data-binary "@${pictures[0]}" "$url/v1/predict" >"$work/slow" &
{
  printf 'GET / HTTP/1.1\r\n'
  yes "X: $(printf '%4000s' | tr ' ' a)"$'\r' | head -c 40000000
} | timeout 8 curl -s -m 8 "telnet://127.0.0.1:$port" >"$work/endless" 2>/dev/null || true &
for _ in 1 2 3 4 5; do expect 200 --data-binary "@${pictures[1]}" "$url/v1/predict"; done
kill -0 "$server" || fail "the server ended"
for job in $(jobs -p); do [ "$job" = "$server" ] || wait "$job" || true; done
for name in silent half_header half_body rubbish ranges; do
  ! grep -q '^open$' "$work/$name" || fail "the connection '$name' was not closed in time"
done
! grep -q "200 OK" "$work/endless" || fail "headers without end were taken"
[ "$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")" -lt 200 ] || fail "headers without end fill the memory"
grep -q "400" "$work/rubbish" || fail "rubbish must be answered with 400"
expect 200 "$url/metrics"
grep -q 'fastermask_requests_total{route="/v1/predict",status="413"} [1-9]' "$work/body" || fail "no metrics of refusals"
grep -q '^fastermask_queue_pictures 0$' "$work/body" || fail "places in the queue are not given back"
grep -q '"path":"/v1/predict","status":422' "$work/access.log" || fail "no access log"
stop

# Beyond the queue: 503 with Retry-After, and 200 for the others. A request under way at the stop is answered.
start --queue 1
seen=0
for _ in $(seq 20); do
  for i in $(seq 12); do
    curl -s -m 20 -D "$work/head.$i" -o /dev/null --data-binary "@${pictures[0]}" "$url/v1/predict" &
  done
  for job in $(jobs -p); do [ "$job" = "$server" ] || wait "$job" || fail "a request had no answer"; done
  ! grep -h '^HTTP' "$work"/head.* | grep -vE ' (200|503) ' || fail "neither 200 nor 503"
  grep -hq '^HTTP.* 200 ' "$work"/head.* || fail "nobody was served"
  if grep -lq '^HTTP.* 503 ' "$work"/head.*; then seen=1; break; fi
done
[ "$seen" = 1 ] || fail "no 503 from a full queue"
grep -qi '^Retry-After: [1-9]' $(grep -l '^HTTP.* 503 ' "$work"/head.*) || fail "503 without Retry-After"
curl -s -m 20 -o "$work/last" -w '%{http_code}' --limit-rate 2000 --data-binary "@${pictures[0]}" "$url/v1/predict" \
  >"$work/last_status" &
last=$!
sleep 0.3
stop
wait "$last" || fail "a request under way was cut off by the stop"
[ "$(cat "$work/last_status")" = 200 ] || fail "a request under way got $(cat "$work/last_status") at the stop"

# More silent and half-open connections than the server answers at a time: they must not keep others out.
start --connections 4 --request-timeout 20
port="${url##*:}"
clients=()
for i in $(seq 12); do
  exec {client}<>"/dev/tcp/127.0.0.1/$port"
  clients+=("$client")
  [ $((i % 3)) = 0 ] || printf 'POST /v1/predict HTTP/1.1\r\nContent-Length: 99\r\n' >&"$client"
  [ $((i % 3)) != 2 ] || printf '\r\nabc' >&"$client"
done
sleep 0.3
expect 200 -m 8 --data-binary "@${pictures[0]}" "$url/v1/predict"
for client in "${clients[@]}"; do exec {client}>&-; done

# A port belongs to one server, and many clients may come at the same moment.
"$fm" serve --model "$work/model.fmm" --port "$port" 2>"$work/error" & second=$!
for _ in $(seq 50); do kill -0 "$second" 2>/dev/null || break; sleep 0.1; done
kill "$second" 2>/dev/null && fail "a second server took the same port"
grep -q "cannot listen at 127.0.0.1:$port" "$work/error" || { cat "$work/error"; fail "a port that is taken is not told"; }
if command -v ss >/dev/null; then
  [ "$(ss -ltnH "sport = :$port" | awk '{ print $3 }')" -ge 128 ] || fail "few connections can wait to be accepted"
fi
stop

"$fm" serve --model "$work/none.fmm" 2>"$work/error" && fail "a missing package must fail"
grep -q "none.fmm" "$work/error" || fail "a missing package is not named"
echo "serve: passed"
