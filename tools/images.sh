#!/usr/bin/env bash
# Builds every container image of CodeArena; `tools/images.sh --help` says how.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
services=(env executor gateway judge standalone sandbox)

usage() {
  cat <<'TEXT'
usage: tools/images.sh [TAG]

Builds codearena-env, codearena-executor, codearena-gateway, codearena-judge, codearena-standalone and codearena-sandbox as
NAME:TAG and prints their sizes. The default TAG, dev, is what docker-compose.yml and k8s/base use.

environment variables:
  PYTHON_IMAGE    base of every image (default python:3.11-slim-bookworm); must have Python 3.11 or newer
  BUILD_NETWORK   network of the build steps, e.g. host where containers reach no package index (default: the engine's)
  PIP_INDEX_URL   package index to install from (default: pip's own); stays out of the images
  SERVICES        which of them, separated by spaces (default: all, and sandbox)
  DOCKER_HOST     the engine, as for docker itself

examples:
  tools/images.sh
  tools/images.sh 0.1.0
  BUILD_NETWORK=host tools/images.sh
  PYTHON_IMAGE=registry.example/python:3.12-slim-bookworm tools/images.sh
TEXT
}

fail() {
  printf 'images: %s\n' "$@" >&2
  exit 1
}

check_tools() {
  command -v docker >/dev/null || fail "there is no docker command: install Docker's CLI"
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    fail "no Docker engine answers: start one, or name it in DOCKER_HOST"
}

need_base() {
  if docker image inspect "$base" >/dev/null 2>&1 || docker pull "$base"; then return; fi
  fail "the base image $base is not on the engine and cannot be pulled. One of these helps:" \
    "  PYTHON_IMAGE=your.registry/python:3.11-slim-bookworm $0    a mirror that this engine reaches" \
    "  docker save $base | gzip > base.tar.gz    where it can be pulled, then here: docker load -i base.tar.gz" \
    "  PYTHON_IMAGE=codearena-test-base:dev $0    what tools/stand_ins.sh makes of Debian's packages, for trials" \
    "  any other image with Python 3.11 or newer, venv and useradd, named in PYTHON_IMAGE"
}

build() {
  local name=codearena-$1:$tag file=services/$1/Dockerfile network=${BUILD_NETWORK:-default}
  if [ "$1" = sandbox ]; then file=services/executor/Dockerfile.sandbox network=none; fi
  local arguments=(--build-arg "PYTHON_IMAGE=$base" --build-arg "VERSION=$version" --build-arg "REVISION=$revision")
  if [ -n "${PIP_INDEX_URL:-}" ]; then arguments+=(--build-arg PIP_INDEX_URL); fi
  printf 'images: building %s\n' "$name" >&2
  docker build "${arguments[@]}" --network "$network" --file "$root/$file" --tag "$name" "$root" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "$name was not built; above is the end of what the engine said." \
      "If pip reached no package index, set BUILD_NETWORK=host or PIP_INDEX_URL."
  }
}

case ${1:-} in
  -h | --help)
    usage
    exit 0
    ;;
  -* | *[!A-Za-z0-9_.-]*)
    usage >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
  usage >&2
  exit 2
fi
tag=${1:-dev}
base=${PYTHON_IMAGE:-python:3.11-slim-bookworm}
read -r -a services <<<"${SERVICES:-${services[*]}}"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

check_tools
if [ ! -f "$root/dashboard/dist/index.html" ]; then
  printf 'images: no dashboard is built; the images get its API alone. `make dashboard` builds it (Node 20 or newer).\n' >&2
fi
need_base
for service in "${services[@]}"; do build "$service"; done
for image in "${services[@]/#/codearena-}"; do
  docker image inspect --format "$image:$tag {{.Size}}" "$image:$tag"
done | awk '{printf "%-32s %7.1f MB\n", $1, $2 / 1e6}'
printf 'images: to start them: tools/secrets.sh && DOCKER_GID=$(stat -c %%g /var/run/docker.sock) docker compose up --wait\n' >&2
