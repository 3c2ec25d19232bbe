"""The namespace of the sandboxes: what the executor may do there, what a pod of it gets, and how many there may be."""

from __future__ import annotations

import os
from decimal import Decimal

import pytest

from services.executor.kubernetes_pod import pod_manifest
from tests.ops.kubernetes import (
    OVERLAYS,
    SANDBOXES_NAMESPACE,
    SERVICES_NAMESPACE,
    base_with,
    overlay,
    quantity,
)
from tests.ops.manifests import SETTINGS

each_overlay = pytest.mark.parametrize("manifests", OVERLAYS, indirect=True)
SURGE = 1
CANARY_PODS = 2
MOST_PODS = 3000


@pytest.fixture
def manifests(request):
    return overlay(request.param)


def executor_settings(manifests, monkeypatch, tmp_path):
    for variable in [found for found in os.environ if found.startswith("CODEARENA_")]:
        monkeypatch.delenv(variable)
    for variable, value in (manifests.environment("executor") | {"CODEARENA_SECRETS_DIR": str(tmp_path)}).items():
        monkeypatch.setenv(variable, value)
    return SETTINGS["executor"]()


def executors(manifests):
    """How many executors there are at most, while nothing is updated."""
    scalers = manifests.of("HorizontalPodAutoscaler")
    if not scalers:
        return manifests.one("Deployment", "codearena-executor")["spec"].get("replicas", 1)
    return scalers[0]["spec"]["maxReplicas"]


@each_overlay
def test_both_namespaces_take_restricted_pods_only(manifests):
    spaces = {space["metadata"]["name"]: space["metadata"]["labels"] for space in manifests.of("Namespace")}
    assert set(spaces) == {SERVICES_NAMESPACE, SANDBOXES_NAMESPACE}
    for labels in spaces.values():
        for mode in ("enforce", "warn", "audit"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


@each_overlay
def test_everything_is_in_one_of_the_two_namespaces(manifests):
    wide = {"Namespace", "PriorityClass", "RuntimeClass"}
    for found in manifests.objects:
        assert (found["metadata"].get("namespace") is None) == (found["kind"] in wide), found["metadata"]["name"]
    within = {found["kind"] for found in manifests.objects if found["metadata"].get("namespace") == SANDBOXES_NAMESPACE}
    assert within == {"Role", "RoleBinding", "ServiceAccount", "NetworkPolicy", "ResourceQuota", "LimitRange"}


@each_overlay
def test_the_executor_may_handle_pods_there_and_nothing_else_anywhere(manifests):
    (role,), (binding,) = manifests.of("Role"), manifests.of("RoleBinding")
    verbs = {
        (group, resource): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert verbs == {
        ("", "pods"): {"create", "get", "list", "watch", "delete", "patch"},
        ("", "pods/attach"): {"create", "get"},
    }
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == SANDBOXES_NAMESPACE
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    account = {"kind": "ServiceAccount", "name": "codearena-executor", "namespace": SERVICES_NAMESPACE}
    assert binding["subjects"] == [account]
    assert not manifests.of("ClusterRole") + manifests.of("ClusterRoleBinding")


@each_overlay
def test_nobody_in_there_has_a_token(manifests):
    for account in manifests.of("ServiceAccount", SANDBOXES_NAMESPACE):
        assert account["automountServiceAccountToken"] is False


@each_overlay
def test_a_sandbox_is_of_the_classes_that_there_are(manifests, monkeypatch, tmp_path):
    settings = executor_settings(manifests, monkeypatch, tmp_path)
    assert settings.sandbox_backend == "kubernetes"
    pod = pod_manifest("a", {}, ["true"], settings)
    assert pod["metadata"]["namespace"] == SANDBOXES_NAMESPACE
    assert manifests.one("ServiceAccount", pod["spec"]["serviceAccountName"], SANDBOXES_NAMESPACE)
    assert manifests.one("PriorityClass", pod["spec"]["priorityClassName"])
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert "runtimeClassName" not in pod["spec"]


@each_overlay
def test_a_sandbox_is_within_its_limits(manifests, monkeypatch, tmp_path):
    pod = pod_manifest("a", {}, ["true"], executor_settings(manifests, monkeypatch, tmp_path))
    (container,) = pod["spec"]["containers"]
    (limits,) = manifests.one("LimitRange", SANDBOXES_NAMESPACE)["spec"]["limits"]
    for what, most in limits["max"].items():
        asked, bound = (quantity(container["resources"][which][what]) for which in ("requests", "limits"))
        assert asked <= bound <= quantity(most)
        assert bound <= asked * Decimal(limits.get("maxLimitRequestRatio", {}).get(what, "Infinity"))


def test_in_production_no_sandbox_has_time_of_another():
    (limits,) = overlay("production").one("LimitRange", SANDBOXES_NAMESPACE)["spec"]["limits"]
    assert limits["maxLimitRequestRatio"] == {"cpu": "1", "memory": "1"}


@each_overlay
@pytest.mark.parametrize("overhead", [{}, {"cpu": "50m", "memory": "64Mi"}], ids=["runc", "gvisor"])
def test_the_quota_holds_the_sandboxes_of_all_executors(manifests, overhead, monkeypatch, tmp_path):
    assert_quota_holds(manifests, executor_settings(manifests, monkeypatch, tmp_path), overhead)


def assert_quota_holds(manifests, settings, overhead):
    """Those in use, as many on their way out, those kept warm and the canary's; of one executor more, for an update."""
    _, warm = settings.warm_range
    pods = (executors(manifests) + SURGE) * (2 * settings.slots + warm + CANARY_PODS)
    quota = {
        what: quantity(most)
        for what, most in manifests.one("ResourceQuota", SANDBOXES_NAMESPACE)["spec"]["hard"].items()
    }
    assert pods <= quota["pods"] <= MOST_PODS
    (container,) = pod_manifest("a", {}, ["true"], settings)["spec"]["containers"]
    for which in ("requests", "limits"):
        for what, each in container["resources"][which].items():
            assert pods * (quantity(each) + quantity(overhead.get(what, 0))) <= quota[f"{which}.{what}"]


@each_overlay
def test_the_quota_of_the_services_holds_all_of_them(manifests):
    hard = manifests.one("ResourceQuota", SERVICES_NAMESPACE)["spec"]["hard"]
    quota = {what: quantity(most) for what, most in hard.items()}
    counts = {name: manifests.one("Deployment", f"codearena-{name}")["spec"].get("replicas", 1) for name in SETTINGS}
    counts["executor"] = executors(manifests)
    assert sum(count + SURGE for count in counts.values()) <= quota["pods"]
    for which in ("requests", "limits"):
        for what in ("cpu", "memory"):
            each = {name: quantity(manifests.container(name)["resources"][which][what]) for name in SETTINGS}
            assert sum((counts[name] + SURGE) * each[name] for name in SETTINGS) <= quota[f"{which}.{what}"]


@each_overlay
def test_a_sandbox_gives_way_to_everything_else(manifests):
    service, sandbox = (manifests.one("PriorityClass", f"codearena-{name}") for name in ("service", "sandbox"))
    assert sandbox["value"] < 0 < service["value"]
    assert sandbox["preemptionPolicy"] == "Never"
    assert not service.get("globalDefault")
    assert not sandbox.get("globalDefault")


def test_gvisor_gives_sandboxes_its_class(monkeypatch, tmp_path):
    manifests = base_with("gvisor")
    settings = executor_settings(manifests, monkeypatch, tmp_path)
    pod = pod_manifest("a", {}, ["true"], settings)
    runtime = manifests.one("RuntimeClass", pod["spec"]["runtimeClassName"])
    assert runtime["handler"] == "runsc"
    assert_quota_holds(manifests, settings, runtime["overhead"]["podFixed"])
    assert all("runtimeClassName" not in manifests.pod(name) for name in SETTINGS)
