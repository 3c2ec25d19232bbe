#!/usr/bin/env bash
# Checks k8s/ without a cluster; `tools/check_manifests.sh --help` says how.
set -euo pipefail
cd "$(dirname "$0")/.."
# The oldest version of Kubernetes that we support, and the newest that the schemas know.
versions=(1.33.0 1.37.0)
checkov_version=3.3.30
npm_packages=(typescript@5.9.3 @kubernetes-models/cert-manager@6.0.0 @kubernetes-models/keda@2.0.0
  @kubernetes-models/prometheus-operator@6.0.0)
work=.tools/manifests
python=.venv/bin/python

usage() {
  cat <<'TEXT'
usage: tools/check_manifests.sh [kubectl]

Renders each overlay of k8s/, and the base with each component that no overlay has, and checks what comes out:
  - fields and types of Kubernetes' own objects, against the schemas of the oldest and the newest version supported
  - fields and types of cert-manager's, KEDA's and the Prometheus operator's, against their published types
  - what checkov knows of insecure settings, in the overlays; k8s/checkov.yaml says what is left out and why

The tools come from PyPI, npm and Debian, into .tools/. What cannot be had is skipped, unless CODEARENA_REQUIRE names
kubectl. With the argument `kubectl`, only that is made sure of.
TEXT
}

fail() {
  printf 'manifests: %s\n' "$@" >&2
  exit 1
}

skip() {
  [[ ",${CODEARENA_REQUIRE:-}," != *,kubectl,* ]] || fail "CODEARENA_REQUIRE names kubectl, but $1"
  printf 'manifests: skipped, %s\n' "$1"
}

# Components came with 1.21; anything that is still supported will do.
renders() {
  command -v "$1" >/dev/null && "$1" version --client --output=json 2>/dev/null |
    "$python" -c 'import json, sys; sys.exit(int(json.load(sys.stdin)["clientVersion"]["minor"].rstrip("+")) < 27)'
}

# Debian's stable release has an old one; its successor's is a single static program, unpacked and not installed.
unpack_kubectl() {
  local unpacked=.tools/kubectl-package
  tools/newer_package.sh kubectl "$unpacked" && mv "$unpacked/usr/bin/kubectl" .tools/kubectl
  local status=$?
  rm -rf "$unpacked"
  return $status
}

find_kubectl() {
  mkdir -p .tools
  for kubectl in .tools/kubectl kubectl; do
    if renders "$kubectl"; then return; fi
  done
  unpack_kubectl || return 1
  kubectl=.tools/kubectl
  renders "$kubectl"
}

# Each overlay, and the base with each component that no overlay has.
render() {
  rm -rf "$work"
  mkdir -p "$work"
  local folder name
  for folder in k8s/overlays/*/; do
    "$kubectl" kustomize "$folder" >"$work/$(basename "$folder").yaml"
  done
  find k8s/components -name kustomization.yaml -printf '%h\n' | sort | while read -r folder; do
    if grep -qE "^ *- .*${folder#k8s/}\$" k8s/overlays/*/kustomization.yaml; then continue; fi
    name=$(tr / - <<<"${folder#k8s/components/}")
    mkdir "$work/$name"
    printf 'resources: [../../../k8s/base]\ncomponents: [../../../%s]\n' "$folder" >"$work/$name/kustomization.yaml"
    "$kubectl" kustomize "$work/$name" >"$work/base-$name.yaml"
  done
}

check_schemas() {
  local version
  for version in "${versions[@]}"; do
    .venv/bin/kubernetes-validate --strict --quiet --no-warn -k "$version" "$work"/*.yaml
    echo "manifests: valid on Kubernetes $version"
  done
}

check_custom_resources() {
  command -v npm >/dev/null || { skip "there is no npm to install the types of custom resources with"; return; }
  npm install --silent --no-audit --no-fund --prefix .tools "${npm_packages[@]}"
  "$python" tools/typed_resources.py "$work"/*.yaml >.tools/manifests.ts
  .tools/node_modules/.bin/tsc --noEmit --strict --skipLibCheck --target es2022 --module nodenext .tools/manifests.ts
  echo "manifests: custom resources fit their types"
}

check_security() {
  local venv=.tools/checkov
  # An environment of its own: it pins what we use in other versions.
  if [ "$("$venv/bin/checkov" --version 2>/dev/null)" != "$checkov_version" ]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "checkov==$checkov_version"
  fi
  # What is applied: the base by itself has no image tags yet.
  local files=() folder
  for folder in k8s/overlays/*/; do files+=(--file "$work/$(basename "$folder").yaml"); done
  "$venv/bin/checkov" --config-file k8s/checkov.yaml "${files[@]}"
}

case ${1:-} in
  -h | --help) usage; exit 0 ;;
  '' | kubectl) ;;
  *) usage >&2; exit 2 ;;
esac
[ -x "$python" ] || fail "$python is missing: run \`make setup\`"
find_kubectl || { skip "there is no kubectl of 1.27 or newer, and Debian's cannot be had"; exit 0; }
if [ "${1:-}" = kubectl ]; then exit 0; fi
render
check_schemas
check_custom_resources
check_security
