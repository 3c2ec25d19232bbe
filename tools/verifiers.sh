#!/usr/bin/env bash
# Makes .venv-verifiers: verifiers wants other major versions of openai and mcp than our services do, so that its tests
# run it in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-verifiers
stamp=$venv/.installed
[ "$stamp" -nt pyproject.toml ] && exit 0
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || .venv/bin/python -m venv --clear "$venv" # also if it is half made
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[verifiers]"
touch "$stamp"
