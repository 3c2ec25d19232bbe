#!/usr/bin/env bash
# Installs Compose v2 as a plugin of the docker command, on a Debian whose own release has none: takes the package
# `docker-compose` of a newer release, of which only the plugin is unpacked. Does nothing where `docker compose` works.
#
#   tools/compose_plugin.sh [RELEASE]     # default: trixie
#
# The newer release is read from the mirrors that this machine's package client has already, into folders of its own:
# no source is added to the machine. The package's checksum is that of the signed index.
set -euo pipefail
release=${1:-trixie}
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins

if found=$(docker compose version --short 2>/dev/null); then
  echo "compose: $found is there"
  exit 0
fi
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,archives/partial,parts}
for source in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
  if [ -s "$source" ]; then sed "s/$codename/$release/g" "$source" >"$work/parts/${source##*/}"; fi
done
if [ -f "$work/parts/sources.list" ]; then mv "$work/parts/sources.list" "$work/sources.list"; fi
[ -s "$work/sources.list" ] || : >"$work/sources.list"
options=(
  -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts"
  -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
  -o "APT::Sandbox::User=root" -o "Acquire::Languages=none"
)
cd "$work"
{ apt-get "${options[@]}" -qq update && apt-get "${options[@]}" -qq download docker-compose; } >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; echo "compose: no package docker-compose of $release could be had" >&2; exit 1; }
dpkg-deb --extract docker-compose_*.deb "$work/package"
plugin=$(find "$work/package" -path '*/cli-plugins/docker-compose' -type f | head -n 1)
[ -n "$plugin" ] || { echo "compose: the package has no plugin" >&2; exit 1; }
install -D --mode=0755 "$plugin" "$plugins/docker-compose"
echo "compose: $(docker compose version --short) installed in $plugins"
