#!/bin/bash
# What `curl` is to the commands of the docs: the real one, asking at the port that fastermask.sh's server got, and
# failing when the answer is an error.
set -eu
url="$(grep -o 'http://[0-9.:]*' "$DOCS_HIDDEN/server.log" | head -n 1)"
words=()
for word in "$@"; do words+=("${word/http:\/\/127.0.0.1:8080/$url}"); done
exec "$DOCS_CURL" -sS --fail -m 30 "${words[@]}"
