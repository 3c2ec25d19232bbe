#!/usr/bin/env bash
# Runs the executor's tests on pods of a real Kubernetes, with the rights that k8s/base gives the executor and no others.
#
#   tools/test_kubernetes.sh [pytest arguments]     default: conformance, attacks, bad input, and what is Kubernetes's own
#   tools/test_kubernetes.sh -- COMMAND             runs something else with the same cluster and rights, for example
#                                                   .venv/bin/python -m benchmarks.pods
#
# The cluster is the one that KUBECONFIG names, whose user may make namespaces and roles. Set CODEARENA_KUBERNETES_IMAGE
# to a sandbox image that its nodes can pull, and CODEARENA_KUBERNETES_SECCOMP_PROFILE to the profile that they have (see
# docs/sandbox.md). Without KUBECONFIG, LOCAL_KUBERNETES names a command with `build`, `up` and `down` that brings up one on
# this machine, which takes images from the local Docker engine, and KUBE_PREFIX the folder in which it then has the file
# `kubeconfig` and its programs in `bin`.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly python=${PYTHON:-.venv/bin/python}
readonly profiles=/var/lib/kubelet/seccomp # where a kubelet looks for them
work=$(mktemp -d)
readonly work
down=no
clean() {
  if [[ $down == yes ]]; then
    "$LOCAL_KUBERNETES" down
    rm -f "$profiles/codearena.json"
  fi
  rm -rf "$work"
}
trap clean EXIT

if [[ -z ${KUBECONFIG:-} ]]; then
  if [[ -z ${KUBE_PREFIX:-} ]] || ! command -v "${LOCAL_KUBERNETES:-}" >/dev/null; then
    echo "no cluster: set KUBECONFIG to a file of credentials for one; or LOCAL_KUBERNETES to a command that brings one" \
      "up on this machine, and KUBE_PREFIX to the folder in which it has kubeconfig and bin/ (see the head of $0)" >&2
    exit 1
  fi
  "$LOCAL_KUBERNETES" build
  down=yes
  "$LOCAL_KUBERNETES" up
  export KUBECONFIG=$KUBE_PREFIX/kubeconfig PATH=$KUBE_PREFIX/bin:$PATH
  # The runtime's own profile refuses some calls before the harness can count them.
  mkdir -p "$profiles"
  "$python" -c 'from services.executor.seccomp_profile import profile; print(profile())' >"$profiles/codearena.json"
  export CODEARENA_KUBERNETES_SECCOMP_PROFILE=codearena.json
  CODEARENA_KUBERNETES_IMAGE=$("$python" -m services.executor.image --from host | cut -d ' ' -f 1)
  export CODEARENA_KUBERNETES_IMAGE CODEARENA_KUBERNETES_IMAGE_PULL_POLICY=Never
  # One small node, on which no NetworkPolicy is enforced, so that sandboxes may reach whatever the machine does.
  export CODEARENA_KUBERNETES_CPU_REQUEST=${CODEARENA_KUBERNETES_CPU_REQUEST:-0.05}
  everything='["api_server", "metadata", "dns", "peer"]'
  export CODEARENA_KUBERNETES_TOLERATED_PROBES=${CODEARENA_KUBERNETES_TOLERATED_PROBES:-$everything}
fi

kubectl apply -f k8s/base/namespaces.yaml -f k8s/base/sandboxes.yaml
kubectl -n codearena create serviceaccount codearena-executor 2>/dev/null || true
token=$(
  echo '{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 21600}}' |
    kubectl create -f - --raw /api/v1/namespaces/codearena/serviceaccounts/codearena-executor/token |
    sed -n 's/.*"token": *"\([^"]*\)".*/\1/p'
)
# The same cluster, and nobody's credentials but the executor's own.
umask 077
kubectl config view --raw --minify --flatten >"$work/executor.kubeconfig"
user=$(kubectl config view --minify -o 'jsonpath={.contexts[0].context.user}')
kubectl --kubeconfig "$work/executor.kubeconfig" config unset "users" >/dev/null
kubectl --kubeconfig "$work/executor.kubeconfig" config set-credentials "$user" --token "$token" >/dev/null

export CODEARENA_KUBERNETES_KUBECONFIG=$work/executor.kubeconfig CODEARENA_TEST_KUBERNETES=1
export CODEARENA_REQUIRE=${CODEARENA_REQUIRE:+$CODEARENA_REQUIRE,}kubernetes
if [[ ${1:-} == -- ]]; then
  shift
  "$@"
  exit
fi
(($#)) || set -- tests/executor/test_conformance.py tests/executor/test_attacks.py \
  tests/executor/test_bad_input.py tests/executor/test_canary.py tests/executor/test_slots.py \
  tests/executor/test_kubernetes_cluster.py tests/executor/test_kubernetes_pool.py \
  tests/executor/test_kubernetes_rolling.py
"$python" -m pytest -m kubernetes "$@"
