"""Who may talk to whom on Kubernetes, as the rendered NetworkPolicies have it: the whole matrix."""

from __future__ import annotations

import dataclasses

import pytest

from services.executor.labels import ROLE, ROLE_LABEL
from tests.ops.kubernetes import OVERLAYS, SANDBOXES_NAMESPACE, SERVICES_NAMESPACE, base_with, labels_of, overlay
from tests.ops.manifests import SETTINGS, default_of
from tests.ops.network import Peer, allows

NAME = "kubernetes.io/metadata.name"
ENV, EXECUTOR, JUDGE, GATEWAY = (default_of(name, "port") for name in ("env", "executor", "judge", "gateway"))
METRICS = {name: default_of(name, "metrics_port") for name in ("env", "executor", "judge")}
PORTS = sorted({22, 53, 80, 443, 5432, 6443, 8080, 10250, 50050, GATEWAY, ENV, EXECUTOR, JUDGE, *METRICS.values()})

OUTSIDE = {
    "client": Peer("10.1.3.1", "trainers", {"app": "trainer"}, {NAME: "trainers", "codearena.access": "clients"}),
    "stranger": Peer("10.1.3.2", "default", {"app.kubernetes.io/name": "prometheus"}, {NAME: "default"}),
    "impostor": Peer("10.1.3.3", "default", {"app.kubernetes.io/name": "codearena-env"}, {NAME: "default"}),
    "prometheus": Peer("10.1.3.4", "monitoring", {"app.kubernetes.io/name": "prometheus"}, {NAME: "monitoring"}),
    "grafana": Peer("10.1.3.5", "monitoring", {"app.kubernetes.io/name": "grafana"}, {NAME: "monitoring"}),
    "dns": Peer("10.1.3.6", "kube-system", {"k8s-app": "kube-dns"}, {NAME: "kube-system"}),
    "api server": Peer("203.0.113.10"),
    "database": Peer("203.0.113.20"),
    "node": Peer("192.168.7.1"),
    "metadata": Peer("169.254.169.254"),
    "internet": Peer("198.51.100.7"),
    "private": Peer("10.200.0.1"),
    "private too": Peer("172.31.0.1"),
    "shared": Peer("100.64.0.1"),
}
WITHIN = {
    *((name, "dns", 53) for name in SETTINGS),
    ("client", "env", ENV),
    ("client", "gateway", GATEWAY),
    ("gateway", "env", ENV),
    ("env", "executor", EXECUTOR),
    ("env", "judge", JUDGE),
    *(("prometheus", name, port) for name, port in METRICS.items()),
    *(("gateway", name, port) for name, port in METRICS.items()),
    ("prometheus", "gateway", GATEWAY),
    # A model somewhere: whatever is no private address.
    ("judge", "internet", 443),
    ("judge", "api server", 443),
    ("judge", "database", 443),
}
ALLOWED = {
    "production": WITHIN
    | {
        ("executor", "api server", 443),
        ("executor", "api server", 6443),
        ("env", "database", 5432),
    },
    # Where the API server is, is not known here.
    "dev": WITHIN | {("executor", host, port) for host in set(OUTSIDE) - {"metadata"} for port in (443, 6443)},
}


def peers(manifests):
    """Everybody there is, by name; what is a pod has its labels from the manifests."""
    spaces = {space["metadata"]["name"]: space["metadata"]["labels"] for space in manifests.of("Namespace")}
    spaces = {name: labels | {NAME: name} for name, labels in spaces.items()}
    found = {
        name: Peer(
            f"10.1.1.{number}",
            SERVICES_NAMESPACE,
            labels_of(manifests.one("Deployment", f"codearena-{name}")),
            spaces[SERVICES_NAMESPACE],
        )
        for number, name in enumerate(sorted(SETTINGS), start=1)
    }
    sandbox = Peer("10.1.2.1", SANDBOXES_NAMESPACE, {ROLE_LABEL: ROLE}, spaces[SANDBOXES_NAMESPACE])
    found |= {"sandbox": sandbox, "other sandbox": dataclasses.replace(sandbox, address="10.1.2.2")}
    return found | OUTSIDE


def matrix(manifests):
    """Every connection that is made, and that has one of our pods at an end."""
    everybody, policies = peers(manifests), manifests.of("NetworkPolicy")
    return {
        (caller, called, port)
        for caller in everybody
        for called in everybody
        if caller != called and (caller not in OUTSIDE or called not in OUTSIDE)
        for port in PORTS
        if allows(policies, everybody[caller], everybody[called], port)
    }


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_these_may_talk(name):
    assert matrix(overlay(name)) == ALLOWED[name]


@pytest.mark.parametrize("name", OVERLAYS)
def test_names_are_looked_up_in_the_clusters_dns_and_nowhere_else(name):
    everybody, policies = peers(overlay(name)), overlay(name).of("NetworkPolicy")
    asked = {
        (caller, called)
        for caller in everybody
        for called in everybody
        if caller != called
        and (caller not in OUTSIDE or called not in OUTSIDE)
        and allows(policies, everybody[caller], everybody[called], 53, "UDP")
    }
    assert asked == {(service, "dns") for service in SETTINGS}


@pytest.mark.parametrize("components", [(), ("gvisor",), ("keda",), ("mtls",), ("hpa", "mtls", "mtls/cert-manager")])
def test_a_sandbox_is_cut_off_whatever_else_there_is(components):
    """By the base itself: the policies of the services are a component, this one is not."""
    found = matrix(base_with(*components))
    assert found
    assert not [one for one in found if "sandbox" in one[0] or "sandbox" in one[1]]


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("namespace", [SERVICES_NAMESPACE, SANDBOXES_NAMESPACE])
def test_what_nothing_is_said_about_is_denied(name, namespace):
    policy = overlay(name).one("NetworkPolicy", "default-deny", namespace)["spec"]
    assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_production_knows_the_addresses_outside_of_the_cluster():
    """A block is one host, or leaves out what is private."""
    for policy in overlay("production").of("NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            for block in [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]:
                assert block["cidr"].endswith("/32") or "169.254.0.0/16" in block["except"]


def test_the_evaluator_knows_open_pods_and_rules_that_take_anybody():
    """The rules of the API that ours make no use of, so that a new policy is read right."""
    one, two = Peer("10.0.0.1", "a", {"x": "1"}), Peer("10.0.0.2", "b", {"y": "1"}, {NAME: "b"})
    assert allows([], one, two, 80)
    deny = {"metadata": {"namespace": "a"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
    assert not allows([deny], one, two, 80)
    assert allows([deny], two, one, 80)
    anybody = {"metadata": {"namespace": "a"}, "spec": deny["spec"] | {"egress": [{}]}}
    assert allows([deny, anybody], one, two, 80)
    near = {"metadata": {"namespace": "a"}, "spec": deny["spec"] | {"egress": [{"to": [{"podSelector": {}}]}]}}
    assert not allows([near], one, two, 80)
    far = [{"to": [{"namespaceSelector": {"matchLabels": {NAME: "b"}}, "podSelector": {"matchLabels": {"y": "1"}}}]}]
    assert allows([near, {"metadata": {"namespace": "a"}, "spec": deny["spec"] | {"egress": far}}], one, two, 80)
