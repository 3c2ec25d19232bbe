#!/usr/bin/env bash
# Makes images of Debian's packages that stand in for public ones where no registry answers, for tests and trials:
#
#   codearena-test-base:dev        for python:3.11-slim-bookworm    PYTHON_IMAGE=codearena-test-base:dev
#   codearena-test-postgres:dev    for postgres                     POSTGRES_IMAGE=codearena-test-postgres:dev
#
# Wants root, a Docker engine and debootstrap. What is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/../tests/ops/images"
base=codearena-test-base:dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

there() { docker image inspect "$1" >/dev/null 2>&1; }

make_base() {
  command -v debootstrap >/dev/null || { echo "stand-ins: install debootstrap" >&2; exit 1; }
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv bookworm "$work/root" \
    >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
  # What this machine trusts, so that a build reaches a package index as this machine does.
  cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/"
  ln -s python3 "$work/root/usr/bin/python"
  tar -C "$work/root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists --exclude=./usr/share/doc \
    --exclude=./usr/share/locale --exclude=./usr/share/man -c . |
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$base" >/dev/null
}

make_postgres() {
  docker build --network host --build-arg "BASE_IMAGE=$base" --file postgres.Dockerfile --tag "$1" . >"$work/log" 2>&1 ||
    { tail -n 20 "$work/log" >&2; exit 1; }
}

there "$base" || make_base
there codearena-test-postgres:dev || make_postgres codearena-test-postgres:dev
for image in "$base" codearena-test-postgres:dev; do
  docker image inspect --format "$image {{.Size}}" "$image"
done | awk '{printf "%-32s %7.1f MB\n", $1, $2 / 1e6}'
