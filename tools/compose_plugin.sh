#!/usr/bin/env bash
# Installs Compose v2 as a plugin of the docker command, on a Debian whose own release has none: takes the package
# `docker-compose` of a newer release, of which only the plugin is unpacked. Does nothing where `docker compose` works.
#
#   tools/compose_plugin.sh [RELEASE]     # default: trixie
set -euo pipefail
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins

if found=$(docker compose version --short 2>/dev/null); then
  echo "compose: $found is there"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/newer_package.sh" docker-compose "$work" "${1:-trixie}"
plugin=$(find "$work" -path '*/cli-plugins/docker-compose' -type f | head -n 1)
[ -n "$plugin" ] || { echo "compose: the package has no plugin" >&2; exit 1; }
install -D --mode=0755 "$plugin" "$plugins/docker-compose"
echo "compose: $(docker compose version --short) installed in $plugins"
