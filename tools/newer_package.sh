#!/usr/bin/env bash
# Unpacks a package of a newer release of Debian, for what this one has too old or not at all.
#
#   tools/newer_package.sh PACKAGE FOLDER [RELEASE]     # default: trixie
#
# Nothing is installed, and no source is added to the machine: its package client's own sources, wherever they are, are
# read for the newer release, into folders that are removed again. Checksum and signature are checked as always.
set -euo pipefail

fail() {
  printf 'newer package: %s\n' "$1" >&2
  exit 1
}

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
  sed -n '4s/^# *//p' "$0" >&2
  exit 2
fi
package=$1 release=${3:-trixie}
command -v apt-get >/dev/null || fail "there is no apt-get on this machine; install $package by hand"
mkdir -p "$2"
folder=$(cd "$2" && pwd)
# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || fail "/etc/os-release does not tell this machine's release; install $package by hand"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{sources,lists/partial,archives/partial}
list="" parts=""
eval "$(apt-config shell list Dir::Etc::SourceList/f parts Dir::Etc::SourceParts/d)"
for source in "$list" "$parts"/*.list "$parts"/*.sources; do
  if [ -s "$source" ]; then sed "s/$codename/$release/g" "$source" >"$work/sources/${source##*/}"; fi
done
options=(
  -qq -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/sources" -o "Dir::State::Lists=$work/lists"
  -o "Dir::State::Status=/dev/null" -o "Dir::Cache=$work" -o "Dir::Cache::Archives=$work/archives"
  -o "APT::Sandbox::User=root" -o "Acquire::Languages=none"
)
cd "$work"
# Sources of others may know no such release: what counts is whether the package can be had.
{ apt-get "${options[@]}" update || true; apt-get "${options[@]}" download "$package"; } >log 2>&1 || {
  tail -n 20 log >&2
  fail "no package $package of $release could be had"
}
dpkg-deb --extract "$package"_*.deb "$folder"
