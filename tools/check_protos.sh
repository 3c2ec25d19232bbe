#!/usr/bin/env bash
# Checks the contract: lint, no breaking change since the last release, stubs as generated from it.
# buf comes from npm; without npm its part is skipped, unless CODEARENA_REQUIRE names buf.
set -euo pipefail
cd "$(dirname "$0")/.."
buf_version=1.75.0
buf=.tools/node_modules/.bin/buf

if [ ! -x "$buf" ] && command -v npm >/dev/null; then
  npm install --silent --no-audit --no-fund --prefix .tools "@bufbuild/buf@$buf_version"
fi
if [ -x "$buf" ]; then
  "$buf" lint
  if released=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
    "$buf" breaking --against ".git#tag=$released"
  fi
  echo "contract: lint passed${released:+, nothing broken since $released}"
elif [[ ",${CODEARENA_REQUIRE:-}," == *,buf,* ]]; then
  echo "CODEARENA_REQUIRE names buf, but there is no npm to install it with" >&2
  exit 1
else
  echo "contract: lint skipped, there is no npm to install buf with"
fi

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
tools/protos.sh "$fresh"
if ! diff -ru --exclude=__pycache__ --exclude=__init__.py "$fresh/codearena/v1" codearena/v1; then
  echo "the stubs are not those of the protos: run make protos" >&2
  exit 1
fi
echo "contract: stubs are up to date"
