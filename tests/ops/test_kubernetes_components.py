"""The components of k8s/: two ways to scale, and TLS on both sides."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.executor.metrics import ExecutorMetrics
from tests.ops.kubernetes import K8S, OVERLAYS, base_with, overlay, quantity
from tests.ops.manifests import ROOT, SETTINGS

GRPC = ("env", "executor", "judge")
MTLS = ("mtls", "mtls/cert-manager")


def scaler():
    return base_with("hpa").one("HorizontalPodAutoscaler", "codearena-executor")["spec"]


def scaled_object():
    return base_with("keda").one("ScaledObject", "codearena-executor")["spec"]


def adapter_rule():
    (rule,) = yaml.safe_load((K8S / "components/hpa/adapter-rules.yaml").read_text())["rules"]["external"]
    return rule


def query_of(text):
    """A query without its selectors of the namespace, which each system writes in its own way."""
    text = text.replace("<<.LabelMatchers>>", "").replace('namespace="codearena"', "")
    return re.sub(r"\{,?", "{", text).replace("{}", "")


def test_executors_are_added_before_requests_wait():
    """The target is a share of the slots that an executor of the production overlay has."""
    (metric,) = scaler()["metrics"]
    target = metric["external"]["target"]
    slots = int(overlay("production").environment("executor")["CODEARENA_EXECUTOR_SLOTS"])
    assert target["type"] == "AverageValue"
    assert quantity(target["averageValue"]) == Decimal("0.8") * slots
    assert metric["external"]["metric"]["name"] == adapter_rule()["name"]["as"]


def test_both_ways_to_scale_do_the_same():
    one, other = scaler(), scaled_object()
    (metric,), (trigger,) = one["metrics"], other["triggers"]
    assert one["scaleTargetRef"]["name"] == other["scaleTargetRef"]["name"] == "codearena-executor"
    assert (one["minReplicas"], one["maxReplicas"]) == (other["minReplicaCount"], other["maxReplicaCount"])
    assert one["behavior"] == other["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert metric["external"]["target"]["type"] == trigger["metricType"]
    assert quantity(metric["external"]["target"]["averageValue"]) == Decimal(trigger["metadata"]["threshold"])
    assert query_of(adapter_rule()["metricsQuery"]) == query_of(trigger["metadata"]["query"])


@pytest.mark.parametrize("query", ["adapter", "keda"])
def test_the_executor_exports_what_it_is_scaled_by(query):
    registry = CollectorRegistry()
    ExecutorMetrics(registry, "kubernetes", lambda: 0).slots(busy=3, free=1, waiting=2)
    text = adapter_rule()["metricsQuery"] if query == "adapter" else scaled_object()["triggers"][0]["metadata"]["query"]
    selectors = re.findall(r"(codearena_\w+)\{([^}]*)\}", text)
    labels = [dict(re.findall(r'(\w+)="(\w+)"', labels)) for _, labels in selectors]
    values = [
        registry.get_sample_value(name, {key: value for key, value in found.items() if key != "namespace"})
        for (name, _), found in zip(selectors, labels, strict=True)
    ]
    assert sum(values) == 3 + 2


@pytest.mark.parametrize("name", OVERLAYS)
def test_no_overlay_scales_twice_or_sets_a_number_that_is_scaled(name):
    manifests = overlay(name)
    scaled = manifests.of("HorizontalPodAutoscaler") + manifests.of("ScaledObject")
    assert len(scaled) <= 1
    for found in scaled:
        target = manifests.one("Deployment", found["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"]


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_each_service_has_a_certificate_that_is_good_for_what_it_does(name):
    manifests = base_with(*MTLS)
    certificate = manifests.one("Certificate", f"codearena-{name}")["spec"]
    (volume,) = [volume for volume in manifests.pod(name)["volumes"] if volume["name"] == "tls"]
    assert volume["secret"] == {"secretName": certificate["secretName"]}
    assert ("server auth" in certificate["usages"]) == (name in GRPC)
    assert ("client auth" in certificate["usages"]) == (name in ("env", "gateway"))
    assert f"codearena-{name}" in certificate["dnsNames"]
    assert certificate["privateKey"]["rotationPolicy"] == "Always"


def test_certificates_are_of_one_authority():
    manifests = base_with(*MTLS)
    issuer = manifests.one("Issuer", "codearena-authority")
    authority = manifests.one("Certificate", "codearena-authority")["spec"]
    assert issuer["spec"] == {"ca": {"secretName": authority["secretName"]}}
    assert authority["isCA"] is True
    for name in SETTINGS:
        reference = manifests.one("Certificate", f"codearena-{name}")["spec"]["issuerRef"]
        assert reference["name"] == issuer["metadata"]["name"]


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_file_of_tls_is_one_that_is_mounted(name):
    manifests = base_with("mtls")
    (mount,) = [mount for mount in manifests.container(name)["volumeMounts"] if mount["name"] == "tls"]
    files = {
        variable: value
        for variable, value in manifests.environment(name).items()
        if re.fullmatch(r"CODEARENA_(TLS|PEER)_\w+_FILE", variable)
    }
    expected = {"CODEARENA_PEER_CA_FILE", "CODEARENA_PEER_CERTIFICATE_FILE", "CODEARENA_PEER_KEY_FILE"}
    if name in GRPC:
        expected |= {"CODEARENA_TLS_CERTIFICATE_FILE", "CODEARENA_TLS_KEY_FILE", "CODEARENA_TLS_CLIENT_CA_FILE"}
    assert set(files) == expected
    ends = {"CA": "ca.crt", "CERTIFICATE": "tls.crt", "KEY": "tls.key"}
    for variable, value in files.items():
        assert value == f"{mount['mountPath']}/{ends[variable.split('_')[-2]]}"


@pytest.mark.parametrize("name", ["executor", "judge"])
def test_only_env_is_let_in_by_those_behind_it(name):
    manifests = base_with(*MTLS)
    assert manifests.environment(name)["CODEARENA_TLS_ALLOWED_CLIENTS"] == '["codearena-env"]'
    assert "codearena-env" in manifests.one("Certificate", "codearena-env")["spec"]["dnsNames"]


@pytest.mark.parametrize("name", GRPC)
def test_names_in_certificates_are_those_that_are_called(name):
    manifests = base_with(*MTLS)
    host = re.fullmatch(r"dns:///([\w-]+):\d+", manifests.environment("env")[f"CODEARENA_{name.upper()}_ADDRESS"])[1]
    assert host in manifests.one("Certificate", f"codearena-{name}")["spec"]["dnsNames"]


def test_browsers_need_no_certificate():
    environment = base_with("mtls").environment("gateway")
    assert not [variable for variable in environment if variable.startswith("CODEARENA_TLS_")]


def test_the_guide_has_every_folder():
    rows = set(
        re.findall(r"^\| `((?:overlays|components)/[\w/-]+)`", (ROOT / "docs/kubernetes.md").read_text(), re.MULTILINE)
    )
    folders = {str(path.parent.relative_to(K8S)) for path in K8S.rglob("kustomization.yaml")}
    assert rows == folders - {"base"}


def test_the_guide_has_every_secret():
    rows = "\n".join(re.findall(r"^\| `codearena.*$", (ROOT / "docs/kubernetes.md").read_text(), re.MULTILINE))
    for name in SETTINGS:
        for volume in overlay("production").pod(name)["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                assert f"`{source['secret']['name']}`" in rows
                assert all(f"`{item['key']}`" in rows for item in source["secret"].get("items", []))
