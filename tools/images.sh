#!/usr/bin/env bash
# Builds every container image of CodeArena; `tools/images.sh --help` says how.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
services=(env executor gateway judge standalone)

usage() {
  cat <<'TEXT'
usage: tools/images.sh [TAG]

Builds codearena-env, codearena-executor, codearena-gateway, codearena-judge and codearena-standalone as NAME:TAG, and
the sandbox image on the same engine; prints their sizes. The default TAG, dev, is what docker-compose.yml and k8s/base use.

environment variables:
  PYTHON_IMAGE    base of every image (default python:3.11-slim-bookworm); must have Python 3.11 or newer
  BUILD_NETWORK   network of the build steps, e.g. host where containers reach no package index (default: the engine's)
  PIP_INDEX_URL   package index to install from (default: pip's own); stays out of the images
  SANDBOX_SOURCE  registry builds the sandbox image upon PYTHON_IMAGE, host packs this machine's interpreter, auto
                  (default) takes the first that it can
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
  [ -x "$python" ] || fail "$python is missing, and makes the sandbox image: run \`make setup\`"
}

need_base() {
  if docker image inspect "$base" >/dev/null 2>&1 || docker pull "$base"; then return; fi
  fail "the base image $base is not on the engine and cannot be pulled. One of these helps:" \
    "  PYTHON_IMAGE=your.registry/python:3.11-slim-bookworm $0    a mirror that this engine reaches" \
    "  docker save $base | gzip > base.tar.gz    where it can be pulled, then here: docker load -i base.tar.gz" \
    "  any other image with Python 3.11 or newer, venv and useradd, named in PYTHON_IMAGE"
}

build() {
  local name=codearena-$1:$tag arguments=(--build-arg "PYTHON_IMAGE=$base")
  if [ -n "${BUILD_NETWORK:-}" ]; then arguments+=(--network "$BUILD_NETWORK"); fi
  if [ -n "${PIP_INDEX_URL:-}" ]; then arguments+=(--build-arg PIP_INDEX_URL); fi
  printf 'images: building %s\n' "$name" >&2
  docker build "${arguments[@]}" --file "$root/services/$1/Dockerfile" --tag "$name" "$root" >"$log" 2>&1 || {
    tail -n 40 "$log" >&2
    fail "$name was not built; above is the end of what the engine said." \
      "If pip reached no package index, set BUILD_NETWORK=host or PIP_INDEX_URL."
  }
}

build_sandbox() {
  printf 'images: making the sandbox image\n' >&2
  (cd "$root" && "$python" -m services.executor.image --from "$source" --base "$base") >"$log" ||
    fail "the sandbox image was not made; SANDBOX_SOURCE=host packs this machine's interpreter instead"
  cut -d ' ' -f 1 "$log"
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
source=${SANDBOX_SOURCE:-auto}
python=$root/.venv/bin/python
log=$(mktemp)
trap 'rm -f "$log"' EXIT

check_tools
if [ ! -f "$root/dashboard/dist/index.html" ]; then
  printf 'images: no dashboard is built; the images get its API alone. `make dashboard` builds it (Node 20 or newer).\n' >&2
fi
need_base
for service in "${services[@]}"; do build "$service"; done
sandbox=$(build_sandbox)
for image in "${services[@]/#/codearena-}"; do
  docker image inspect --format "$image:$tag {{.Size}}" "$image:$tag"
done | awk '{printf "%-32s %7.1f MB\n", $1, $2 / 1e6}'
docker image inspect --format "$sandbox {{.Size}}" "$sandbox" | awk '{printf "%-32s %7.1f MB\n", $1, $2 / 1e6}'
printf 'images: to start them: DOCKER_GID=$(stat -c %%g /var/run/docker.sock) docker compose up --wait\n' >&2
