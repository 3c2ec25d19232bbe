#!/usr/bin/env bash
# Puts a folder together for `openenv push` and a hosted Docker Space; `tools/space.sh --help` says how.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat <<'TEXT'
usage: tools/space.sh DIR

Writes into DIR, which must be empty or absent, what a hosted Docker Space is made of: the Dockerfile of
services/standalone, openenv.yaml, a README with the Space's front matter, the services, the tasks and the built
dashboard (`make dashboard` first).

then:
  openenv push DIR                                     # to a Space of yours
  docker build -t codearena-space DIR                  # or try it here
  docker run --rm -p 7860:7860 --security-opt seccomp=unconfined --security-opt systempaths=unconfined codearena-space
TEXT
}

fail() {
  printf 'space: %s\n' "$@" >&2
  exit 1
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  "" | -*)
    usage >&2
    exit 2
    ;;
esac
target=$1
[ -f "$root/dashboard/dist/index.html" ] || fail "the dashboard is not built: run \`make dashboard\` first"
mkdir -p "$target"
[ -z "$(ls -A "$target")" ] || fail "$target is not empty"

cd "$root"
git ls-files -z -- LICENSE pyproject.toml openenv.yaml codearena services tasks dashboard/README.md examples |
  xargs -0 cp --parents --target-directory "$target"
mkdir -p "$target/dashboard"
cp -R dashboard/dist "$target/dashboard/dist"
cat services/standalone/Dockerfile - >"$target/Dockerfile" <<'TEXT'

# A Space gives its own user id and nothing to write to but /tmp.
ENV CODEARENA_DATA_DIR=/tmp/codearena CODEARENA_SANDBOX_BACKEND=process
TEXT
cat >"$target/__init__.py" <<'TEXT'
"""CodeArena as an OpenEnv environment."""
TEXT
cat >"$target/client.py" <<'TEXT'
"""Clients of this environment."""

from codearena.openenv import AsyncOpenEnvClient, OpenEnvClient

__all__ = ["AsyncOpenEnvClient", "OpenEnvClient"]
TEXT
cat - README.md >"$target/README.md" <<'TEXT'
---
title: CodeArena
emoji: 🛠️
colorFrom: indigo
colorTo: gray
sdk: docker
app_port: 7860
pinned: false
license: apache-2.0
short_description: Iterative code repair, graded in throwaway sandboxes
tags:
  - openenv
  - reinforcement-learning
  - code-repair
---

TEXT
printf 'space: %s is ready: openenv push %s\n' "$target" "$target" >&2
