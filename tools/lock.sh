#!/usr/bin/env bash
# Locks what the images install: every package with its version and hashes, one file a service, from pyproject.toml.
#
#   tools/lock.sh               # keeps what is locked, as far as pyproject.toml still allows it
#   tools/lock.sh --upgrade     # takes the newest versions
#
# A service's lock holds the SDK's own dependencies and those of the group of its name; services/build.lock what builds
# the SDK. tests/ops/test_locks.py says if a lock no longer fits pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=.tools/uv/bin/uv
[ -x "$uv" ] || { python3 -m venv .tools/uv && .tools/uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"; }

lock() {
  local out=$1
  shift
  "$uv" pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
    --custom-compile-command tools/lock.sh --output-file "$out" "$@"
  printf '%s: %s packages\n' "$out" "$(grep -c '^[a-z].*==' "$out")"
}

case ${1:-} in
  "" | --upgrade) ;;
  *)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
for service in env executor gateway judge standalone; do
  lock "services/$service/requirements.lock" "$@" pyproject.toml --group "$service"
done
sed -n 's/^requires = \[\(.*\)\]$/\1/p' pyproject.toml | tr -d '"' | tr ',' '\n' | lock services/build.lock "$@" -
